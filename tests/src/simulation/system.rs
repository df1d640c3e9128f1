//! One simulated run: an API that commits and publishes, a relay that sweeps, workers that handle, all of them killed and
//! restarted at random, until everything has come to an end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{IdempotencyKey, InboxRecord, NoMeter, Router, RouterPorts, Stop, Worker, WorkerSettings};
use sendoff_events::{AppAssigned, Clock, Envelope, EventId, Origin, Outgoing, Rng, TenantId, Timestamp};
use sendoff_producers::{
    Answer, CommitError, Committed, Expected, RecordKey, Records, RequestKey, UnitOfWork, Write,
    relay::{publish_committed, sweep},
};

use super::{
    Faults, Network, Process, Provider, World, WorldClock, WorldRng,
    handlers::{Audit, Mail, STEPS, Text, World as HandlerWorld},
};
use crate::memory::{
    Link, MemoryInbox, MemoryOutbox, MemoryPublisher, MemoryQueue, MemoryRecords, Planted, QueueState, RecordsState,
    Remote, TopicState, lock,
};

const FAULTS: Faults = Faults { lost_request: 25, lost_answer: 25, late: 10 };
/// How many requests a run has.
const REQUESTS: usize = 6;
/// How long things go wrong.
const CHAOS: Duration = Duration::from_secs(120);
/// By when everything must have come to an end after that.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);
/// One kill in so many steps.
const KILL_EVERY: u64 = 250;

const API: Process = Process(0);
const RELAY: Process = Process(1);
const WORKERS: [Process; 2] = [Process(2), Process(3)];
const ALL: [Process; 4] = [API, RELAY, WORKERS[0], WORKERS[1]];

/// How a run ended: what the invariants look at.
pub struct Outcome {
    /// The committed events.
    pub committed: Vec<EventId>,
    /// For each request, how often it was committed.
    pub commits: BTreeMap<String, u32>,
    /// The inbox.
    pub inbox: BTreeMap<IdempotencyKey, InboxRecord>,
    /// How often each key's message was really sent.
    pub accepted: BTreeMap<String, u32>,
    /// The dead letters of each consumer: event and reason.
    pub dead: BTreeMap<&'static str, Vec<(EventId, String)>>,
    /// Whether every queue was empty and everything published at the end.
    pub settled: bool,
    /// How often a process was killed.
    pub kills: u32,
    /// How many steps the run took.
    pub steps: u64,
}

/// All that outlives a process.
#[derive(Clone)]
struct Site {
    clock: WorldClock,
    rng: WorldRng,
    network: Arc<Network>,
    planted: Option<Planted>,
    records: Arc<Mutex<RecordsState>>,
    topic: Arc<Mutex<TopicState>>,
    inbox: Arc<Mutex<BTreeMap<IdempotencyKey, InboxRecord>>>,
    queues: BTreeMap<&'static str, Arc<Mutex<QueueState>>>,
    answered: Arc<Mutex<usize>>,
    provider: Provider,
}

/// Runs the simulation of `seed`, with a mistake planted if one is given.
#[must_use]
pub fn run(seed: u64, planted: Option<Planted>) -> Outcome {
    let mut world = World::new(seed);
    let site = Site::new(&world, planted);
    for process in ALL {
        site.start(&mut world, process);
    }
    let began = site.clock.now();
    let mut down: Vec<(Process, Timestamp)> = Vec::new();
    let (mut kills, mut steps) = (0, 0);
    loop {
        steps += 1;
        let elapsed = Duration::try_from(site.clock.now().duration_since(began)).unwrap_or_default();
        let chaos = elapsed < CHAOS;
        if chaos && site.rng.next_u64().is_multiple_of(KILL_EVERY) {
            let victim = ALL[(site.rng.next_u64() % ALL.len() as u64) as usize];
            if !down.iter().any(|(process, _)| *process == victim) {
                world.kill(victim);
                let pause = Duration::from_millis(site.rng.next_u64() % 20_000);
                down.push((victim, site.clock.now() + pause));
                site.clock.later(pause, || ());
                kills += 1;
            }
        }
        if !chaos {
            site.network.calm_down();
        }
        while let Some(i) = down.iter().position(|(_, at)| !chaos || *at <= site.clock.now()) {
            let (process, _) = down.swap_remove(i);
            site.start(&mut world, process);
        }
        let settled = !chaos && steps % 16 == 0 && site.is_settled();
        if settled || elapsed > CHAOS + PATIENCE || !world.step() {
            return site.outcome(settled, kills, steps);
        }
    }
}

impl Site {
    fn new(world: &World, planted: Option<Planted>) -> Self {
        let (clock, rng) = (world.clock(), world.rng());
        let network = Arc::new(Network::new(clock.clone(), rng.clone(), FAULTS));
        let provider = Provider::new(network.clone());
        let queues = STEPS.map(|(consumer, _)| (consumer, Arc::default()));
        let site = Self {
            clock,
            rng,
            network,
            planted,
            records: Arc::default(),
            topic: Arc::default(),
            inbox: Arc::default(),
            queues: BTreeMap::from(queues),
            answered: Arc::default(),
            provider,
        };
        let router = site.router();
        for consumer in router.consumers() {
            let queue = site.queues[consumer.name()].clone();
            lock(&site.topic).subscriptions.push((consumer.filter(), queue));
        }
        site
    }

