//! Hosts for the handlers in Lambda functions: what an event is, what has to be answered, and how long there is for it.
//!
//! [`run`] is the whole `main` of a function. An event is told apart before anything else: a ping of the warmer is answered
//! at once, with nothing made for it; whatever a function needs is made at its first real event.

mod action;
mod answer;
mod deadline;
mod error;
mod ping;
mod queue_event;
mod records;
mod run;
mod sqs;
mod stream;

pub use action::ActionHost;
pub use answer::{Answer, ItemId, Outcome};
pub use deadline::Deadline;
pub use error::FunctionError;
pub use queue_event::QueueEvent;
pub(crate) use records::found;
pub(crate) use run::answer;
pub use run::{Function, Invocation, run};
pub use sqs::SqsHost;
pub use stream::{StreamBatch, StreamEntry};
