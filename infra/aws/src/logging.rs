//! Logs as JSON lines: one flat object for each, with the fields of the spans around it beside its own.
//!
//! `event_id`, `consumer`, `correlation_id`, `trace_id`, `attempt` and the request id of Lambda are fields of spans. Personal
//! data has no `Display`, so it can't become one.

use std::{
    fmt,
    io::{self, Write},
    str::FromStr,
    sync::Arc,
};

use sendoff_events::Clock;
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
    util::{SubscriberInitExt as _, TryInitError},
};

/// What is logged: a level, or levels by module. A filter with regular expressions would be most of a small function.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLevel(Targets);

/// The text is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a level nor `module=level`")]
pub struct LogLevelError(String);

impl FromStr for LogLevel {
    type Err = LogLevelError;

    fn from_str(text: &str) -> Result<Self, LogLevelError> {
        let mut targets = Targets::new();
        for part in text.split(',').map(str::trim) {
            // The crate would take a misspelt level for a module.
            let (module, level) = part.split_once('=').map_or((None, part), |(module, level)| (Some(module), level));
            let wrong = || LogLevelError(part.to_owned());
            // It would also take an empty one for `error`.
            if level.is_empty() || module == Some("") {
                return Err(wrong());
            }
            let level: LevelFilter = level.parse().map_err(|_| wrong())?;
            targets = match module {
                None => targets.with_default(level),
                Some(module) => targets.with_target(module, level),
            };
        }
        Ok(Self(targets))
    }
}

impl Default for LogLevel {
    /// `info`.
    fn default() -> Self {
        Self(Targets::new().with_default(LevelFilter::INFO))
    }
}

/// Starts logging to stdout, where Lambda takes it.
///
/// # Errors
///
/// When the process logs already.
pub fn log_to_stdout(level: &LogLevel, clock: Arc<dyn Clock>) -> Result<(), TryInitError> {
    start(level, clock, io::stdout)
}

/// Starts logging to stderr.
///
/// # Errors
///
/// When the process logs already.
pub fn log_to_stderr(level: &LogLevel, clock: Arc<dyn Clock>) -> Result<(), TryInitError> {
    start(level, clock, io::stderr)
}

fn start<W: Write>(
    level: &LogLevel,
    clock: Arc<dyn Clock>,
    out: impl Fn() -> W + Send + Sync + 'static,
) -> Result<(), TryInitError> {
    tracing_subscriber::registry().with(level.0.clone()).with(Lines { clock, out }).try_init()
}

/// Writes each event as one line.
struct Lines<O> {
    clock: Arc<dyn Clock>,
    out: O,
}

/// The fields of a span or of an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

impl<S, O, W> Layer<S> for Lines<O>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    O: Fn() -> W + 'static,
    W: Write,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        // From the outside in: what is nearer wins.
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(Fields(fields)) = span.extensions().get::<Fields>() {
                line.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        line.extend(own.0);
        // Last, so that no field can pretend to be one of these.
        line.insert("timestamp".into(), self.clock.now().to_string().into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("target".into(), event.metadata().target().into());
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // In one piece, so that lines of several threads don't mix. If nobody takes them, there is nobody to tell.
        let mut out = (self.out)();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use sendoff_host::SystemClock;
    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, work: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let out = kept.clone();
        let lines = Lines { clock: Arc::new(SystemClock), out: move || out.clone() };
        let level: LogLevel = level.parse().unwrap();
        with_default(tracing_subscriber::registry().with(level.0).with(lines), work);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn the_fields_of_spans_stand_flat_beside_those_of_the_event() {
        let lines = logged("info", || {
            let outer = tracing::info_span!("invocation", request_id = "r-1", attempt = 1);
            let _outer = outer.enter();
            let inner = tracing::info_span!("message", event_id = "e-1", attempt = 2, trace_id = tracing::field::Empty);
            inner.record("trace_id", "t-1");
            let _inner = inner.enter();
            tracing::info!(consumer = "email", level = "pretended", "handled\nwell");
        });
        let [line] = &lines[..] else { panic!("one line, not {lines:?}") };
        for (name, value) in [
            ("request_id", Value::from("r-1")),
            ("event_id", "e-1".into()),
            ("attempt", 2.into()),
            ("trace_id", "t-1".into()),
            ("consumer", "email".into()),
            ("message", "handled\nwell".into()),
            ("level", "INFO".into()),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn levels_hold_by_module() {
        let work = || {
            tracing::debug!("not this");
            tracing::debug!(target: "sendoff_consumers::worker", "this");
        };
        assert_eq!(logged("info,sendoff_consumers=debug", work).len(), 1);
        assert_eq!(logged("warn", work).len(), 0);
    }

    #[test]
    fn a_misspelt_level_is_no_module() {
        assert_eq!("inof".parse::<LogLevel>().unwrap_err().to_string(), "`inof` is neither a level nor `module=level`");
        for wrong in ["", "info,", "=debug", "sendoff=loud"] {
            assert!(wrong.parse::<LogLevel>().is_err(), "{wrong}");
        }
        assert_eq!("info".parse::<LogLevel>(), Ok(LogLevel::default()));
    }
}
