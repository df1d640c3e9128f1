//! A queue, an inbox, a scripted handler and as many workers as a test wants, in virtual time.

use std::{
    collections::BTreeMap, sync::Arc, sync::Mutex, sync::atomic::AtomicU32, sync::atomic::Ordering, time::Duration,
};

use bytes::Bytes;
use sendoff_consumers::{
    Attributes, Claim, Claimed, Context, Count, Delivery, Depth, Effect, Failure, Handler, HandlerError,
    IdempotencyKey, Inbox, InboxError, InboxRecord, Limits, Meter, NewMessage, OnDoubt, Policy, Queue, QueueError,
    REPLAY_ATTRIBUTE, Receipt, Router, RouterPorts, SendOutcome, Span, Stop, Verdict, Worker, WorkerSettings,
    join_outcomes,
};
use sendoff_events::{AppAssigned, BoxFuture, Clock, Envelope, EventId, Origin, Timestamp};
use sendoff_tests::{
    memory::{Link, MemoryQueue, QueueState, Remote, lock},
    simulation::{Process, World, WorldClock},
};

pub(super) const WORKER: Process = Process(1);
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// What the one handler of these tests does with a step, told by the test.
pub(super) type Script = Arc<dyn Fn(&str, u32) -> Act + Send + Sync>;

pub(super) enum Act {
    Answer(SendOutcome),
    Hang(Duration),
}

pub(super) fn sent() -> Act {
    Act::Answer(SendOutcome::Sent { provider: None, provider_id: Some("p-1".into()) })
}

/// A handler with two steps, side by side.
pub(super) struct Scripted {
    pub(super) script: Script,
    pub(super) sends: Arc<Mutex<Vec<String>>>,
}

impl Handler for Scripted {
    type Event = AppAssigned;
    const NAME: &'static str = "scripted";
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_secs(60),
        effect: Effect::Once,
        on_doubt: OnDoubt::Hold { window: Duration::from_secs(30) },
        ..Policy::DEFAULT
    };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        let send = async |step: &'static str| {
            cx.once(step, |key| async move {
                lock(&self.sends).push(key);
                match (self.script)(step, cx.attempt()) {
                    Act::Answer(outcome) => outcome,
                    Act::Hang(time) => {
                        cx.clock().sleep(time).await;
                        SendOutcome::Sent { provider: None, provider_id: None }
                    }
                }
            })
            .await
        };
        let ada = send("ada").await;
        let bob = send("bob").await;
        join_outcomes([ada, bob])
    }
}

/// A meter that remembers.
#[derive(Default)]
pub(super) struct Measured(Mutex<BTreeMap<String, Vec<Duration>>>, Mutex<BTreeMap<String, u64>>);

impl Meter for Measured {
    fn count(&self, what: Count, consumer: &str, n: u64) {
        *lock(&self.1).entry(format!("{} {consumer}", what.name())).or_default() += n;
    }

    fn time(&self, what: Span, consumer: &str, took: Duration) {
        lock(&self.0).entry(format!("{} {consumer}", what.name())).or_default().push(took);
    }
}

impl Measured {
    /// Everything that was counted, in the order of names.
    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        lock(&self.1).clone().into_iter().collect()
    }

    /// Every duration of one kind, in order.
    pub(super) fn times(&self, name: &str) -> Vec<Duration> {
        lock(&self.0).get(name).cloned().unwrap_or_default()
    }
}

/// An inbox that counts its calls and is unreachable for a while.
pub(super) struct Counting {
    pub(super) inner: Remote<BTreeMap<IdempotencyKey, InboxRecord>>,
    pub(super) clock: WorldClock,
    pub(super) down_until: Timestamp,
    /// How many claims it still makes without answering.
    pub(super) silent_claims: AtomicU32,
    pub(super) calls: Arc<AtomicU32>,
}

