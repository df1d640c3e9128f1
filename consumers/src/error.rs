//! What a handler says when it can't succeed. There is no blanket `From`: every `?` shows its class.

use std::{borrow::Cow, fmt, time::Duration};

use sendoff_events::Timestamp;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a job failed, and with that what happens to its message.
#[derive(Debug)]
pub enum HandlerError {
    /// Try again later. Uses up an attempt; after the last one the message is dead-lettered.
    Retry {
        /// How long to wait; `None` leaves it to the policy's backoff.
        after: Option<Duration>,
        /// What went wrong.
        source: BoxError,
    },
    /// A part of the job is to be tried again, which uses up an attempt, and another part only waits. The message comes back for
    /// whichever is due first; after the last attempt it stays for the sake of the one that waits, and is dead-lettered when nothing
    /// waits any more.
    Partly {
        /// How long to wait; `None` leaves it to the policy's backoff.
        after: Option<Duration>,
        /// When it is the other part's turn; `None` leaves it to the policy's deferral.
        until: Option<Timestamp>,
        /// What went wrong.
        source: BoxError,
    },
    /// Trying again is useless: dead-letter now.
    Reject {
        /// A stable word for the reason: `bad-template`.
        reason: Cow<'static, str>,
        /// What went wrong.
        source: BoxError,
    },
    /// Not now: throttling, an outage, quiet hours. Uses up no attempt.
    Snooze {
        /// When to try again; `None` leaves it to the policy's deferral.
        until: Option<Timestamp>,
        /// Why it has to wait.
        source: BoxError,
    },
    /// Not now, and the same goes for every message of this consumer: what it depends on is down or wrongly configured. Uses up
    /// no attempt, and the consumer stops receiving for a while.
    Pause {
        /// When to try again; `None` leaves it to the policy's deferral.
        until: Option<Timestamp>,
        /// What is wrong.
        source: BoxError,
    },
    /// A provider may or may not have acted. The policy's `on_doubt` decides.
    InDoubt {
        /// What is known.
        source: BoxError,
    },
}

impl HandlerError {
    /// What went wrong.
    #[must_use]
    pub fn source(&self) -> &BoxError {
        match self {
            Self::Retry { source, .. }
            | Self::Partly { source, .. }
            | Self::Reject { source, .. }
            | Self::Snooze { source, .. }
            | Self::Pause { source, .. }
            | Self::InDoubt { source } => source,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole chain: a ledger that keeps only "can't send" is of no use at 3 a.m.
        write!(f, "{}", self.source())?;
        let mut next = self.source().source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for HandlerError {}

/// Gives an error its class.
///
/// # Examples
///
/// ```
/// use sendoff_consumers::{Classify, HandlerError};
///
/// fn amount(text: &str) -> Result<u32, HandlerError> {
///     text.parse::<u32>().or_reject("bad-amount")
/// }
/// assert!(matches!(amount("x"), Err(HandlerError::Reject { .. })));
/// ```
pub trait Classify<T> {
    /// Try again by the policy's backoff; uses up an attempt.
    ///
    /// # Errors
    ///
    /// [`HandlerError::Retry`].
    fn or_retry(self) -> Result<T, HandlerError>;

    /// Dead-letter now, with this reason.
    ///
    /// # Errors
    ///
    /// [`HandlerError::Reject`].
    fn or_reject(self, reason: &'static str) -> Result<T, HandlerError>;

    /// Something we depend on is down or busy: try again by the policy's deferral; uses up no attempt.
    ///
    /// # Errors
    ///
    /// [`HandlerError::Snooze`].
    fn or_snooze(self) -> Result<T, HandlerError>;
}

impl<T, E: Into<BoxError>> Classify<T> for Result<T, E> {
    fn or_retry(self) -> Result<T, HandlerError> {
        self.map_err(|e| HandlerError::Retry { after: None, source: e.into() })
    }

    fn or_reject(self, reason: &'static str) -> Result<T, HandlerError> {
        self.map_err(|e| HandlerError::Reject { reason: reason.into(), source: e.into() })
    }

    fn or_snooze(self) -> Result<T, HandlerError> {
        self.map_err(|e| HandlerError::Snooze { until: None, source: e.into() })
    }
}
