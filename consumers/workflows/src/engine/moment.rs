//! Moments, and how far away they are.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde_json::Value;

use super::{Failure, scope::Names};
use crate::plan::Wait;

/// The longest wait for a number of seconds: a year, which is as long as a run of Step Functions may take.
const YEAR: f64 = 365.0 * 86_400.0;

/// The moment as expressions have it: in UTC, with milliseconds.
pub(super) fn text(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

/// So much later; the last moment there is if it would be later than that.
pub(super) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Until when a wait that begins now lasts.
pub(super) fn end(wait: &Wait, now: Timestamp, names: &Names<'_>) -> Result<Timestamp, Failure> {
    match wait {
        Wait::For(seconds) => {
            let seconds = seconds.eval(names).as_f64().unwrap_or(0.0).clamp(0.0, YEAR);
            // Step Functions waits for whole seconds.
            Ok(later(now, SignedDuration::from_secs(seconds as i64)))
        }
        Wait::Until { when, minute, zone } => match when.eval(names) {
            Value::String(when) => until(&when, *minute, zone),
            _ => Ok(now),
        },
    }
}

/// The moment that a text names, as expressions have it, in UTC with milliseconds: a moment itself, or a date with the minute of
/// the day, from 0 to 1439, in a time zone. A time that the clocks leave out is as much later; of one that comes twice the first
/// counts.
///
/// # Errors
///
/// [`Failure`] where the text is neither, or there is no such minute or time zone.
pub fn moment(when: &str, minute: u16, zone: &str) -> Result<String, Failure> {
    until(when, minute, zone).map(text)
}

/// The moment that a text names: a moment itself, or a date with a time of the day in a time zone.
fn until(when: &str, minute: u16, zone: &str) -> Result<Timestamp, Failure> {
    let wrong = |cause: String| Failure::new("Workflow.Wait", cause);
    if let Ok(moment) = when.parse::<Timestamp>() {
        return Ok(moment);
    }
    let date: Date = when
        .parse()
        .map_err(|_| wrong(format!("`{when}` is neither a date nor a moment, so nothing can wait for it")))?;
    let hour_and_minute = (i8::try_from(minute / 60), i8::try_from(minute % 60));
    let (Ok(hour @ 0..24), Ok(minute)) = hour_and_minute else {
        return Err(wrong(format!("a day has no minute {minute}")));
    };
    let zone = TimeZone::get(zone).map_err(|error| wrong(format!("the time zone `{zone}` isn't known: {error}")))?;
    // What jiff calls compatible is the rule of RFC 5545, and of the plan: a gap moves forwards, of a fold the first counts.
    let zoned = zone.to_ambiguous_zoned(date.at(hour, minute, 0, 0)).compatible();
    zoned.map(|zoned| zoned.timestamp()).map_err(|error| wrong(format!("`{when}` is out of range: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_the_clocks_leave_out_is_as_much_later_and_of_one_that_comes_twice_the_first_counts() {
        let berlin = |date: &str, minute| until(date, minute, "Europe/Berlin").unwrap().to_string();
        assert_eq!(berlin("2026-03-29", 2 * 60 + 30), "2026-03-29T01:30:00Z", "half past three in summer");
        assert_eq!(berlin("2026-10-25", 2 * 60 + 30), "2026-10-25T00:30:00Z", "still in summer");
        assert_eq!(berlin("2026-11-26", 9 * 60), "2026-11-26T08:00:00Z");
    }

    #[test]
    fn a_moment_is_taken_as_it_is() {
        assert_eq!(
            until("2026-11-26T08:00:00.250Z", 540, "Europe/Berlin").unwrap().to_string(),
            "2026-11-26T08:00:00.25Z"
        );
        assert_eq!(text("2026-11-26T08:00:00Z".parse().unwrap()), "2026-11-26T08:00:00.000Z");
    }

    #[test]
    fn what_cannot_be_waited_for_is_named() {
        for (when, minute, zone) in [("soon", 0, "UTC"), ("2026-11-26", 1440, "UTC"), ("2026-11-26", 0, "Mars/Base")] {
            assert_eq!(until(when, minute, zone).unwrap_err().error, "Workflow.Wait", "{when} {minute} {zone}");
        }
    }
}
