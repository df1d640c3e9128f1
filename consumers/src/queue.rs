//! The port to a consumer's queue.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use sendoff_events::{BoxFuture, Timestamp};

use crate::Failure;

/// Message attributes. SQS and SNS allow ten in all, so we use few.
pub type Attributes = BTreeMap<String, String>;

/// The message attribute that counts how often a message was replayed from a dead-letter queue. A higher count reopens an
/// inbox record that ended as failed.
pub const REPLAY_ATTRIBUTE: &str = "replay";

/// The message attribute that names the tenant.
pub const TENANT_ATTRIBUTE: &str = "tenant";

/// What a delivery is acked, extended or released by. It names one lease: once the lease has lapsed and the message was
/// delivered again, the old receipt does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(Arc<str>);

impl Receipt {
    /// The receipt that the broker gave.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message, leased to us for a while.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What to ack it by.
    pub receipt: Receipt,
    /// The broker's name for the message; for finding it again, never for idempotency.
    pub message_id: String,
    /// The body as it was sent: an envelope, a claim-check pointer, or anything at all.
    pub body: Bytes,
    /// Its attributes.
    pub attributes: Attributes,
    /// How often it was delivered, this time included. Counts also deliveries that never ran.
    pub receive_count: u32,
    /// When it was first put into a queue.
    pub sent_at: Timestamp,
}

/// A message to put into a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// The body.
    pub body: Bytes,
    /// Its attributes.
    pub attributes: Attributes,
    /// How long it stays hidden at first.
    pub delay: Duration,
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be received.
    pub visible: u64,
    /// Leased to a consumer.
    pub in_flight: u64,
    /// Hidden by a delay.
    pub delayed: u64,
    /// In its dead-letter queue.
    pub dead: u64,
}

/// One entry of a queue operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The receipt's lease has lapsed and the message was delivered again, acked or moved: it isn't ours any more.
    #[error("the receipt is stale: the message belongs to a later delivery, or is gone")]
    Stale,
    /// The queue can't be reached, or didn't answer.
    #[error("the queue can't be reached: {0}")]
    Unavailable(String),
    /// The queue will never take this message.
    #[error("the queue refuses the message: {0}")]
    Refused(String),
}

/// A consumer's queue, with its dead-letter queue. Batches give one result per entry, in the same order, and an entry's
/// failure says nothing about the others. Delivery is at least once and in no certain order.
pub trait Queue: Send + Sync {
    /// The queue's name: the consumer's.
    fn name(&self) -> &str;

    /// Puts messages into the queue. Gives their message ids.
    fn send<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Vec<Result<String, QueueError>>>;

    /// Up to `max` messages, each leased for `lease`; waits up to `wait` for the first one. Dropping the future leaves no
    /// message leased for longer than `lease`.
    fn receive(&self, max: usize, wait: Duration, lease: Duration) -> BoxFuture<'_, Result<Vec<Delivery>, QueueError>>;

    /// Removes handled messages.
    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>>;

    /// Lets each lease end `lease` from now.
    fn extend<'a>(&'a self, receipts: &'a [Receipt], lease: Duration) -> BoxFuture<'a, Vec<Result<(), QueueError>>>;

    /// Gives messages back, each to be delivered again after its delay. A queue that can hide a message for a limited time only
    /// needs its contents to put it off for longer.
    fn release<'a>(&'a self, entries: &'a [(Delivery, Duration)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>>;

    /// Moves messages to the dead-letter queue: body and attributes as they were, and the failure as attribute
    /// [`FAILURE_ATTRIBUTE`](crate::FAILURE_ATTRIBUTE).
    fn dead_letter<'a>(&'a self, entries: &'a [(Delivery, Failure)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>>;

    /// How many messages there are, roughly.
    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>>;
}
