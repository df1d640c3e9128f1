//! What an attempt to do something in the world came to.

use std::time::Duration;

use crate::HandlerError;

/// What a provider did with one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// It took it.
    Sent {
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
    /// It may be later: uses up an attempt.
    Transient {
        /// What the provider said.
        reason: String,
    },
    /// The provider, or the way to it, is overloaded, down or wrongly configured: later, and no attempt is used.
    Throttled {
        /// How long it asks to wait.
        after: Option<Duration>,
        /// What the provider said.
        reason: String,
    },
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
/// else a doubt is told before a rejection. `Ok` when every step is done.
///
/// # Errors
///
/// The most urgent of the errors.
pub fn join_outcomes(outcomes: impl IntoIterator<Item = Result<Once, HandlerError>>) -> Result<(), HandlerError> {
    const fn urgency(error: &HandlerError) -> u8 {
        match error {
            HandlerError::Retry { .. } => 3,
            HandlerError::Snooze { .. } => 2,
            HandlerError::InDoubt { .. } => 1,
            HandlerError::Reject { .. } => 0,
        }
    }
    match outcomes.into_iter().filter_map(Result::err).max_by_key(urgency) {
        None => Ok(()),
        Some(error) => Err(error),
    }
}