impl Counting {
    pub(super) fn count(&self) -> Result<(), InboxError> {
        if self.clock.now() < self.down_until {
            return Err(InboxError::Unavailable("switched off".into()));
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Inbox for Counting {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        Box::pin(async move {
            self.count()?;
            let answer = self.inner.claim(claim).await;
            let silent = self.silent_claims.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            if silent.is_ok() { Err(InboxError::Unavailable("no answer".into())) } else { answer }
        })
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        Box::pin(async move {
            self.count()?;
            self.inner.write(record).await
        })
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        self.inner.get(key)
    }
}

/// Counted as long as it isn't dropped.
struct UnderWay<'a>(&'a AtomicU32);

impl<'a> UnderWay<'a> {
    fn of(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A queue that counts how often it is asked and remembers what it was given back, and whose leases may be impossible to extend.
pub(super) struct Watched {
    pub(super) inner: MemoryQueue,
    pub(super) clock: WorldClock,
    pub(super) ack_takes: Duration,
    pub(super) extends: bool,
    pub(super) receives: Arc<AtomicU32>,
    pub(super) receive_takes: Duration,
    pub(super) receiving: Arc<AtomicU32>,
    pub(super) release_takes: Duration,
    pub(super) released: Arc<Mutex<Vec<Delivery>>>,
}

impl Queue for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn send<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        self.inner.send(messages)
    }

    fn receive(&self, max: usize, wait: Duration, lease: Duration) -> BoxFuture<'_, Result<Vec<Delivery>, QueueError>> {
        assert!(max > 0, "SQS refuses to give no message, and a queue that answered at once would be asked for ever");
        self.receives.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let _under_way = UnderWay::of(&self.receiving);
            let received = self.inner.receive(max, wait, lease).await;
            self.clock.sleep(self.receive_takes).await;
            received
        })
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(async move {
            self.clock.sleep(self.ack_takes).await;
            self.inner.ack(receipts).await
        })
    }

    fn extend<'a>(&'a self, receipts: &'a [Receipt], lease: Duration) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        if self.extends { self.inner.extend(receipts, lease) } else { Box::pin(std::future::pending()) }
    }

    fn release<'a>(&'a self, entries: &'a [(Delivery, Duration)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        lock(&self.released).extend(entries.iter().map(|(delivery, _)| delivery.clone()));
        Box::pin(async move {
            let released = self.inner.release(entries).await;
            self.clock.sleep(self.release_takes).await;
            released
        })
    }

    fn dead_letter<'a>(&'a self, entries: &'a [(Delivery, Failure)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.inner.dead_letter(entries)
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        self.inner.depth()
    }
}

/// A queue, an inbox, a handler and as many workers as a test wants.
pub(super) struct Rig {
    pub(super) world: World,
    pub(super) queue: Arc<Mutex<QueueState>>,
    pub(super) records: Arc<Mutex<BTreeMap<IdempotencyKey, InboxRecord>>>,
    pub(super) inbox_calls: Arc<AtomicU32>,
    /// What was counted and timed, under `name consumer`.
    pub(super) measured: Arc<Measured>,
    pub(super) inbox_down: Duration,
    pub(super) silent_claims: u32,
    pub(super) extends: bool,
    pub(super) receives: Arc<AtomicU32>,
    /// How long the answer to a receive is on its way.
    pub(super) receive_takes: Duration,
    /// How many receives are under way.
    pub(super) receiving: Arc<AtomicU32>,
    /// How long the answer to a release is on its way.
    pub(super) release_takes: Duration,
    pub(super) slots: usize,
    /// How many messages a worker asks for at once; all that its slots hold if it isn't said.
    pub(super) batch: Option<usize>,
    pub(super) sends: Arc<Mutex<Vec<String>>>,
    pub(super) script: Script,
}

impl Rig {
    pub(super) fn new(script: impl Fn(&str, u32) -> Act + Send + Sync + 'static) -> Self {
        Self {
            world: World::new(1),
            queue: Arc::default(),
            records: Arc::default(),
            inbox_calls: Arc::default(),
            measured: Arc::default(),
            inbox_down: Duration::ZERO,
            silent_claims: 0,
            extends: true,
            receives: Arc::default(),
            receive_takes: Duration::ZERO,
            receiving: Arc::default(),
            release_takes: Duration::ZERO,
            slots: 4,
            batch: None,
            sends: Arc::default(),
            script: Arc::new(script),
        }
    }

    pub(super) fn clock(&self) -> Arc<WorldClock> {
        Arc::new(self.world.clock())
    }

