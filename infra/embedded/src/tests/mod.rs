//! What is special about this backend. The promises that every backend keeps are proven by the conformance suite.

mod audit;
mod claim_checks;
mod clearing;
mod damage;
mod dead_letters;
mod deliveries;
mod doubts;
mod endurance;
mod folder;
mod inspection;
mod migrations;
mod plans;
mod purging;
mod queues;
mod records;
mod runs;
mod writer;

use sendoff_host::SystemRng;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rusqlite::Connection;
use sendoff_consumers::{Class, DeadLetter, Delivery, Failure, Filter, NewMessage, Queue, fingerprint};
use sendoff_events::{AppAssigned, BoxFuture, Clock, Envelope, EventId, Origin, Outgoing, TenantId, Timestamp};
use sendoff_producers::{Expected, RecordKey, UnitOfWork, Write};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::{OpenError, Store, StoreOptions};

pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// A clock that stands still until it is told to move.
pub(crate) struct ManualClock {
    millis: Arc<AtomicI64>,
    moved: Arc<Notify>,
}

impl ManualClock {
    fn new() -> Self {
        Self { millis: Arc::new(AtomicI64::new(1_795_000_000_000)), moved: Arc::default() }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.millis.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    pub(crate) fn back(&self, by: Duration) {
        self.millis.fetch_sub(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.millis.load(Ordering::SeqCst)).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (millis, moved) = (Arc::clone(&self.millis), Arc::clone(&self.moved));
        let until = millis.load(Ordering::SeqCst) + i64::try_from(duration.as_millis()).unwrap();
        Box::pin(async move {
            loop {
                let mut notified = std::pin::pin!(moved.notified());
                notified.as_mut().enable();
                if millis.load(Ordering::SeqCst) >= until {
                    return;
                }
                notified.await;
            }
        })
    }
}

/// A store in a temporary folder, on a clock that stands still.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
    pub(crate) rng: SystemRng,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let mut options = StoreOptions { clock: clock.clone(), ..StoreOptions::default() };
        change(&mut options);
        let store = Store::open(folder.path(), options).unwrap();
        Self { store, clock, folder, rng: SystemRng::new() }
    }

    /// Closes the store and opens the same folder again.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, clock, folder, rng } = self;
        drop(store);
        let options = StoreOptions { clock: clock.clone(), ..StoreOptions::default() };
        let store = Store::open(folder.path(), options).unwrap();
        Self { store, clock, folder, rng }
    }

    /// Keeps the writer waiting: what it is asked for isn't begun before this is dropped.
    pub(crate) fn hold(&self) -> Connection {
        let other = Connection::open(self.store.file()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }

    pub(crate) async fn subscribed(&self, queue: &str) -> Arc<dyn Queue> {
        self.store.subscribe(queue, &Filter::default()).await.unwrap();
        self.store.queue(queue).await.unwrap()
    }

    pub(crate) fn event(&self, app: &str, causation: Option<EventId>) -> Outgoing {
        self.envelope(app, causation).encode().unwrap()
    }

    pub(crate) fn envelope(&self, app: &str, causation: Option<EventId>) -> Envelope<AppAssigned> {
        let data = AppAssigned {
            app_id: app.parse().unwrap(),
            user_id: "ada".parse().unwrap(),
            assigned_by: "root".parse().unwrap(),
        };
        let correlation = causation.map(|id| id.to_string());
        let origin =
            Origin { source: "/test".into(), tenant: tenant(), correlation, causation, traceparent: None, hops: 0 };
        Envelope::new(data, origin, None, &*self.clock, &self.rng)
    }

    pub(crate) fn work(&self, writes: Vec<Write>, events: Vec<Outgoing>) -> UnitOfWork {
        UnitOfWork { writes, events, ..UnitOfWork::new(tenant(), "ada", self.clock.now()).without_events() }
    }

    /// What stands in a dead-letter queue.
    pub(crate) async fn letters(&self, queue: &str) -> Vec<DeadLetter> {
        self.store.dead_letter_queues().read(queue, None, 1000).await.unwrap().unwrap()
    }

    /// A connection of its own to the data file.
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(self.store.file()).unwrap()
    }
}

pub(crate) fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

pub(crate) fn key(id: &str) -> RecordKey {
    RecordKey::new(&tenant(), "apps", id)
}

pub(crate) fn write(id: &str, expected: Expected, data: Option<Value>) -> Write {
    Write { key: key(id), expected, data }
}

pub(crate) fn message(body: &str) -> NewMessage {
    NewMessage { body: Bytes::copy_from_slice(body.as_bytes()), attributes: BTreeMap::new(), delay: Duration::ZERO }
}

pub(crate) fn failure(reason: &str) -> Failure {
    Failure {
        reason: reason.into(),
        class: Class::Rejected,
        fingerprint: fingerprint(reason, "x"),
        consumer: "email".into(),
        attempts: 1,
        first_at: Timestamp::UNIX_EPOCH,
        last_at: Timestamp::UNIX_EPOCH,
        error: "x".into(),
    }
}

/// What is there right now.
pub(crate) async fn receive(queue: &dyn Queue, max: usize) -> Vec<Delivery> {
    queue.receive(max, Duration::ZERO, LEASE).await.unwrap()
}

/// Waits for `condition`, at most a minute.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain for {what}");
}

pub(crate) fn open(folder: &Path) -> Result<Store, OpenError> {
    Store::open(folder, StoreOptions::default())
}

pub(crate) fn refusal(folder: &Path) -> OpenError {
    match open(folder) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// A folder whose data file was closed cleanly, with enough in it to be worth damaging.
pub(crate) async fn filled() -> (TempDir, PathBuf) {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    for i in 0..50 {
        let event = bench.event("crm", None);
        let writes = vec![write(&format!("app-{i}"), Expected::Absent, Some(json!({ "text": "x".repeat(2000) })))];
        bench.store.records().commit(bench.work(writes, vec![event])).await.unwrap();
        queue.send(&[message("hello")]).await[0].as_ref().unwrap();
    }
    bench.store.shutdown().await;
    let file = bench.store.file().to_owned();
    (bench.folder, file)
}
