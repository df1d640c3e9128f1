//! The port for what was committed and isn't known to be published yet.

use sendoff_events::{BoxFuture, EventId, Outgoing, Timestamp};

/// The outbox can't be reached; trying again later may help.
#[derive(Debug, thiserror::Error)]
#[error("the outbox can't be reached: {0}")]
pub struct OutboxError(pub String);

/// Committed events on their way to the topic. On the embedded backend a commit publishes in the same transaction, so
/// nothing is ever pending there.
pub trait Outbox: Send + Sync {
    /// Events committed before `committed_before` and not marked as published, the oldest first, at most `limit`.
    fn pending<'a>(
        &'a self,
        committed_before: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Outgoing>, OutboxError>>;

    /// Marks events as published. Marking one twice, or one that doesn't exist, does nothing.
    fn mark_published<'a>(&'a self, ids: &'a [EventId]) -> BoxFuture<'a, Result<(), OutboxError>>;
}
