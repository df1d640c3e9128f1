//! When: a moment as a schedule expression.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

/// The moment as `at(…)` in UTC. The Scheduler counts in whole seconds, so it is the next one: never before it is due.
pub(super) fn at(due: Timestamp) -> String {
    let whole = due.to_zoned(TimeZone::UTC).datetime();
    let whole = if whole.subsec_nanosecond() > 0 {
        let cut = whole.with().subsec_nanosecond(0).build().unwrap_or(whole);
        cut.checked_add(1.second()).unwrap_or(cut)
    } else {
        whole
    };
    format!("at({})", whole.strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        at(text.parse().unwrap())
    }

    #[test]
    fn a_part_of_a_second_counts_as_the_whole() {
        assert_eq!(of("2026-11-25T22:00:00Z"), "at(2026-11-25T22:00:00)");
        assert_eq!(of("2026-11-25T22:00:00.000000001Z"), "at(2026-11-25T22:00:01)");
        assert_eq!(of("2026-12-31T23:59:59.999Z"), "at(2027-01-01T00:00:00)");
        assert_eq!(of("2026-11-25T22:00:00+02:00"), "at(2026-11-25T20:00:00)");
    }

    #[test]
    fn the_last_moment_that_there_is_has_an_expression() {
        assert_eq!(of("9999-12-30T22:00:00.999Z"), "at(9999-12-30T22:00:01)");
        assert_eq!(at(Timestamp::MAX), "at(9999-12-30T22:00:01)");
    }
}