    fn remote<S: Send + 'static>(&self, state: &Arc<Mutex<S>>) -> Remote<S> {
        Remote::new(state.clone(), Link::Network(self.network.clone()), Arc::new(self.clock.clone()))
            .with_planted(self.planted)
    }

    fn router(&self) -> Router {
        let inbox: MemoryInbox = self.remote(&self.inbox);
        let ports = RouterPorts {
            inbox: Arc::new(inbox),
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(self.rng.clone()),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        };
        let world = HandlerWorld { provider: self.provider.clone(), network: self.network.clone() };
        let router = Router::new(ports).with(Audit(world.clone()));
        let router = router.and_then(|r| r.with(Mail(world.clone()))).and_then(|r| r.with(Text(world)));
        router.unwrap_or_else(|error| panic!("the simulation's router is valid: {error}"))
    }

    fn start(&self, world: &mut World, process: Process) {
        let site = self.clone();
        match process {
            API => world.spawn(API, async move { site.api().await }),
            RELAY => world.spawn(RELAY, async move { site.relay().await }),
            _ => {
                for consumer in self.router().consumers() {
                    let queue = MemoryQueue::new(consumer.name(), self.remote(&self.queues[consumer.name()]));
                    let settings = WorkerSettings {
                        concurrency: 4,
                        batch: 3,
                        wait: Duration::from_secs(5),
                        lease: Duration::from_secs(8),
                        grace: Duration::ZERO,
                    };
                    let (clock, rng) = (Arc::new(self.clock.clone()), Arc::new(self.rng.clone()));
                    let worker = Worker::new(consumer.clone(), Arc::new(queue), clock, rng, settings);
                    world.spawn(process, async move { worker.run(Stop::never()).await });
                }
            }
        }
    }

    /// Serves the requests that have no answer yet. A client whose request got none repeats it, under the same request key.
    async fn api(&self) {
        let records: MemoryRecords = self.remote(&self.records);
        let outbox = MemoryOutbox(self.remote(&self.records));
        let topic: MemoryPublisher = self.remote(&self.topic);
        loop {
            let request = *lock(&self.answered);
            if request >= REQUESTS {
                return;
            }
            let event = self.event(request);
            match records.commit(self.work(request, &event)).await {
                Ok(Committed::Applied { .. }) => {
                    publish_committed(&outbox, &topic, &[event]).await;
                    *lock(&self.answered) += 1;
                }
                Ok(Committed::Repeated { .. }) => *lock(&self.answered) += 1,
                Err(CommitError::Unavailable(_)) => {}
                Err(error) => panic!("the simulation commits nothing that can be refused: {error}"),
            }
            self.clock.sleep(Duration::from_millis(self.rng.next_u64() % 5000)).await;
        }
    }

    async fn relay(&self) {
        let outbox = MemoryOutbox(self.remote(&self.records));
        let topic: MemoryPublisher = self.remote(&self.topic);
        loop {
            // A sweep that fails is repeated like any other.
            let _ = sweep(&outbox, &topic, &self.clock, 10).await;
            self.clock.sleep(Duration::from_secs(20)).await;
        }
    }

    fn event(&self, request: usize) -> Outgoing {
        let parse = |text: String| text.parse().unwrap_or_else(|_| panic!("`{text}` is an id"));
        let user = format!("user-{request}").parse().unwrap_or_else(|_| panic!("it is an id"));
        let admin = "admin".parse().unwrap_or_else(|_| panic!("it is an id"));
        let event = AppAssigned { app_id: parse("app".into()), user_id: user, assigned_by: admin };
        let origin = Origin {
            source: "/simulation".into(),
            tenant: tenant(),
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        let envelope = Envelope::new(event, origin, Some(1), &self.clock, &self.rng);
        envelope.encode().unwrap_or_else(|error| panic!("the event encodes: {error}"))
    }

    fn work(&self, request: usize, event: &Outgoing) -> UnitOfWork {
        let answer = Answer { status: 201, location: None, etag: None, events: Vec::new(), body: "{}".into() };
        UnitOfWork {
            tenant: tenant(),
            actor: "admin".into(),
            at: self.clock.now(),
            writes: vec![Write {
                key: RecordKey::new(&tenant(), "assignments", format!("app/user-{request}")),
                expected: Expected::Absent,
                data: Some(serde_json::json!({ "request": request })),
            }],
            events: vec![event.clone()],
            may_be_silent: false,
            request: Some(RequestKey { key: request.to_string(), fingerprint: [7; 32], answer }),
        }
    }

    fn is_settled(&self) -> bool {
        *lock(&self.answered) >= REQUESTS
            && lock(&self.records).unpublished() == 0
            && self.queues.values().all(|queue| lock(queue).is_empty())
    }

    fn outcome(&self, settled: bool, kills: u32, steps: u64) -> Outcome {
        let records = lock(&self.records);
        let mut commits = BTreeMap::new();
        for event in records.committed() {
            *commits.entry(event.subject().to_owned()).or_insert(0) += 1;
        }
        let dead = self.queues.iter().map(|(consumer, queue)| {
            let queue = lock(queue);
            let letters = queue.dead.failures().map(|(letter, failure)| {
                let envelope = sendoff_events::AnyEnvelope::decode(&letter.body);
                let id = envelope.unwrap_or_else(|e| panic!("only envelopes were published: {e}")).header.id;
                (id, failure.reason)
            });
            (*consumer, letters.collect())
        });
        Outcome {
            committed: records.committed().map(|event| event.id()).collect(),
            commits,
            inbox: lock(&self.inbox).clone(),
            accepted: self.provider.accepted(),
            dead: dead.collect(),
            settled,
            kills,
            steps,
        }
    }
}

fn tenant() -> TenantId {
    "acme".parse().unwrap_or_else(|_| panic!("`acme` is a tenant id"))
}
