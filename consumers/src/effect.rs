//! What an attempt to do something in the world came to.

use std::{borrow::Cow, cmp::Reverse, time::Duration};

use sendoff_events::Timestamp;

use crate::HandlerError;

/// What a provider did with one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// It took it.
    Sent {
        /// Which provider it was, where there may be several.
        provider: Option<Cow<'static, str>>,
        /// Its name for the message.
        provider_id: Option<String>,
    },
    /// It was decided not to send, for a reason that is no failure: opted out, no address.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It definitely did not send it.
    NotSent(NotSent),
    /// It may or may not have sent it: a timeout, a broken connection or a 5xx after the request left.
    Unknown {
        /// Which provider it was, where there may be several.
        provider: Option<Cow<'static, str>>,
        /// What is known.
        reason: String,
    },
}

/// Why something was definitely not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSent {
    /// It never will be: trying again is useless.
    Permanent {
        /// What the provider said.
        reason: String,
    },
    /// It never will be, to this address: it was unregistered, its owner has opted out, its endpoint is gone. Whoever keeps the
    /// address should forget it.
    Gone {
        /// What the provider said.
        reason: String,
    },
    /// It may be later: uses up an attempt.
    Transient {
        /// What the provider said.
        reason: String,
    },
    /// Too fast for the provider: later, and no attempt is used. Says nothing about other messages.
    Throttled {
        /// How long to wait, as the provider said. It is waited for at least as long as the policy's deferral draws at that many
        /// deliveries, since a provider that says a second again and again would be asked every second; and at most for the
        /// longest wait of that deferral.
        after: Option<Duration>,
        /// What the provider said.
        reason: String,
    },
    /// It wasn't tried: by a limit of our own it isn't its turn yet, or it has to wait for an hour. Later, at that moment and no
    /// other; no attempt is used.
    NotYet {
        /// How long to wait.
        after: Duration,
        /// Why.
        reason: String,
    },
    /// The provider can't be used at all just now: it is down, can't be reached, or refuses our credentials, sender or account.
    /// The same goes for every message, so no attempt is used, and its consumer pauses.
    Unavailable {
        /// How long to wait, if that is known.
        after: Option<Duration>,
        /// What the provider said.
        reason: String,
    },
}

/// What an effect is told when it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// `consumer/event-id/step`: the same for each attempt.
    pub idempotency_key: String,
    /// An earlier attempt may have had the effect: it is repeated because the policy says so.
    pub doubt: Option<Doubt>,
}

/// An effect that may or may not have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// `consumer/event-id/step`.
    pub idempotency_key: String,
    /// The provider that may have acted, if it is known.
    pub provider: Option<String>,
    /// When the attempt was made; the first one, if several may have had the effect.
    pub since: Timestamp,
    /// It would go to another place now than it went to then: who is asked about the new one can't tell.
    pub moved: bool,
}

/// What was found out about a doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It happened.
    Sent {
        /// Which provider it was.
        provider: Option<Cow<'static, str>>,
        /// Its name for the message.
        provider_id: Option<String>,
    },
    /// It definitely didn't happen, so it may be tried again.
    NotSent {
        /// How that is known.
        reason: String,
    },
    /// It was given up for good: it didn't happen, and trying again is useless.
    Failed {
        /// How that is known.
        reason: String,
    },
    /// Nothing that settles it, or nobody to ask.
    CannotTell,
}

/// What [`Context::once`](crate::Context::once) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// The effect was run just now, or skipped for a recorded reason.
    Ran,
    /// An earlier attempt did it; nothing was run.
    AlreadyDone,
}

/// Combines what became of several steps: if one is to be retried or snoozed, all are (those that are done will be skipped);
/// else a doubt is told before a rejection. Where some are retried and others wait it is [`HandlerError::Partly`]. Of several that wait for a date the earliest counts, so that none waits for another.
/// `Ok` when every step is done.
///
/// # Errors
///
/// The most urgent of the errors.
pub fn join_outcomes(outcomes: impl IntoIterator<Item = Result<Once, HandlerError>>) -> Result<(), HandlerError> {
    const fn urgency(error: &HandlerError) -> u8 {
        match error {
            HandlerError::Retry { .. } | HandlerError::Partly { .. } => 4,
            HandlerError::Pause { .. } => 3,
            HandlerError::Snooze { .. } => 2,
            HandlerError::InDoubt { .. } => 1,
            HandlerError::Reject { .. } => 0,
        }
    }
    /// Until when it waits, if it does. Without a date it comes back soon, by the policy's deferral.
    const fn waits(error: &HandlerError) -> Option<Reverse<Option<Timestamp>>> {
        match error {
            HandlerError::Snooze { until, .. }
            | HandlerError::Pause { until, .. }
            | HandlerError::Partly { until, .. } => Some(Reverse(*until)),
            _ => None,
        }
    }
    let errors: Vec<HandlerError> = outcomes.into_iter().filter_map(Result::err).collect();
    let soonest = errors.iter().filter_map(waits).max();
    let most = errors.into_iter().max_by_key(|error| (urgency(error), waits(error)));
    Err(match (most, soonest) {
        (None, _) => return Ok(()),
        (
            Some(HandlerError::Retry { after, source } | HandlerError::Partly { after, source, .. }),
            Some(Reverse(until)),
        ) => HandlerError::Partly { after, until, source },
        (Some(error), _) => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snooze(until: Option<i64>) -> Result<Once, HandlerError> {
        let until = until.map(|second| Timestamp::from_second(second).unwrap());
        Err(HandlerError::Snooze { until, source: "waits".into() })
    }

    #[test]
    fn of_several_that_wait_the_earliest_date_counts() {
        for (dates, earliest) in
            [(vec![Some(30), Some(10), Some(20)], Some(10)), (vec![Some(10)], Some(10)), (vec![Some(30), None], None)]
        {
            let joined = join_outcomes(dates.iter().map(|date| snooze(*date)));
            let Err(HandlerError::Snooze { until, .. }) = joined else { panic!("{joined:?}") };
            assert_eq!(until.map(Timestamp::as_second), earliest, "{dates:?}");
        }
    }

    #[test]
    fn the_most_urgent_outcome_counts_and_nothing_is_left_of_none() {
        let retry = || Err(HandlerError::Retry { after: None, source: "failed".into() });
        let doubt = || Err(HandlerError::InDoubt { source: "unknown".into() });
        let reject = || Err(HandlerError::Reject { reason: "refused".into(), source: "no".into() });
        let joined = join_outcomes([Ok(Once::Ran), retry(), doubt(), reject()]);
        assert!(matches!(joined, Err(HandlerError::Retry { .. })), "{joined:?}");
        let joined = join_outcomes([snooze(Some(7)), retry(), snooze(Some(1)), doubt()]);
        let Err(HandlerError::Partly { until: Some(until), .. }) = &joined else { panic!("{joined:?}") };
        assert_eq!(until.as_second(), 1);
        let joined = join_outcomes([joined.map(|()| Once::Ran), retry()]);
        assert!(matches!(joined, Err(HandlerError::Partly { until: Some(_), .. })), "{joined:?}");
        let joined = join_outcomes([reject(), doubt(), Ok(Once::Ran)]);
        assert!(matches!(joined, Err(HandlerError::InDoubt { .. })), "{joined:?}");
        assert!(join_outcomes([Ok(Once::Ran), Ok(Once::AlreadyDone)]).is_ok());
        assert!(join_outcomes([]).is_ok());
    }
}
