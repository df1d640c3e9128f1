//! What is to happen to a message.

use std::time::Duration;

use sendoff_events::Timestamp;

use crate::{Failure, Stop};

/// What a host must do with a message. Every delivery gets exactly one.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a verdict that nobody carries out leaves the message to be delivered again"]
pub enum Verdict {
    /// Remove it: it was handled, now or before.
    Ack {
        /// It had been handled before; nothing ran.
        duplicate: bool,
    },
    /// Deliver it again after this time: an attempt failed.
    Retry {
        /// How long to wait.
        after: Duration,
    },
    /// Deliver it again after this time: nothing failed, it just can't run now.
    Snooze {
        /// How long to wait.
        after: Duration,
        /// What it depends on is down: stop receiving for a while.
        pause: bool,
    },
    /// Move it to the dead-letter queue.
    DeadLetter(Box<Failure>),
    /// Leave it alone: another worker has taken over, and the message will be judged there.
    Superseded,
}

/// How far a delivery may go.
#[derive(Clone)]
pub struct Limits {
    /// When requested, a running handler is interrupted; its message is given back and no attempt is used.
    pub stop: Stop,
    /// The moment at which the host will be stopped (Lambda), if it is known.
    pub until: Option<Timestamp>,
}

impl Limits {
    /// No limits beyond the handler's own policy.
    #[must_use]
    pub fn none() -> Self {
        Self { stop: Stop::never(), until: None }
    }
}
