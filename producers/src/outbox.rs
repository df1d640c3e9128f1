//! The port for what was committed and isn't known to be published yet.

use sendoff_events::{BoxFuture, EventId, Outgoing, Timestamp};

/// The outbox can't be reached; trying again later may help.
#[derive(Debug, thiserror::Error)]
#[error("the outbox can't be reached: {0}")]
pub struct OutboxError(pub String);

/// What waits in the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// What can be published, the oldest first.
    pub events: Vec<Outgoing>,
    /// What stood before the last of them, or anywhere if there were fewer than asked for, and can't be published as it is.
    pub stuck: Vec<Stuck>,
}

/// A committed event that can't be read: its body can't be fetched, or it is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Its id, or what stands where that should be.
    pub event: String,
    /// Why.
    pub why: String,
}

/// Committed events on their way to the topic. On the embedded backend a commit publishes in the same transaction, so
/// nothing is ever pending there.
pub trait Outbox: Send + Sync {
    /// Events committed before `committed_before` and not marked as published, the oldest first, at most `limit`. What can't be
    /// read is told of and passed over: however much there is of it, it holds up nothing that is younger.
    fn pending(&self, committed_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<Pending, OutboxError>>;

    /// Marks events as published. Marking one twice, or one that doesn't exist, does nothing.
    fn mark_published<'a>(&'a self, ids: &'a [EventId]) -> BoxFuture<'a, Result<(), OutboxError>>;
}
