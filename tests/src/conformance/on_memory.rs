//! The backend in memory, as the suite sees it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{
    Audit, AuditEntry, Changes, DeadLetters, Deliveries, EnginePorts, EngineWorkflows, Filter, IdempotencyKey, Inbox,
    InboxRecord, Queue, Runs, Schedules, Workflows,
};
use sendoff_events::{Blobs, BoxFuture, Clock, Rng};
use sendoff_producers::{Outbox, Publisher, Records};

use super::{Backend, WarpClock};
use crate::{
    memory::{
        BlobsState, DeadState, DeliveriesState, Link, MemoryBlobs, MemoryChanges, MemoryDeadLetters, MemoryDeliveries,
        MemoryOutbox, MemoryQueue, MemoryRuns, MemorySchedules, Planted, QueuesState, RecordsState, Remote, RunsState,
        TopicState, lock,
    },
    simulation::{World, WorldRng},
};

/// The backend in memory, without a network in between.
pub struct OnMemory {
    planted: Option<Planted>,
    clock: WarpClock,
    rng: WorldRng,
    records: Arc<Mutex<RecordsState>>,
    topic: Arc<Mutex<TopicState>>,
    queues: Arc<Mutex<QueuesState>>,
    inbox: Arc<Mutex<BTreeMap<IdempotencyKey, InboxRecord>>>,
    aside: Arc<Mutex<BTreeMap<String, DeadState>>>,
    audit: Arc<Mutex<Vec<AuditEntry>>>,
    deliveries: Arc<Mutex<DeliveriesState>>,
    runs: Arc<Mutex<RunsState>>,
    blobs: Arc<Mutex<BlobsState>>,
}

impl OnMemory {
    /// A fresh one.
    #[must_use]
    pub fn open() -> BoxFuture<'static, Self> {
        Self::with(None)
    }

    /// A fresh one with a mistake, to prove that the suite can see it.
    #[must_use]
    pub fn with(planted: Option<Planted>) -> BoxFuture<'static, Self> {
        Box::pin(async move {
            let blobs: Arc<Mutex<BlobsState>> = Arc::default();
            let topic = TopicState { blobs: Some(blobs.clone()), ..TopicState::default() };
            let queues: Arc<Mutex<QueuesState>> = Arc::default();
            Self {
                planted,
                clock: WarpClock::new(),
                rng: World::new(1).rng(),
                records: Arc::default(),
                topic: Arc::new(Mutex::new(topic)),
                queues: queues.clone(),
                inbox: Arc::default(),
                aside: Arc::default(),
                audit: Arc::default(),
                deliveries: Arc::default(),
                runs: Arc::new(Mutex::new(RunsState::over(queues))),
                blobs,
            }
        })
    }

    fn remote<S: Send + 'static>(&self, state: &Arc<Mutex<S>>) -> Remote<S> {
        Remote::new(state.clone(), Link::Direct, self.clock()).with_planted(self.planted)
    }
}

impl Backend for OnMemory {
    fn records(&self) -> Arc<dyn Records> {
        Arc::new(self.remote(&self.records))
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(MemoryOutbox(self.remote(&self.records)))
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(self.remote(&self.topic))
    }

    fn create_queue<'a>(&'a self, name: &'a str, filter: Option<Filter>) -> BoxFuture<'a, Arc<dyn Queue>> {
        let state = lock(&self.queues).entry(name.to_owned()).or_default().clone();
        if let Some(filter) = filter {
            lock(&self.topic).subscriptions.push((filter, state.clone()));
        }
        let queue: Arc<dyn Queue> = Arc::new(MemoryQueue::new(name, self.remote(&state)));
        Box::pin(async { queue })
    }

    fn dead_letter_queues(&self) -> Arc<dyn DeadLetters> {
        Arc::new(MemoryDeadLetters {
            queues: self.queues.clone(),
            topic: self.topic.clone(),
            records: self.records.clone(),
            aside: self.aside.clone(),
            inbox: self.inbox.clone(),
            clock: self.clock(),
        })
    }

    fn audit(&self) -> Arc<dyn Audit> {
        Arc::new(self.remote(&self.audit))
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(self.remote(&self.inbox))
    }

    fn deliveries(&self) -> Arc<dyn Deliveries> {
        Arc::new(MemoryDeliveries(self.remote(&self.deliveries)))
    }

    fn changes(&self) -> Arc<dyn Changes> {
        Arc::new(MemoryChanges(self.remote(&self.records)))
    }

    fn schedules(&self) -> Arc<dyn Schedules> {
        Arc::new(MemorySchedules(self.remote(&self.queues)))
    }

    fn runs(&self) -> Option<Arc<dyn Runs>> {
        Some(Arc::new(MemoryRuns(self.remote(&self.runs))))
    }

    fn workflows(&self) -> Arc<dyn Workflows> {
        let runs = Arc::new(MemoryRuns(self.remote(&self.runs)));
        let ports =
            EnginePorts { runs, records: Arc::new(self.remote(&self.records)), clock: self.clock(), rng: self.rng() };
        Arc::new(EngineWorkflows::new(ports))
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(MemoryBlobs(self.remote(&self.blobs)))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn rng(&self) -> Arc<dyn Rng> {
        Arc::new(self.rng.clone())
    }

    fn advance(&self, by: Duration) -> BoxFuture<'_, ()> {
        self.clock.advance(by);
        Box::pin(async {})
    }
}
