//! Router, inbox and worker over ports in memory, in virtual time: what each promise looks like when one thing goes wrong.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt as _;
use sendoff_consumers::{
    Attributes, Change, Claim, Claimed, Class, Context, Delivery, Depth, Effect, Failure, Handler, HandlerError,
    IdempotencyKey, Inbox, InboxError, InboxRecord, Limits, NewMessage, NotSent, OnDoubt, Policy, Queue, QueueError,
    REPLAY_ATTRIBUTE, Reaction, ReactionContext, Reactor, Receipt, Router, RouterError, RouterPorts, SendOutcome,
    Status, Step, StepState, Stop, Verdict, Worker, WorkerSettings, join_outcomes, transition,
};
use sendoff_events::{AppAssigned, BoxFuture, Clock, Envelope, EventId, Origin, Timestamp};
use sendoff_producers::{Expected, RecordKey, Records, UnitOfWork, Write};
use sendoff_tests::{
    memory::{Link, MemoryChanges, MemoryQueue, QueueState, RecordsState, Remote, lock},
    simulation::{Process, World, WorldClock},
};

const WORKER: Process = Process(1);
const LEASE: Duration = Duration::from_secs(10);

/// What the one handler of these tests does with a step, told by the test.
type Script = Arc<dyn Fn(&str, u32) -> Act + Send + Sync>;

enum Act {
    Answer(SendOutcome),
    Hang(Duration),
}

fn sent() -> Act {
    Act::Answer(SendOutcome::Sent { provider_id: Some("p-1".into()) })
}

/// A handler with two steps, side by side.
struct Scripted {
    script: Script,
    sends: Arc<Mutex<Vec<String>>>,
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
                        SendOutcome::Sent { provider_id: None }
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

/// An inbox that counts its calls and is unreachable for a while.
struct Counting {
    inner: Remote<BTreeMap<IdempotencyKey, InboxRecord>>,
    clock: WorldClock,
    down_until: Timestamp,
    /// How many claims it still makes without answering.
    silent_claims: AtomicU32,
    calls: Arc<AtomicU32>,
}

impl Counting {
    fn count(&self) -> Result<(), InboxError> {
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

/// A queue that counts how often it is asked, and whose leases may be impossible to extend.
struct Watched {
    inner: MemoryQueue,
    extends: bool,
    receives: Arc<AtomicU32>,
}

impl Queue for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn send<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        self.inner.send(messages)
    }

    fn receive(&self, max: usize, wait: Duration, lease: Duration) -> BoxFuture<'_, Result<Vec<Delivery>, QueueError>> {
        self.receives.fetch_add(1, Ordering::Relaxed);
        self.inner.receive(max, wait, lease)
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.inner.ack(receipts)
    }

    fn extend<'a>(&'a self, receipts: &'a [Receipt], lease: Duration) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        if self.extends { self.inner.extend(receipts, lease) } else { Box::pin(std::future::pending()) }
    }

    fn release<'a>(&'a self, entries: &'a [(Receipt, Duration)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.inner.release(entries)
    }

    fn dead_letter<'a>(&'a self, entries: &'a [(Delivery, Failure)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        self.inner.dead_letter(entries)
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        self.inner.depth()
    }
}

/// A queue, an inbox, a handler and as many workers as a test wants.
struct Rig {
    world: World,
    queue: Arc<Mutex<QueueState>>,
    records: Arc<Mutex<BTreeMap<IdempotencyKey, InboxRecord>>>,
    inbox_calls: Arc<AtomicU32>,
    inbox_down: Duration,
    silent_claims: u32,
    extends: bool,
    receives: Arc<AtomicU32>,
    slots: usize,
    sends: Arc<Mutex<Vec<String>>>,
    script: Script,
}

impl Rig {
    fn new(script: impl Fn(&str, u32) -> Act + Send + Sync + 'static) -> Self {
        Self {
            world: World::new(1),
            queue: Arc::default(),
            records: Arc::default(),
            inbox_calls: Arc::default(),
            inbox_down: Duration::ZERO,
            silent_claims: 0,
            extends: true,
            receives: Arc::default(),
            slots: 4,
            sends: Arc::default(),
            script: Arc::new(script),
        }
    }

    fn clock(&self) -> Arc<WorldClock> {
        Arc::new(self.world.clock())
    }

