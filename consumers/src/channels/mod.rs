//! The ways to reach a person, or another system. Each channel is one kind of message and the providers that send it.
//!
//! A send answers with a [`SendOutcome`], never with a bare error: the caller has to know whether the message may have left.
//! These are adapters: here, and only here in this crate, an async runtime is named.

mod circuit;
pub mod email;
mod failover;
mod guarded;
pub mod http;
mod phone;
pub mod push;
#[cfg(test)]
mod scripted;
pub mod sms;
pub mod twilio;
pub mod webhook;
pub mod whatsapp;

pub use circuit::CircuitState;
pub use failover::{Failover, FailoverError};
pub use guarded::Guarded;
pub use phone::{PhoneError, PhoneNumber};
use sendoff_events::BoxFuture;

use crate::{Doubt, Found, SendOutcome};

/// Something that sends messages of one kind.
pub trait Provider<M>: Send + Sync {
    /// What it is called in the ledger, in settings and in metrics: `twilio`. Never changes.
    fn name(&self) -> &'static str;

    /// Sends one message to its one recipient. The answer is [`SendOutcome::Unknown`] if, and only if, it may have gone out
    /// without our knowing. It doesn't retry by itself.
    ///
    /// `doubt` is an earlier attempt at the same message that may have gone out: it is repeated because the policy says so. Most
    /// providers need not know; one that stands for several must not let another one send what the first may have sent.
    fn send<'a>(&'a self, message: &'a M, doubt: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome>;

    /// Finds out whether a message went out of which that isn't known, where the provider can be asked.
    fn find<'a>(&'a self, _message: &'a M, _doubt: &'a Doubt) -> BoxFuture<'a, Found> {
        Box::pin(async { Found::CannotTell })
    }
}
