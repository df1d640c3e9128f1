//! The world outside: what really happened, which no kill touches.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sendoff_consumers::{Delivery, Depth, Failure, NewMessage, Queue, QueueError, REPLAY_ATTRIBUTE, Receipt};
use sendoff_events::{AnyEnvelope, BoxFuture, EventId};

/// What was seen from outside.
#[derive(Clone, Default)]
pub(super) struct Outside(Arc<Shared>);

#[derive(Default)]
struct Shared {
    mended: AtomicBool,
    seen: Mutex<Seen>,
}

/// What happened.
#[derive(Default)]
pub(super) struct Seen {
    /// How often each event had its effect.
    pub(super) effects: HashMap<EventId, u32>,
    /// The messages by which each event came as a replay: more than one when it was sent more than once.
    pub(super) replayed: HashMap<EventId, BTreeSet<String>>,
}

impl Outside {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap()
    }

    /// Whether jobs succeed from now on.
    pub(super) fn set_mended(&self, mended: bool) {
        self.0.mended.store(mended, Ordering::SeqCst);
    }

    pub(super) fn is_mended(&self) -> bool {
        self.0.mended.load(Ordering::SeqCst)
    }

    /// An effect of this event happens.
    pub(super) fn happens(&self, event: EventId) {
        *self.seen().effects.entry(event).or_default() += 1;
    }

    /// The queue, watched for what comes out of it.
    pub(super) fn watching(&self, queue: Arc<dyn Queue>) -> Arc<dyn Queue> {
        Arc::new(Watched { queue, outside: self.clone() })
    }
}

/// A queue whose deliveries are counted.
struct Watched {
    queue: Arc<dyn Queue>,
    outside: Outside,
}

impl Queue for Watched {
    fn name(&self) -> &str {
        self.queue.name()
    }

    fn send<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        self.queue.send(messages)
    }

    fn receive(&self, max: usize, wait: Duration, lease: Duration) -> BoxFuture<'_, Result<Vec<Delivery>, QueueError>> {
        Box::pin(async move {
            let deliveries = self.queue.receive(max, wait, lease).await?;
            let mut seen = self.outside.seen();
            for delivery in deliveries.iter().filter(|delivery| delivery.attributes.contains_key(REPLAY_ATTRIBUTE)) {
                let event = AnyEnvelope::decode(&delivery.body).expect("only envelopes are replayed").header.id;
                seen.replayed.entry(event).or_default().insert(delivery.message_id.clone());
            }
            drop(seen);
            Ok(deliveries)
        })
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.queue.ack(receipts)
    }

    fn extend<'a>(&'a self, receipts: &'a [Receipt], lease: Duration) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.queue.extend(receipts, lease)
    }

    fn release<'a>(&'a self, entries: &'a [(Delivery, Duration)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.queue.release(entries)
    }

    fn dead_letter<'a>(&'a self, entries: &'a [(Delivery, Failure)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.queue.dead_letter(entries)
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        self.queue.depth()
    }
}