    fn remote<S: Send + 'static>(&self, state: &Arc<Mutex<S>>) -> Remote<S> {
        Remote::new(state.clone(), Link::Direct, self.clock())
    }

    fn ports(&self) -> RouterPorts {
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
        }
    }

    fn handler(&self) -> Scripted {
        Scripted { script: self.script.clone(), sends: self.sends.clone() }
    }

    fn start(&mut self, stop: Stop, grace: Duration) {
        let router = Router::new(self.ports()).with(self.handler()).unwrap();
        let inner = MemoryQueue::new("scripted", self.remote(&self.queue));
        let queue = Watched { inner, extends: self.extends, receives: self.receives.clone() };
        let (concurrency, batch) = (self.slots, self.slots);
        let settings = WorkerSettings { concurrency, batch, wait: Duration::from_secs(5), lease: LEASE, grace };
        let consumer = router.consumer("scripted").unwrap().clone();
        let worker = Worker::new(consumer, Arc::new(queue), self.clock(), Arc::new(self.world.rng()), settings);
        self.world.spawn(WORKER, async move { worker.run(stop).await });
    }

    fn envelope(&self, age: Duration) -> (EventId, Bytes) {
        let id = |text: &str| text.parse().unwrap();
        let event = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id("ada"), assigned_by: id("root") };
        let origin = Origin {
            source: "/test".into(),
            tenant: "acme".parse().unwrap(),
            correlation: None,
            causation: None,
            traceparent: None,
        };
        let mut envelope = Envelope::new(event, origin, None, &self.world.clock(), &self.world.rng());
        envelope.header.first_published -= age;
        (envelope.header.id, envelope.encode().unwrap().body)
    }

    fn push(&self, body: Bytes, replay: Option<u32>) {
        let attributes = replay.map(|n| (REPLAY_ATTRIBUTE.to_owned(), n.to_string())).into_iter().collect();
        let message = NewMessage { body, attributes, delay: Duration::ZERO };
        lock(&self.queue).push(message, self.world.clock().now());
    }

    /// Runs until the queue is empty, at most a virtual day.
    fn run_dry(&mut self) {
        let end = self.world.clock().now() + Duration::from_secs(86_400);
        while !lock(&self.queue).is_empty() {
            assert!(self.world.clock().now() < end && self.world.step(), "the queue never runs dry");
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.world.clock().now() + time;
        self.world.clock().later(time, || ());
        while self.world.clock().now() < end && self.world.step() {}
    }

    /// Lets a consumer of its own judge one delivery of `body`, as a Lambda host would.
    fn judge<H: Handler>(&self, ports: RouterPorts, handler: H, body: Bytes) -> Verdict {
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

    fn record(&self, event: EventId) -> InboxRecord {
        lock(&self.records)[&IdempotencyKey::new("scripted", event)].clone()
    }

    fn dead_reasons(&self) -> Vec<String> {
        lock(&self.queue).dead.iter().map(|(_, failure)| failure.reason.clone()).collect()
    }

    fn sends(&self) -> Vec<String> {
        lock(&self.sends).clone()
    }
}

#[test]
fn a_message_with_two_effects_costs_four_inbox_calls() {
    let mut rig = Rig::new(|_, _| sent());
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    // Claim, sending ada, ada done + sending bob, bob done + settled.
    assert_eq!(rig.inbox_calls.load(Ordering::Relaxed), 4);
    let record = rig.record(event);
    assert_eq!((record.status, record.attempts), (Status::Done, 1));
    assert_eq!(record.steps["ada"].provider_id.as_deref(), Some("p-1"));
    assert_eq!(rig.sends(), [format!("scripted/{event}/ada"), format!("scripted/{event}/bob")]);
}

#[test]
fn a_duplicate_runs_nothing() {
    let mut rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(Duration::ZERO);
    rig.push(body.clone(), None);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2);
    assert!(rig.dead_reasons().is_empty());
}

