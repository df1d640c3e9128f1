//! How it is sent: state and events in one commit, the publisher, and the HTTP API in front of both.
//!
//! - [`api`]: the HTTP API, an axum router over these ports.
//! - [`Records`]: the port for state. [`Records::commit`] takes a [`UnitOfWork`]: writes, events and the request's key,
//!   all or nothing.
//! - [`Lookup`]: the part of it that may be answered from a cache.
//! - [`Outbox`] and [`Publisher`], brought together by the [`relay`]: what was committed gets published, whatever crashes.

pub mod api;
pub mod model;
mod outbox;
mod publisher;
mod records;
pub mod relay;
#[cfg(test)]
mod still;
mod unit_of_work;

pub use outbox::{Outbox, OutboxError, Pending, Stuck};
pub use publisher::{PublishError, Publisher};
pub use records::{
    Answer, CommitError, Committed, Expected, Lookup, Page, ReadError, Record, RecordKey, Records, RequestKey, Write,
};
pub use unit_of_work::UnitOfWork;
