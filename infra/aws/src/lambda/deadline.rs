//! How far into an invocation things may go.

use std::time::Duration;

use sendoff_events::Timestamp;

/// An invocation that overruns its time is killed, and its whole batch comes again, the records that were done included. So
/// the last part of the time is kept for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Nothing starts any more from here on.
    pub start_by: Timestamp,
    /// Running handlers are interrupted here; their records are settled, and no attempt is used.
    pub interrupt: Timestamp,
    /// What hasn't ended here is dropped and reported failed.
    pub drop: Timestamp,
    /// The answer has to be on its way by now, whatever else would be left to do.
    pub answer: Timestamp,
}

impl Deadline {
    /// The parts of the time that is left: of a long time the last seconds, of a short one a share.
    #[must_use]
    pub fn of(now: Timestamp, end: Timestamp) -> Self {
        let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
        let before = |most: Duration, share: u32| end.checked_sub(most.min(left / share)).unwrap_or(end);
        Self {
            start_by: before(Duration::from_secs(4), 4),
            interrupt: before(Duration::from_secs(3), 5),
            drop: before(Duration::from_secs(1), 10),
            answer: before(Duration::from_millis(250), 40),
        }
    }

    /// How long it is until a moment.
    pub(crate) fn until(now: Timestamp, moment: Timestamp) -> Duration {
        Duration::try_from(moment.duration_since(now)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_before_the_end(seconds: u64) -> [f64; 4] {
        let now = Timestamp::UNIX_EPOCH;
        let end = now + Duration::from_secs(seconds);
        let deadline = Deadline::of(now, end);
        [deadline.start_by, deadline.interrupt, deadline.drop, deadline.answer]
            .map(|at| end.duration_since(at).as_secs_f64())
    }

    #[test]
    fn the_last_seconds_of_a_long_time_are_kept_and_a_share_of_a_short_one() {
        assert_eq!(seconds_before_the_end(330), [4.0, 3.0, 1.0, 0.25]);
        assert_eq!(seconds_before_the_end(4), [1.0, 0.8, 0.4, 0.1]);
        assert_eq!(seconds_before_the_end(0), [0.0; 4]);
    }
}
