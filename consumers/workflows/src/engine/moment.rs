//! Moments, and how far away they are.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde_json::Value;

use super::{Failure, scope::Names};
use crate::plan::Wait;

/// The longest wait, in seconds: a year, which is as long as a run of Step Functions may take.
const YEAR: i64 = 365 * 86_400;

/// The moment as expressions have it: in UTC, with milliseconds.
pub(super) fn text(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

/// So much later; the last moment there is if it would be later than that.
pub(super) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Until when a wait lasts that began at `since`: a year at most.
pub(super) fn end(wait: &Wait, since: Timestamp, names: &Names<'_>) -> Result<Timestamp, Failure> {
    let end = match wait {
        Wait::For(seconds) => {
            let seconds = seconds.eval(names).as_f64().unwrap_or(0.0).clamp(0.0, YEAR as f64);
            // Step Functions waits for whole seconds.
            later(since, SignedDuration::from_secs(seconds as i64))
        }
        Wait::Until { when, minute, zone } => match when.eval(names) {
            Value::String(when) => until(&when, *minute, zone)?,
            _ => since,
        },
    };
    Ok(end.min(later(since, SignedDuration::from_secs(YEAR))))
}

/// The moment that a text names, as expressions have it, in UTC with milliseconds: a moment itself, or a date with the minute of
/// the day, from 0 to 1439, in a time zone. A time that the clocks leave out is as much later; of one that comes twice the first
/// counts. What is after the last moment that can be reckoned with, a day before the year 9999 ends, is that moment.
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
    if let Some(moment) = instant(when) {
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
    // No date of an expression is before the first moment.
    Ok(zoned.map_or(Timestamp::MAX, |zoned| zoned.timestamp()))
}

/// The moment that a text is.
fn instant(when: &str) -> Option<Timestamp> {
    // The last day of the year 9999 is one of expressions, and none of timestamps.
    let is_last = |when: &str| when.parse().is_ok_and(|when: DateTime| when.year() == 9999);
    let last = || when.strip_suffix('Z').filter(|when| is_last(when)).map(|_| Timestamp::MAX);
    when.parse().ok().or_else(last)
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
    fn what_is_written_for_never_is_the_last_moment_there_is() {
        for (when, zone) in [("9999-12-31", "America/New_York"), ("9999-12-31T23:59:59.000Z", "UTC")] {
            assert_eq!(until(when, 0, zone).unwrap(), Timestamp::MAX, "{when}");
        }
        assert_eq!(moment("9999-12-31", 0, "Europe/Berlin").unwrap(), "9999-12-30T22:00:00.999Z");
    }

    #[test]
    fn what_cannot_be_waited_for_is_named() {
        for (when, minute, zone) in [("soon", 0, "UTC"), ("2026-11-26", 1440, "UTC"), ("2026-11-26", 0, "Mars/Base")] {
            assert_eq!(until(when, minute, zone).unwrap_err().error, "Workflow.Wait", "{when} {minute} {zone}");
        }
    }
}
