//! The ports in memory, as simple as can be, for the tests of handlers and reactions.

mod ports;
mod provider;
mod workflows;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub(crate) use ports::{MemoryDeliveries, MemoryInbox, MemoryRecords};
pub(crate) use provider::FakeProvider;
use sendoff_events::{BoxFuture, Clock, Envelope, Event, EventId, Origin, Rng, TenantId, Timestamp};
pub(crate) use workflows::{MemorySchedules, MemoryWorkflows};

use crate::{Attributes, Count, Delivery, IdempotencyKey, InboxRecord, Meter, Receipt, RouterPorts, Span};

pub(crate) fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

/// A clock that a test sets; its sleeps never end.
pub(crate) struct SetClock(pub(crate) Mutex<Timestamp>);

impl SetClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-11-24T12:00:00Z".parse().unwrap())))
    }

    pub(crate) fn forward(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Counts instead of drawing, in steps that touch all bits.
#[derive(Default)]
pub(crate) struct Counting(AtomicU64);

impl Rng for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}

/// The ports of a router, and a way to deliver events to it.
pub(crate) struct World {
    pub(crate) clock: Arc<SetClock>,
    pub(crate) rng: Arc<Counting>,
    pub(crate) inbox: Arc<MemoryInbox>,
    pub(crate) records: Arc<MemoryRecords>,
    pub(crate) sunk: Arc<Sunk>,
}

/// Remembers the keys of what went to the sink.
#[derive(Default)]
pub(crate) struct Sunk(Mutex<Vec<(String, String)>>);

impl Sunk {
    /// Consumers and keys, in order.
    pub(crate) fn keys(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().clone()
    }
}

impl Meter for Sunk {
    fn count(&self, _: Count, _: &str, _: u64) {}

    fn time(&self, _: Span, _: &str, _: Duration) {}

    fn sunk(&self, consumer: &str, key: &str) {
        self.0.lock().unwrap().push((consumer.into(), key.into()));
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            clock: SetClock::new(),
            rng: Arc::default(),
            inbox: Arc::default(),
            records: Arc::default(),
            sunk: Arc::default(),
        }
    }

    pub(crate) fn ports(&self) -> RouterPorts {
        RouterPorts {
            inbox: self.inbox.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: self.sunk.clone(),
        }
    }

    /// An event as a queue would deliver it, and its id.
    pub(crate) fn delivery<E: Event>(&self, event: E) -> (Delivery, EventId) {
        self.delivery_of(event, None)
    }

    /// An event of the chain with this correlation id.
    pub(crate) fn delivery_of<E: Event>(&self, event: E, correlation: Option<&str>) -> (Delivery, EventId) {
        let origin = Origin {
            source: "/sendoff/test".into(),
            tenant: tenant(),
            correlation: correlation.map(str::to_owned),
            causation: None,
            traceparent: None,
            hops: 0,
        };
        let envelope = Envelope::new(event, origin, None, &*self.clock, &*self.rng);
        let delivery = Delivery {
            receipt: Receipt::new("r"),
            message_id: "m".into(),
            body: envelope.encode().unwrap().into_body(),
            attributes: Attributes::new(),
            receive_count: 1,
            sent_at: self.clock.now(),
        };
        (delivery, envelope.header.id)
    }

    /// What the inbox keeps of a consumer's work on an event.
    pub(crate) fn ledger(&self, consumer: &str, event: EventId) -> InboxRecord {
        self.inbox.0.lock().unwrap().get(&IdempotencyKey::new(consumer, event)).cloned().unwrap()
    }
}