    pub(super) fn remote<S: Send + 'static>(&self, state: &Arc<Mutex<S>>) -> Remote<S> {
        Remote::new(state.clone(), Link::Direct, self.clock())
    }

    pub(super) fn ports(&self) -> RouterPorts {
        let inbox = Counting {
            inner: self.remote(&self.records),
            clock: self.world.clock(),
            down_until: self.world.clock().now() + self.inbox_down,
            silent_claims: self.silent_claims.into(),
            calls: self.inbox_calls.clone(),
        };
        RouterPorts {
            inbox: Arc::new(inbox),
            clock: self.clock(),
            rng: Arc::new(self.world.rng()),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: self.measured.clone(),
        }
    }

    pub(super) fn handler(&self) -> Scripted {
        Scripted { script: self.script.clone(), sends: self.sends.clone() }
    }

    pub(super) fn start(&mut self, stop: Stop, grace: Duration) {
        let router = Router::new(self.ports()).with(self.handler()).unwrap();
        let queue = self.watched();
        let (concurrency, batch) = (self.slots, self.batch.unwrap_or(self.slots));
        let settings = WorkerSettings { concurrency, batch, wait: Duration::from_secs(5), lease: LEASE, grace };
        let consumer = router.consumer("scripted").unwrap().clone();
        let worker = Worker::new(consumer, Arc::new(queue), self.clock(), Arc::new(self.world.rng()), settings);
        self.world.spawn(WORKER, async move { worker.run(stop).await });
    }

    pub(super) fn watched(&self) -> Watched {
        let inner = MemoryQueue::new("scripted", self.remote(&self.queue));
        Watched {
            inner,
            clock: self.world.clock(),
            ack_takes: Duration::ZERO,
            extends: self.extends,
            receives: self.receives.clone(),
            receive_takes: self.receive_takes,
            receiving: self.receiving.clone(),
            release_takes: self.release_takes,
            released: Arc::default(),
        }
    }

    pub(super) fn depth(&self) -> Depth {
        futures::executor::block_on(self.watched().depth()).unwrap()
    }

    pub(super) fn envelope(&self, age: Duration) -> (EventId, Bytes) {
        self.envelope_of("acme", age)
    }

    pub(super) fn envelope_of(&self, tenant: &str, age: Duration) -> (EventId, Bytes) {
        let id = |text: &str| text.parse().unwrap();
        let event = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id("ada"), assigned_by: id("root") };
        let origin = Origin {
            source: "/test".into(),
            tenant: tenant.parse().unwrap(),
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        let mut envelope = Envelope::new(event, origin, None, &self.world.clock(), &self.world.rng());
        envelope.header.first_published -= age;
        (envelope.header.id, envelope.encode().unwrap().into_body())
    }

    pub(super) fn push(&self, body: Bytes, replay: Option<u32>) {
        let attributes = replay.map(|n| (REPLAY_ATTRIBUTE.to_owned(), n.to_string())).into_iter().collect();
        let message = NewMessage { body, attributes, delay: Duration::ZERO };
        lock(&self.queue).push(message, self.world.clock().now());
    }

    /// Pushes so many messages, each of an event of its own.
    pub(super) fn stock(&self, count: usize) {
        for _ in 0..count {
            self.push(self.envelope(Duration::ZERO).1, None);
        }
    }

    /// Runs until the queue is empty, at most a virtual day.
    pub(super) fn run_dry(&mut self) {
        let end = self.world.clock().now() + Duration::from_secs(86_400);
        while !lock(&self.queue).is_empty() {
            assert!(self.world.clock().now() < end && self.world.step(), "the queue never runs dry");
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.world.clock().now() + time;
        self.world.clock().later(time, || ());
        while self.world.clock().now() < end && self.world.step() {}
    }

    /// Lets a consumer of its own judge one delivery of `body`, as a Lambda host would.
    pub(super) fn judge<H: Handler>(&self, ports: RouterPorts, handler: H, body: Bytes) -> Verdict {
        let router = Router::new(ports).with(handler).unwrap();
        let delivery = Delivery {
            receipt: Receipt::new("1"),
            message_id: "1".into(),
            body,
            attributes: Attributes::new(),
            receive_count: 1,
            sent_at: self.world.clock().now(),
        };
        let consumer = router.consumer(H::NAME).unwrap();
        futures::executor::block_on(consumer.process(&delivery, &Limits::none()))
    }

    pub(super) fn record(&self, event: EventId) -> InboxRecord {
        lock(&self.records)[&IdempotencyKey::new("scripted", event)].clone()
    }

    pub(super) fn dead_reasons(&self) -> Vec<String> {
        lock(&self.queue).dead.failures().map(|(_, failure)| failure.reason).collect()
    }

    pub(super) fn sends(&self) -> Vec<String> {
        lock(&self.sends).clone()
    }
}