#[test]
fn only_the_step_that_failed_is_tried_again() {
    let mut rig = Rig::new(|step, attempt| match (step, attempt) {
        ("bob", 1) => Act::Answer(SendOutcome::NotSent(NotSent::Transient { reason: "451".into() })),
        _ => sent(),
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    let key = |step: &str| format!("scripted/{event}/{step}");
    assert_eq!(rig.sends(), [key("ada"), key("bob"), key("bob")]);
    assert_eq!(rig.record(event).attempts, 2);
}

#[test]
fn throttling_uses_up_no_attempt() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let mut rig = Rig::new(move |_, _| match counted.fetch_add(1, Ordering::Relaxed) {
        0..20 => {
            let after = Some(Duration::from_secs(7));
            Act::Answer(SendOutcome::NotSent(NotSent::Throttled { after, reason: "429".into() }))
        }
        _ => sent(),
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!((rig.record(event).status, rig.record(event).attempts), (Status::Done, 1));
}

#[test]
fn a_held_doubt_is_never_sent_again_and_ends_as_outcome_unknown() {
    let mut rig = Rig::new(|step, _| match step {
        "ada" => Act::Answer(SendOutcome::Unknown { reason: "timeout".into() }),
        _ => sent(),
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2, "one for each step");
    assert_eq!(rig.dead_reasons(), ["outcome-unknown"]);
    let record = rig.record(event);
    assert_eq!((record.status, record.expires_at), (Status::InDoubt, None));
    assert_eq!(record.steps["bob"].state, StepState::Done);
}

#[test]
fn a_running_handlers_lease_is_extended_so_that_nobody_else_gets_its_message() {
    let mut rig = Rig::new(|step, _| if step == "ada" { Act::Hang(LEASE * 4) } else { sent() });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2);
    assert_eq!(rig.record(event).attempts, 1);
}

#[test]
fn a_stop_lets_a_running_handler_finish() {
    let mut rig = Rig::new(|_, _| Act::Hang(Duration::from_secs(5)));
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    let (stopper, stop) = Stop::pair();
    rig.start(stop, Duration::from_secs(60));
    rig.run_for(Duration::from_secs(1));
    stopper.stop();
    rig.run_dry();
    rig.run_for(Duration::from_secs(1));
    assert_eq!(rig.world.alive(WORKER), 0, "the worker has ended");
    assert_eq!(rig.record(event).status, Status::Done);
}

#[test]
fn what_is_not_finished_after_the_grace_period_is_in_doubt_and_held() {
    let mut rig = Rig::new(|_, _| Act::Hang(Duration::from_secs(50)));
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    let (stopper, stop) = Stop::pair();
    rig.start(stop, Duration::from_secs(2));
    rig.run_for(Duration::from_secs(1));
    stopper.stop();
    rig.run_for(Duration::from_secs(4));
    assert_eq!(rig.world.alive(WORKER), 0, "the worker has ended");
    assert_eq!(rig.record(event).status, Status::InDoubt);
    assert_eq!(lock(&rig.queue).len(), 1, "its message waits for the end of the window");
}

#[test]
fn nothing_runs_while_the_inbox_cannot_be_reached_and_nothing_is_lost() {
    let mut rig = Rig::new(|_, _| sent());
    rig.inbox_down = Duration::from_secs(300);
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_for(Duration::from_secs(299));
    assert!(rig.sends().is_empty());
    rig.run_dry();
    assert_eq!((rig.record(event).status, rig.record(event).attempts), (Status::Done, 1));
}

#[test]
fn a_replay_runs_what_failed_and_skips_what_was_done() {
    let replayed = Arc::new(AtomicU32::new(0));
    let flag = replayed.clone();
    let mut rig = Rig::new(move |step, _| match (step, flag.load(Ordering::Relaxed)) {
        ("bob", 0) => Act::Answer(SendOutcome::NotSent(NotSent::Permanent { reason: "550 no such user".into() })),
        _ => sent(),
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body.clone(), None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.dead_reasons(), ["refused-by-provider"]);
    // Delivered again without a replay count: still a dead letter, and nothing runs.
    rig.push(body.clone(), None);
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2);
    replayed.store(1, Ordering::Relaxed);
    rig.push(body, Some(1));
    rig.run_dry();
    let key = |step: &str| format!("scripted/{event}/{step}");
    assert_eq!(rig.sends(), [key("ada"), key("bob"), key("bob")]);
    assert_eq!(rig.record(event).status, Status::Done);
}

#[test]
fn a_replay_has_all_its_attempts_also_when_the_dead_letter_left_an_open_record() {
    let rig = Rig::new(|_, _| sent());
    let now = rig.world.clock().now();
    let key = IdempotencyKey::new("scripted", rig.envelope(Duration::ZERO).0);
    let claim = |fence, replay| Claim { key: key.clone(), fence, payload_hash: [0; 32], replay, now, lease_until: now };
    // Its process vanished in the last attempt, and the queue's own limit made a dead letter of the message.
    let (_, Some(mut record)) = transition::claim(None, &claim(1, 0)) else { panic!("it is free") };
    record.attempts = 3;
    record.steps.insert("ada".into(), sending(now));
    let attempts = |replay| match transition::claim(Some(record.clone()), &claim(2, replay)).0 {
        Claimed::Won(record) => (record.attempts, record.steps["ada"].state),
        other => panic!("not won: {other:?}"),
    };
    assert_eq!(attempts(0), (4, StepState::InDoubt), "delivered again");
    assert_eq!(attempts(1), (1, StepState::InDoubt), "replayed");
}

fn sending(at: Timestamp) -> Step {
    Step { state: StepState::Sending, doubted: false, at, provider_id: None, reason: None }
}

#[test]
fn the_same_id_with_another_body_is_refused() {
    let mut rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(Duration::ZERO);
    let other = String::from_utf8(body.to_vec()).unwrap().replace("\"crm\"", "\"erp\"");
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    rig.push(other.into(), None);
    rig.run_dry();
    assert_eq!(rig.dead_reasons(), ["idempotency-mismatch"]);
    assert_eq!(rig.sends().len(), 2);
}

#[test]
fn a_message_older_than_the_inbox_remembers_is_parked_and_not_run() {
    let mut rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(RouterPorts::KEEP);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.dead_reasons(), ["too-old"]);
    assert!(rig.sends().is_empty());
}

#[test]
fn two_handlers_for_one_event_under_one_name_are_refused_at_start() {
    let rig = Rig::new(|_, _| sent());
    let router = Router::new(rig.ports()).with(rig.handler()).unwrap();
    let error = router.with(rig.handler()).err();
    assert_eq!(error, Some(RouterError::Duplicate { consumer: "scripted", event: "app.assigned" }));
}

#[test]
fn a_provider_that_asks_to_wait_for_ever_is_a_snooze_and_uses_up_no_attempt() {
    let mut rig = Rig::new(|_, _| {
        let reason = "Retry-After: 18446744073709551615".into();
        Act::Answer(SendOutcome::NotSent(NotSent::Throttled { after: Some(Duration::MAX), reason }))
    });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_for(Duration::from_secs(3600));
    let record = rig.record(event);
    assert_eq!((record.attempts, record.history.len(), record.history[0].class), (0, 1, Class::Deferred));
}

/// A handler that may take for ever.
struct Patient;

impl Handler for Patient {
    type Event = AppAssigned;
    const NAME: &'static str = "patient";
    const POLICY: Policy = Policy { timeout: Duration::MAX, ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<AppAssigned>, _: &Context) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[test]
fn a_handler_without_a_deadline_and_an_inbox_that_never_forgets_work() {
    let rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(Duration::ZERO);
    let ports = RouterPorts { keep: Duration::MAX, ..rig.ports() };
    assert_eq!(rig.judge(ports, Patient, body), Verdict::Ack { duplicate: false });
}

#[test]
fn a_claim_whose_answer_was_lost_is_asked_again_and_uses_up_no_attempt() {
    let mut rig = Rig::new(|_, _| sent());
    rig.silent_claims = 2;
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    let began = rig.world.clock().now();
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!((rig.record(event).status, rig.record(event).attempts), (Status::Done, 1));
    assert!(rig.world.clock().now() < began + LEASE, "nobody waited for the claim to lapse");
}

#[test]
fn a_handler_goes_on_while_its_lease_is_being_extended() {
    let mut rig = Rig::new(|_, _| Act::Hang(LEASE));
    rig.extends = false;
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_for(LEASE * 3);
    assert_eq!(rig.record(event).status, Status::Done);
}

#[test]
fn a_worker_without_a_slot_has_one_nevertheless() {
    let mut rig = Rig::new(|_, _| sent());
    rig.slots = 0;
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_for(LEASE);
    assert_eq!(rig.record(event).status, Status::Done);
}

#[test]
fn a_worker_pauses_longer_and_longer_while_the_inbox_cannot_be_reached() {
    let mut rig = Rig::new(|_, _| sent());
    rig.inbox_down = Duration::from_secs(600);
    for _ in 0..1000 {
        let (_, body) = rig.envelope(Duration::ZERO);
        rig.push(body, None);
    }
    rig.start(Stop::never(), LEASE);
    rig.run_for(Duration::from_secs(600));
    let receives = rig.receives.load(Ordering::Relaxed);
    assert!((10..120).contains(&receives), "it asked {receives} times in ten minutes");
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2000);
}

/// Sends by mail, with what may go wrong in a handler that is not careful about its steps.
struct Careless(CarelessRun);

type CarelessRun = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<(), HandlerError>>;

impl Handler for Careless {
    type Event = AppAssigned;
    const NAME: &'static str = "careless";
    const POLICY: Policy =
        Policy { max_attempts: 1, effect: Effect::Once, on_doubt: OnDoubt::Resend, ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        (self.0)(cx).await
    }
}

fn dead_letter(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::DeadLetter(failure) => *failure,
        other => panic!("not dead-lettered: {other:?}"),
    }
}

#[test]
fn a_send_that_its_handler_gave_up_half_way_is_in_doubt_also_when_a_second_one_fails_for_certain() {
    fn run(cx: &Context) -> BoxFuture<'_, Result<(), HandlerError>> {
        Box::pin(async move {
            let given_up = cx.once("ada", |_| std::future::pending()).now_or_never();
            assert!(given_up.is_none(), "it is still being sent");
            let refused = SendOutcome::NotSent(NotSent::Permanent { reason: "550".into() });
            cx.once("ada", |_| async { refused }).await.map(drop)
        })
    }
    let rig = Rig::new(|_, _| sent());
    let (event, body) = rig.envelope(Duration::ZERO);
    let failure = dead_letter(rig.judge(rig.ports(), Careless(run), body));
    assert_eq!(failure.reason, "outcome-unknown");
    let record = lock(&rig.records)[&IdempotencyKey::new("careless", event)].clone();
    assert_eq!((record.status, record.steps["ada"].state), (Status::InDoubt, StepState::InDoubt));
}

