//! What stands around every handler. The order is written once, in [`Consumer::process`](crate::Consumer::process):
//! idempotency → panic guard → deadline → handler. Panics and deadlines are inside idempotency, so that an attempt that ends
//! that way is settled in the inbox like any other.

mod deadline;
mod idempotency;
mod judge;
#[cfg(test)]
mod judge_tests;
mod panic;

pub(crate) use deadline::deadline;
pub(crate) use idempotency::{Guard, guard};
pub(crate) use judge::not_before;
pub(crate) use panic::{catch_panic, message};

use crate::HandlerError;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The handler returned.
    Returned(Result<(), HandlerError>),
    /// The handler panicked, with this message.
    Panicked(String),
    /// The handler took longer than its policy allows.
    TimedOut,
    /// The host is stopping, or has no time left.
    Interrupted,
}
