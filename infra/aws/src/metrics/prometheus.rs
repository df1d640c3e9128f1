//! The meter of the worker: counters and histograms as text that Prometheus reads
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use std::time::Duration;

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use sendoff_consumers::{Count, Meter, Span};

/// From a handler that only reads a record to one that waits for a mail server, in seconds.
const LATENCY: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// From an event that is handled at once to one that waited out a long outage, in seconds.
const AGE: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0];

type Label = [(&'static str, String); 1];
type Histograms = Family<Label, Histogram, fn() -> Histogram>;

/// Counts and times for as long as the process runs.
pub struct PrometheusMeter {
    registry: Registry,
    counters: [Family<Label, Counter>; Count::ALL.len()],
    latency: Histograms,
    age: Histograms,
}

impl PrometheusMeter {
    /// The content type of [`page`](Self::page).
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// A meter that has measured nothing.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sendoff");
        let counters = Count::ALL.map(|what| {
            let family = Family::default();
            registry.register(snake(what.name()), help(what), family.clone());
            family
        });
        let latency = Histograms::new_with_constructor(|| Histogram::new(LATENCY));
        let age = Histograms::new_with_constructor(|| Histogram::new(AGE));
        for (what, says, family) in [
            (Span::HandlerLatency, "From the delivery to the verdict", &latency),
            (Span::Age, "From the event's first publication to the end of its handling", &age),
        ] {
            registry.register_with_unit(snake(what.name()), says, Unit::Seconds, family.clone());
        }
        Self { registry, counters, latency, age }
    }

    /// Everything that was measured, as Prometheus reads it.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a String can't fail.
        let _ = encode(&mut page, &self.registry);
        page
    }
}

impl Default for PrometheusMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter for PrometheusMeter {
    fn count(&self, what: Count, consumer: &str, n: u64) {
        if let Some(family) = Count::ALL.iter().position(|w| *w == what).and_then(|at| self.counters.get(at)) {
            family.get_or_create(&label(consumer)).inc_by(n);
        }
    }

    fn time(&self, what: Span, consumer: &str, took: Duration) {
        let family = match what {
            Span::HandlerLatency => &self.latency,
            Span::Age => &self.age,
        };
        family.get_or_create(&label(consumer)).observe(took.as_secs_f64());
    }
}

fn label(consumer: &str) -> Label {
    [("consumer", consumer.to_owned())]
}

const fn help(what: Count) -> &'static str {
    match what {
        Count::Published => "Events that the topic took",
        Count::Handled => "Messages that were handled",
        Count::Failed => "Attempts that failed, whether they are repeated or were the last",
        Count::Retried => "Attempts that failed and will be repeated",
        Count::DeadLettered => "Messages that were moved to the dead-letter queue",
        Count::Duplicates => "Messages that had been handled before",
        Count::InDoubt => "Dead letters whose effect may or may not have happened",
        Count::Deferred => "Messages that were put off without an attempt",
        Count::CacheHits => "Look-ups that the process's own memory answered",
        Count::SharedCacheHits => "Look-ups that the shared cache answered",
        Count::CacheMisses => "Look-ups that the table had to answer",
    }
}

/// `DeadLettered` as Prometheus writes names: `dead_lettered`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, c) in name.char_indices() {
        if c.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_tells_counts_and_times_by_consumer() {
        let meter = PrometheusMeter::new();
        meter.count(Count::Handled, "email", 2);
        meter.count(Count::Handled, "email", 1);
        meter.count(Count::DeadLettered, "workflow-kickoff", 1);
        meter.time(Span::HandlerLatency, "email", Duration::from_millis(30));
        meter.time(Span::HandlerLatency, "email", Duration::from_millis(700));
        meter.time(Span::Age, "email", Duration::from_secs(2));
        let page = meter.page();
        for line in [
            "# HELP sendoff_handled Messages that were handled.",
            "# TYPE sendoff_handled counter",
            "sendoff_handled_total{consumer=\"email\"} 3",
            "sendoff_dead_lettered_total{consumer=\"workflow-kickoff\"} 1",
            "# TYPE sendoff_handler_latency_seconds histogram",
            "# UNIT sendoff_handler_latency_seconds seconds",
            "sendoff_handler_latency_seconds_count{consumer=\"email\"} 2",
            "sendoff_handler_latency_seconds_sum{consumer=\"email\"} 0.73",
            "sendoff_handler_latency_seconds_bucket{le=\"0.025\",consumer=\"email\"} 0",
            "sendoff_handler_latency_seconds_bucket{le=\"0.05\",consumer=\"email\"} 1",
            "sendoff_handler_latency_seconds_bucket{le=\"1.0\",consumer=\"email\"} 2",
            "sendoff_handler_latency_seconds_bucket{le=\"+Inf\",consumer=\"email\"} 2",
            "sendoff_age_seconds_bucket{le=\"1.0\",consumer=\"email\"} 0",
            "sendoff_age_seconds_bucket{le=\"2.5\",consumer=\"email\"} 1",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\nnot in\n{page}");
        }
        assert!(page.ends_with("# EOF\n"), "{page}");
    }

    #[test]
    fn all_that_is_counted_has_a_name_of_its_own() {
        let meter = PrometheusMeter::new();
        Count::ALL.into_iter().for_each(|what| meter.count(what, "email", 0));
        let page = meter.page();
        for what in Count::ALL {
            let name = snake(what.name());
            assert_eq!(page.matches(&format!("# TYPE sendoff_{name} counter\n")).count(), 1, "{name}\n{page}");
            assert!(page.contains(&format!("sendoff_{name}_total{{consumer=\"email\"}} 0\n")), "{name}\n{page}");
        }
    }
}
