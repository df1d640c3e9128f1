//! The ports in memory, as simple as can be, for the tests of handlers and reactions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sendoff_events::{BoxFuture, Clock, Envelope, Event, EventId, Origin, Rng, TenantId, Timestamp};
use sendoff_producers::{
    Answer, CommitError, Committed, Expected, Lookup, Page, ReadError, Record, RecordKey, Records, UnitOfWork,
};
use serde_json::Value;

use crate::{
    Attributes, Claim, Claimed, Deliveries, DeliveriesError, Delivery, DeliveryId, DeliveryNews, DeliveryRecord, Doubt,
    Found, IdempotencyKey, Inbox, InboxError, InboxRecord, NewRun, NoMeter, Receipt, RouterPorts, Run, RunStatus,
    SendOutcome, Started, WorkflowError, Workflows,
    channels::{Provider, email::Mail, push::Push, sms::Sms, webhook::Webhook, whatsapp::Whatsapp},
    merge, transition,
};

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

/// Records as a map.
#[derive(Default)]
pub(crate) struct MemoryRecords {
    pub(crate) records: Mutex<BTreeMap<RecordKey, Record>>,
    pub(crate) down: AtomicBool,
}

impl MemoryRecords {
    pub(crate) fn put(&self, key: RecordKey, data: Value) {
        let record = Record { key: key.clone(), version: 1, data, updated_at: Timestamp::UNIX_EPOCH };
        self.records.lock().unwrap().insert(key, record);
    }

    /// All records, by id.
    pub(crate) fn all(&self) -> Vec<(String, Value)> {
        self.records.lock().unwrap().values().map(|r| (r.key.to_string(), r.data.clone())).collect()
    }
}

impl Lookup for MemoryRecords {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(ReadError::Unavailable("down".into()));
            }
            Ok(self.records.lock().unwrap().get(key).cloned())
        })
    }
}

impl Records for MemoryRecords {
    fn list<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a str,
        _: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        Box::pin(async { Err(ReadError::Unavailable("no handler lists".into())) })
    }

    fn answered<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a str,
        _: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>> {
        Box::pin(async { Ok(None) })
    }

    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(CommitError::Unavailable("down".into()));
            }
            work.validate()?;
            let mut records = self.records.lock().unwrap();
            let mut versions = Vec::new();
            for write in work.writes {
                let found = records.get(&write.key).map(|r| r.version);
                let fits = match write.expected {
                    Expected::Absent => found.is_none(),
                    Expected::Version(version) => found == Some(version),
                    Expected::Any => true,
                };
                if !fits {
                    return Err(CommitError::Conflict { key: write.key, expected: write.expected, found });
                }
                let version = found.unwrap_or(0) + 1;
                versions.push(version);
                match write.data {
                    Some(data) => {
                        let record = Record { key: write.key.clone(), version, data, updated_at: work.at };
                        records.insert(write.key, record);
                    }
                    None => {
                        records.remove(&write.key);
                    }
                }
            }
            Ok(Committed::Applied { versions })
        })
    }
}

/// The inbox as a map.
#[derive(Default)]
pub(crate) struct MemoryInbox(pub(crate) Mutex<BTreeMap<IdempotencyKey, InboxRecord>>);

impl Inbox for MemoryInbox {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        Box::pin(async move {
            let mut records = self.0.lock().unwrap();
            let (answer, changed) = transition::claim(records.get(&claim.key).cloned(), claim);
            if let Some(record) = changed {
                records.insert(claim.key.clone(), record);
            }
            Ok(answer)
        })
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        Box::pin(async move {
            let mut records = self.0.lock().unwrap();
            if transition::write(records.get(&record.key), record)? {
                records.insert(record.key.clone(), record.clone());
            }
            Ok(())
        })
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(key).cloned()) })
    }
}

/// News of messages as a map.
#[derive(Default)]
pub(crate) struct MemoryDeliveries(pub(crate) Mutex<BTreeMap<DeliveryId, DeliveryRecord>>);

impl Deliveries for MemoryDeliveries {
    fn tell<'a>(&'a self, id: &'a DeliveryId, news: &'a DeliveryNews) -> BoxFuture<'a, Result<bool, DeliveriesError>> {
        Box::pin(async move {
            let mut records = self.0.lock().unwrap();
            let newer = merge(records.get(id), news);
            let changed = newer.is_some();
            newer.into_iter().for_each(|newer| drop(records.insert(id.clone(), newer)));
            Ok(changed)
        })
    }

    fn get<'a>(&'a self, id: &'a DeliveryId) -> BoxFuture<'a, Result<Option<DeliveryRecord>, DeliveriesError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(id).cloned()) })
    }
}

