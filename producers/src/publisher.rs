//! The port to the topic.

use std::time::Duration;

use sendoff_events::{BoxFuture, Outgoing};

/// One event that wasn't published, or may not have been. Publishing it again is always safe: consumers deduplicate by its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic asks to slow down.
    #[error("the topic is throttled")]
    Throttled {
        /// How long it asks to wait.
        after: Option<Duration>,
    },
    /// The topic can't be reached, or didn't answer.
    #[error("the topic can't be reached: {0}")]
    Unavailable(String),
    /// The topic will never take this event.
    #[error("the topic refuses the event: {0}")]
    Refused(String),
}

/// The topic that all events go to. Subscriptions pass them on to consumer queues, filtered by message attributes.
pub trait Publisher: Send + Sync {
    /// Publishes `events` in order and gives one result for each, in the same order. Splits them into the broker's batches
    /// by count and bytes, and sends bodies over the topic's limit as claim checks.
    fn publish<'a>(&'a self, events: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>>;
}
