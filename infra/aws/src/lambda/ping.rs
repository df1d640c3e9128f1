//! The warmer's ping: `{"source":"warmer","concurrency":n}`, sent n times at once by a schedule, so that n execution
//! environments are there when traffic comes.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

/// How long an environment stays busy when it is to be one of several: as long as another of the pings needs to get to
/// another environment.
const HOLD: Duration = Duration::from_millis(75);

/// A ping. Longer texts aren't looked at, so that telling it apart costs a real event nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ping {
    concurrency: u32,
}

const MAX_BYTES: usize = 256;

impl Ping {
    /// The ping in the event, if it is one.
    pub(super) fn of(event: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Shape<'a> {
            source: &'a str,
            #[serde(default)]
            concurrency: u32,
        }
        let text = event.get();
        if text.len() > MAX_BYTES {
            return None;
        }
        let shape: Shape<'_> = serde_json::from_str(text).ok()?;
        (shape.source == "warmer").then_some(Self { concurrency: shape.concurrency })
    }

    /// How long the environment stays busy.
    pub(super) const fn hold(self) -> Duration {
        if self.concurrency > 1 { HOLD } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(event: &str) -> Option<Duration> {
        Ping::of(&RawValue::from_string(event.to_owned()).unwrap()).map(Ping::hold)
    }

    #[test]
    fn a_ping_is_told_from_everything_else() {
        assert_eq!(of(r#"{"source":"warmer"}"#), Some(Duration::ZERO));
        assert_eq!(of(r#"{"source":"warmer","concurrency":1}"#), Some(Duration::ZERO));
        assert_eq!(of(r#"{"concurrency":5,"source":"warmer","more":[]}"#), Some(HOLD));
        for other in [r#"{"source":"aws.events"}"#, r#"{"Records":[]}"#, "[]", "null", r#""warmer""#] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