/// A message of any kind, as far as the fake provider looks into it.
pub(crate) trait Addressed: Clone + Send + Sync {
    fn to(&self) -> String;
}

impl Addressed for Mail {
    fn to(&self) -> String {
        self.to.expose().expose().to_owned()
    }
}

impl Addressed for Sms {
    fn to(&self) -> String {
        self.to.expose().expose().to_owned()
    }
}

impl Addressed for Whatsapp {
    fn to(&self) -> String {
        self.to.expose().expose().to_owned()
    }
}

impl Addressed for Push {
    fn to(&self) -> String {
        self.token.expose().clone()
    }
}

impl Addressed for Webhook {
    fn to(&self) -> String {
        self.url.clone()
    }
}

/// Keeps what it is given; answers a recipient as it was told, once, and with "sent" otherwise. Asked about a doubt it says
/// what it was told to, or that it can't tell.
pub(crate) struct FakeProvider<M> {
    pub(crate) sent: Mutex<Vec<M>>,
    pub(crate) answers: Mutex<BTreeMap<String, SendOutcome>>,
    pub(crate) finds: Mutex<Option<Found>>,
}

impl<M> Default for FakeProvider<M> {
    fn default() -> Self {
        Self { sent: Mutex::default(), answers: Mutex::default(), finds: Mutex::default() }
    }
}

impl<M: Addressed> FakeProvider<M> {
    pub(crate) fn recipients(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(Addressed::to).collect()
    }

    pub(crate) fn answer(&self, to: &str, outcome: SendOutcome) {
        self.answers.lock().unwrap().insert(to.to_owned(), outcome);
    }
}

impl<M: Addressed> Provider<M> for FakeProvider<M> {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn send<'a>(&'a self, message: &'a M, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let to = message.to();
            self.sent.lock().unwrap().push(message.clone());
            let told = self.answers.lock().unwrap().remove(&to);
            told.unwrap_or(SendOutcome::Sent { provider: None, provider_id: Some(format!("queued for {}", to.len())) })
        })
    }

    fn find<'a>(&'a self, _: &'a M, _: &'a Doubt) -> BoxFuture<'a, Found> {
        Box::pin(async move { self.finds.lock().unwrap().clone().unwrap_or(Found::CannotTell) })
    }
}

/// Runs by name.
#[derive(Default)]
pub(crate) struct MemoryWorkflows {
    pub(crate) runs: Mutex<BTreeMap<String, NewRun>>,
    pub(crate) down: AtomicBool,
}

impl Workflows for MemoryWorkflows {
    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(WorkflowError::Unavailable("down".into()));
            }
            let mut runs = self.runs.lock().unwrap();
            match runs.get(&run.name) {
                None => {
                    runs.insert(run.name.clone(), run.clone());
                    Ok(Started::New)
                }
                Some(found) if found == run => Ok(Started::Already),
                Some(_) => Err(WorkflowError::Conflict { name: run.name.clone() }),
            }
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        let found = self.runs.lock().unwrap().get(name).cloned();
        let run =
            |started| Run { started, started_at: Timestamp::UNIX_EPOCH, status: RunStatus::Running, taken: Vec::new() };
        Box::pin(async move { Ok(found.map(run)) })
    }

    fn stop<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async { Ok(false) })
    }
}

/// The ports of a router, and a way to deliver events to it.
pub(crate) struct World {
    pub(crate) clock: Arc<SetClock>,
    pub(crate) rng: Arc<Counting>,
    pub(crate) inbox: Arc<MemoryInbox>,
    pub(crate) records: Arc<MemoryRecords>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { clock: SetClock::new(), rng: Arc::default(), inbox: Arc::default(), records: Arc::default() }
    }

    pub(crate) fn ports(&self) -> RouterPorts {
        RouterPorts {
            inbox: self.inbox.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        }
    }

    /// An event as a queue would deliver it, and its id.
    pub(crate) fn delivery<E: Event>(&self, event: E) -> (Delivery, EventId) {
        let origin = Origin {
            source: "/sendoff/test".into(),
            tenant: tenant(),
            correlation: None,
            causation: None,
            traceparent: None,
        };
        let envelope = Envelope::new(event, origin, None, &*self.clock, &*self.rng);
        let delivery = Delivery {
            receipt: Receipt::new("r"),
            message_id: "m".into(),
            body: envelope.encode().unwrap().body,
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
