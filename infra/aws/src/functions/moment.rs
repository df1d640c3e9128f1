//! The action `moment`: when a time of the day in a time zone is, which state machines can't reckon themselves.
//!
//! | field | what it is |
//! |---|---|
//! | `action` | `moment` |
//! | `date` | the day, `2026-11-26`; a moment is taken as it is, and `null` is long past |
//! | `minute` | the minute of the day there, from 0 to 1439 |
//! | `zone` | the time zone, by its name in the IANA database |
//!
//! The answer is `{"status": "done", "at"}` with the moment in UTC with milliseconds. It follows from the call alone.

use sendoff_consumers::{
    Limits,
    action::{ActionError, ActionResult, ActionStatus, Actions},
};
use sendoff_events::BoxFuture;
use sendoff_workflows::engine::moment;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::actions::invalid;

/// Its name in calls.
pub(super) const MOMENT: &str = "moment";

/// What a step waits for that waits for nothing: it is over.
const LONG_PAST: &str = "1970-01-01T00:00:00.000Z";

/// Reckons moments.
pub(super) struct Moments;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    #[serde(rename = "action")]
    _action: String,
    date: Value,
    minute: u16,
    zone: String,
}

impl Actions for Moments {
    fn act<'a>(&'a self, call: &'a str, _: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let at = Map::from_iter([("at".to_owned(), Value::from(reckon(call)?))]);
            let (provider, provider_id, reason) = (None, None, None);
            Ok(ActionResult { status: ActionStatus::Done, provider, provider_id, reason, outputs: at })
        })
    }
}

fn reckon(call: &str) -> Result<String, ActionError> {
    let Call { _action, date, minute, zone } = serde_json::from_str(call).map_err(|e| invalid(e.to_string()))?;
    match date {
        Value::Null => Ok(LONG_PAST.to_owned()),
        Value::String(date) => moment(&date, minute, &zone).map_err(|failure| invalid(failure.cause)),
        _ => Err(invalid("`date` must be a text or null")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(date: &Value, minute: u16, zone: &str) -> Result<String, ActionError> {
        reckon(&json!({ "action": "moment", "date": date, "minute": minute, "zone": zone }).to_string())
    }

    #[test]
    fn a_time_of_the_day_is_told_in_utc_with_milliseconds() {
        let berlin = |date: &str, minute| at(&json!(date), minute, "Europe/Berlin").unwrap();
        assert_eq!(berlin("2026-11-26", 9 * 60), "2026-11-26T08:00:00.000Z");
        assert_eq!(berlin("2026-03-29", 2 * 60 + 30), "2026-03-29T01:30:00.000Z", "the clocks leave it out");
        assert_eq!(berlin("2026-10-25", 2 * 60 + 30), "2026-10-25T00:30:00.000Z", "it comes twice");
        assert_eq!(at(&json!("2026-11-26"), 0, "Asia/Kathmandu").unwrap(), "2026-11-25T18:15:00.000Z");
    }

    #[test]
    fn who_waits_for_nothing_does_not_wait() {
        assert_eq!(at(&Value::Null, 540, "Europe/Berlin").unwrap(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_call_that_has_no_answer_is_refused_for_good() {
        let wrong = [
            at(&json!("soon"), 540, "Europe/Berlin"),
            at(&json!(5), 540, "Europe/Berlin"),
            at(&json!("2026-11-26"), 1440, "Europe/Berlin"),
            at(&json!("2026-11-26"), 540, "Mars/Base"),
            reckon(r#"{"action":"moment","date":null}"#),
            reckon(r#"{"action":"moment","date":null,"minute":0,"zone":"UTC","more":1}"#),
        ];
        for error in wrong.map(Result::unwrap_err) {
            assert_eq!((error.kind.name(), error.reason.as_str()), ("Action.Permanent", "invalid-call"), "{error}");
        }
    }
}
