//! How a handler is run: attempts, backoff, timeout, and what its effect allows.

use std::time::Duration;

use crate::Backoff;

/// What may happen to a message, declared by its handler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// How often it is run before it is dead-lettered. Counted when an attempt begins, so that a crash loop ends too.
    pub max_attempts: u32,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// What doing it twice would mean.
    pub effect: Effect,
    /// What to do when the outcome of an effect is unknown.
    pub on_doubt: OnDoubt,
}

impl Policy {
    /// Five attempts over about a minute, 30 s each, for an effect that may be repeated.
    pub const DEFAULT: Self = Self {
        max_attempts: 5,
        backoff: Backoff::DEFAULT,
        timeout: Duration::from_secs(30),
        effect: Effect::Repeatable,
        on_doubt: OnDoubt::Hold { window: Duration::ZERO },
    };
}

/// What doing a thing twice would mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Harmless: a conditional write, a start by name. Not marked before it begins.
    Repeatable,
    /// Somebody would notice: a message. Marked as *sending* before it begins, at the cost of one write.
    Once,
}

/// What to do when a `Once` effect may or may not have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDoubt {
    /// Do it again, with the same idempotency key: better twice than never.
    Resend,
    /// Don't: wait `window` for the provider's status callback, then dead-letter as `outcome-unknown` for a person to resolve.
    Hold {
        /// How long to wait.
        window: Duration,
    },
}
