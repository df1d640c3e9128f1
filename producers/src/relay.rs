//! From the outbox to the topic. All three ways may publish an event twice, never not at all:
//!
//! 1. the fast path: the API publishes right after the commit, see [`publish_committed`];
//! 2. the change stream of the outbox (on aws), which calls the same function;
//! 3. the [`sweep`], which takes what is still unmarked after a while.

use std::{collections::HashSet, time::Duration};

use sendoff_events::{Clock, EventId, Outgoing};

use crate::{Outbox, OutboxError, Pending, PublishError, Publisher, Stuck};

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
    /// Events that couldn't be read to be published.
    pub stuck: Vec<Stuck>,
}

impl Relayed {
    /// How many events stay in the outbox although their time has come.
    #[must_use]
    pub fn left_over(&self) -> usize {
        self.left.len() + self.stuck.len()
    }

    /// Logs each event that stays in the outbox, and why.
    pub fn tell(&self) {
        let left = self.left.iter().map(|(id, error)| (id.to_string(), error.to_string()));
        let stuck = self.stuck.iter().map(|Stuck { event, why }| (event.clone(), why.clone()));
        for (event_id, error) in left.chain(stuck) {
            tracing::error!(event_id, error, "a committed event can't be published; the next sweep tries again");
        }
    }
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
            Ok(()) => published.push(event.id()),
            Err(error) => left.push((event.id(), error)),
        }
    }
    let mut unmarked = 0;
    if !published.is_empty()
        && let Err(error) = outbox.mark_published(&published).await
    {
        unmarked = published.len();
        tracing::warn!(%error, events = unmarked, "published events could not be marked; the sweep will repeat them");
    }
    Relayed { published: published.len(), left, unmarked, stuck: Vec::new() }
}

/// Publishes what was committed more than [`SWEEP_AFTER`] ago and is still unmarked, in batches of `batch`, until the outbox
/// has no more of it or can't be marked, or the topic takes no more. What can't be read, or the topic refuses for good, is passed
/// over, so that it holds up nothing that is younger.
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
    let mut total = Relayed::default();
    sweep_into(&mut total, outbox, publisher, clock, batch).await?;
    Ok(total)
}

/// The same, for whoever may have to break it off: `total` is what was done so far.
///
/// # Errors
///
/// As [`sweep`].
pub async fn sweep_into(
    total: &mut Relayed,
    outbox: &dyn Outbox,
    publisher: &dyn Publisher,
    clock: &dyn Clock,
    batch: usize,
) -> Result<(), OutboxError> {
    let before = clock.now() - SWEEP_AFTER;
    loop {
        let passed_over: HashSet<EventId> = total.left.iter().map(|(id, _)| *id).collect();
        let Pending { mut events, stuck } = outbox.pending(before, batch + passed_over.len()).await?;
        let full = events.len() == batch + passed_over.len();
        // Each look begins with the oldest again, so it has seen what the one before it saw.
        total.stuck = stuck;
        events.retain(|event| !passed_over.contains(&event.id()));
        let run = publish_committed(outbox, publisher, &events).await;
        let stuck = run.unmarked > 0 || run.left.iter().any(|(_, error)| !matches!(error, PublishError::Refused(_)));
        total.published += run.published;
        total.unmarked += run.unmarked;
        total.left.extend(run.left);
        if !full || stuck {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::executor::block_on;
    use sendoff_events::{BoxFuture, Timestamp};

    use super::*;
    use crate::still::Still;

    /// What waits, and what the topic says to it: an outbox and a topic in one. What is about `stuck` can't be read.
    struct Waiting {
        events: Mutex<Vec<Outgoing>>,
        answer: fn(&Outgoing) -> Result<(), PublishError>,
    }

    impl Outbox for Waiting {
        fn pending(&self, _: Timestamp, limit: usize) -> BoxFuture<'_, Result<Pending, OutboxError>> {
            let mut found = Pending::default();
            for event in self.events.lock().unwrap().iter() {
                if event.subject() == "stuck" {
                    found.stuck.push(Stuck { event: event.id().to_string(), why: "no body".into() });
                } else if found.events.len() < limit {
                    found.events.push(event.clone());
                }
            }
            Box::pin(async { Ok(found) })
        }

        fn mark_published<'a>(&'a self, ids: &'a [EventId]) -> BoxFuture<'a, Result<(), OutboxError>> {
            self.events.lock().unwrap().retain(|event| !ids.contains(&event.id()));
            Box::pin(async { Ok(()) })
        }
    }

    impl Publisher for Waiting {
        fn publish<'a>(&'a self, events: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>> {
            Box::pin(async move { events.iter().map(self.answer).collect() })
        }
    }

    fn event(n: u8, subject: &str) -> Outgoing {
        let (event_type, tenant) = ("app.assigned.v1".parse().unwrap(), "acme".parse().unwrap());
        Outgoing::stored(EventId::from_bytes([n; 16]), event_type, tenant, subject.into(), "{}".into())
    }

    fn swept(events: Vec<Outgoing>, answer: fn(&Outgoing) -> Result<(), PublishError>) -> (Relayed, usize) {
        let waiting = Waiting { events: Mutex::new(events), answer };
        let run = block_on(sweep(&waiting, &waiting, &Still, 3)).unwrap();
        (run, waiting.events.into_inner().unwrap().len())
    }

    #[test]
    fn what_the_topic_refuses_for_good_holds_up_nothing_that_is_younger() {
        let events = (0..10).map(|n| event(n, if n < 7 { "bad" } else { "good" })).collect();
        let (run, left) = swept(events, |event| match event.subject() {
            "bad" => Err(PublishError::Refused("no".into())),
            _ => Ok(()),
        });
        assert_eq!((run.published, run.left.len(), left), (3, 7, 7));
    }

    #[test]
    fn what_cannot_be_read_is_told_of_once_and_holds_up_nothing_that_is_younger() {
        let events = (0..10).map(|n| event(n, if n < 6 { "stuck" } else { "" })).collect();
        let (run, left) = swept(events, |_| Ok(()));
        assert_eq!((run.published, run.stuck.len(), run.left_over(), left), (4, 6, 6, 6));
    }

    #[test]
    fn a_topic_that_takes_nothing_is_asked_once() {
        let events = (0..10).map(|n| event(n, "")).collect();
        let (run, left) = swept(events, |_| Err(PublishError::Unavailable("down".into())));
        assert_eq!((run.published, run.left.len(), left), (0, 3, 10));
    }
}
