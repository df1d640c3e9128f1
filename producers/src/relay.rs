//! From the outbox to the topic. All three ways may publish an event twice, never not at all:
//!
//! 1. the fast path: the API publishes right after the commit, see [`publish_committed`];
//! 2. the change stream of the outbox (on aws), which calls the same function;
//! 3. the [`sweep`], which takes what is still unmarked after a while.

use std::time::Duration;

use sendoff_events::{Clock, EventId, Outgoing};

use crate::{Outbox, OutboxError, PublishError, Publisher};

/// How long the fast path and the stream have before the sweep takes over.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60);

/// What a relay run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Events that the topic took.
    pub published: usize,
    /// Events that stay in the outbox, each with the reason.
    pub left: Vec<(EventId, PublishError)>,
    /// Events that were published but couldn't be marked: the sweep will publish them again.
    pub unmarked: usize,
}

/// Publishes committed events and marks those that the topic took.
///
/// A failed mark is no failure: the events were published, and the sweep will publish them once more.
pub async fn publish_committed(outbox: &dyn Outbox, publisher: &dyn Publisher, events: &[Outgoing]) -> Relayed {
    if events.is_empty() {
        return Relayed::default();
    }
    let results = publisher.publish(events).await;
    let mut published = Vec::with_capacity(events.len());
    let mut left = Vec::new();
    for (event, result) in events.iter().zip(results) {
        match result {
            Ok(()) => published.push(event.id),
            Err(error) => left.push((event.id, error)),
        }
    }
    let mut unmarked = 0;
    if !published.is_empty()
        && let Err(error) = outbox.mark_published(&published).await
    {
        unmarked = published.len();
        tracing::warn!(%error, events = unmarked, "published events could not be marked; the sweep will repeat them");
    }
    Relayed { published: published.len(), left, unmarked }
}

/// Publishes what was committed more than [`SWEEP_AFTER`] ago and is still unmarked, in batches of `batch`, until the outbox
/// has no more of it or a batch makes no headway.
///
/// # Errors
///
/// [`OutboxError`] when the outbox can't be read.
pub async fn sweep(
    outbox: &dyn Outbox,
    publisher: &dyn Publisher,
    clock: &dyn Clock,
    batch: usize,
) -> Result<Relayed, OutboxError> {
    let before = clock.now() - SWEEP_AFTER;
    let mut total = Relayed::default();
    loop {
        let events = outbox.pending(before, batch).await?;
        let full = events.len() == batch;
        let run = publish_committed(outbox, publisher, &events).await;
        let stuck = run.published == run.unmarked;
        total.published += run.published;
        total.unmarked += run.unmarked;
        total.left.extend(run.left);
        if !full || stuck {
            return Ok(total);
        }
    }
}
