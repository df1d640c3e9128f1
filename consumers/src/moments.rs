//! Reckoning with moments. It ends where the calendar ends instead of panicking there: durations come from handlers, from
//! settings and from providers, and `Duration::MAX` is a fair way to say "for ever".

use std::time::Duration;

use sendoff_events::Timestamp;

/// The moment `by` after `moment`.
pub(crate) fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The moment `by` before `moment`.
pub(crate) fn earlier(moment: Timestamp, by: Duration) -> Timestamp {
    moment.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// Whether the clock was set back since this moment was reckoned, which lay `longest` ahead at most. A minute more may come of
/// threads that have looked at the clock one after the other, and needn't be told apart.
pub(crate) fn is_of_another_time(moment: Timestamp, longest: Duration, now: Timestamp) -> bool {
    moment > later(later(now, longest), Duration::from_secs(60))
}

/// How long after `begin` `end` is; nothing when clocks disagree about the order.
pub(crate) fn since(begin: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(begin)).unwrap_or_default()
}