#[test]
fn two_sends_at_once_under_one_name_are_a_mistake_and_only_one_goes() {
    fn run(cx: &Context) -> BoxFuture<'_, Result<(), HandlerError>> {
        Box::pin(async move {
            let sent = AtomicU32::new(0);
            let send = || async {
                sent.fetch_add(1, Ordering::Relaxed);
                let mut polled = false;
                std::future::poll_fn(|task| {
                    task.waker().wake_by_ref();
                    if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                SendOutcome::Sent { provider_id: None }
            };
            let (one, other) = futures::join!(cx.once("mail", |_| send()), cx.once("mail", |_| send()));
            assert_eq!(sent.into_inner(), 1);
            join_outcomes([one, other])
        })
    }
    let rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(Duration::ZERO);
    let failure = dead_letter(rig.judge(rig.ports(), Careless(run), body));
    assert_eq!(failure.reason, "step-repeated", "{}", failure.error);
}

#[test]
fn a_handler_cannot_take_the_name_of_a_dead_letter_queue() {
    struct Thief;

    impl Handler for Thief {
        type Event = AppAssigned;
        const NAME: &'static str = "email-dlq";

        async fn handle(&self, _: &Envelope<AppAssigned>, _: &Context) -> Result<(), HandlerError> {
            Ok(())
        }
    }

    let rig = Rig::new(|_, _| sent());
    assert_eq!(Router::new(rig.ports()).with(Thief).err(), Some(RouterError::BadName("email-dlq")));
}

/// Puts its change off three times, until a moment that is over.
struct Late {
    runs: AtomicU32,
    done_at: Arc<Mutex<Option<Timestamp>>>,
}

impl Reaction for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn react<'a>(&'a self, _: &'a Change, cx: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            if self.runs.fetch_add(1, Ordering::Relaxed) < 3 {
                return Err(HandlerError::Snooze { until: Some(Timestamp::UNIX_EPOCH), source: "not yet".into() });
            }
            *lock(&self.done_at) = Some(cx.clock.now());
            Ok(())
        })
    }
}

#[test]
fn a_reaction_that_is_put_off_into_the_past_waits_nevertheless() {
    let mut rig = Rig::new(|_, _| sent());
    let (state, done_at) = (Arc::new(Mutex::new(RecordsState::default())), Arc::default());
    let tenant = "acme".parse().unwrap();
    let key = RecordKey::new(&tenant, "apps", "crm");
    let write = Write { key, expected: Expected::Absent, data: Some(true.into()) };
    let at = rig.world.clock().now();
    let work = UnitOfWork { tenant, actor: "ada".into(), at, writes: vec![write], events: Vec::new(), request: None };
    futures::executor::block_on(rig.remote(&state).commit(work)).unwrap();
    let reaction = Late { runs: AtomicU32::new(0), done_at: Arc::clone(&done_at) };
    let context = ReactionContext { clock: rig.clock(), rng: Arc::new(rig.world.rng()) };
    let changes = MemoryChanges(rig.remote(&state));
    rig.world.spawn(WORKER, async move {
        Reactor::new(Arc::new(reaction), Arc::new(changes), context).run(Stop::never()).await;
    });
    rig.run_for(Duration::from_secs(60));
    assert!(lock(&done_at).unwrap() > at);
}
