//! A store in a folder of its own, with consumers that do nothing but count.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use sendoff_consumers::{
    Context, Handler, HandlerError, NoMeter, Router, RouterPorts, Stop, Stopper, Worker, WorkerSettings,
};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{Clock, Envelope, Origin, Outgoing, Rng, SubmissionUpdated, TenantId};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::{Expected, RecordKey, Records, UnitOfWork, Write};
use tokio::sync::Notify;

/// Bytes of each event's body, roughly.
pub(crate) const BODY: usize = 1024;
/// Messages that a worker handles at a time, and asks for at once.
pub(crate) const BATCH: usize = 200;

/// Counts what was handled, and when each event was.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) handled: AtomicU64,
    pub(crate) micros: AtomicU64,
    pub(crate) all: Notify,
    pub(crate) latencies: std::sync::Mutex<Vec<f64>>,
    pub(crate) wanted: AtomicU64,
}

impl Count {
    pub(crate) fn one(&self, committed_at_micros: i64) {
        let now = SystemClock.now().as_microsecond();
        let latency = now - committed_at_micros;
        self.micros.fetch_add(latency.unsigned_abs(), Ordering::Relaxed);
        self.latencies.lock().unwrap().push(latency as f64 / 1000.0);
        if self.handled.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted.load(Ordering::Relaxed) {
            self.all.notify_one();
        }
    }

    /// Resolves when `wanted` messages in all were handled.
    pub(crate) async fn reaches(&self, wanted: u64) {
        self.wanted.store(wanted, Ordering::Relaxed);
        while self.handled.load(Ordering::Relaxed) < wanted {
            let _ = tokio::time::timeout(Duration::from_millis(100), self.all.notified()).await;
        }
    }

    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.lock().unwrap().clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share) as usize]
    }
}

/// A consumer that does nothing but count. Its inbox record is written like any other's.
pub(crate) struct Counting<const N: usize>(Arc<Count>);

macro_rules! counting {
    ($n:literal, $name:literal) => {
        impl Handler for Counting<$n> {
            type Event = SubmissionUpdated;
            const NAME: &'static str = $name;

            async fn handle(&self, event: &Envelope<SubmissionUpdated>, _: &Context) -> Result<(), HandlerError> {
                // The commit's moment in microseconds travels in the revision.
                self.0.one(event.data.revision.cast_signed());
                Ok(())
            }
        }
    };
}

counting!(1, "first");
counting!(2, "second");
counting!(3, "third");

/// A store in a folder of its own, with so many subscribed consumers.
pub(crate) struct Rig {
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) store: Store,
    pub(crate) router: Router,
    pub(crate) count: Arc<Count>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) body: String,
}

impl Rig {
    pub(crate) async fn new(consumers: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("bench").tempdir_in(target()).unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        Self::over(Arc::new(folder), store, consumers).await
    }

    /// A rig over a store that is open.
    pub(crate) async fn over(folder: Arc<tempfile::TempDir>, store: Store, consumers: usize) -> Self {
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let ports = RouterPorts {
            inbox: store.inbox(),
            clock: clock.clone(),
            rng: rng.clone(),
            blobs: Some(store.blobs()),
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        };
        let count = Arc::new(Count::default());
        let mut router = Router::new(ports).with(Counting::<1>(count.clone())).unwrap();
        if consumers > 1 {
            router = router.with(Counting::<2>(count.clone())).unwrap();
            router = router.with(Counting::<3>(count.clone())).unwrap();
        }
        for consumer in router.consumers() {
            store.subscribe(consumer.name(), &consumer.filter()).await.unwrap();
        }
        Self { folder, store, router, count, clock, rng, body: "x".repeat(BODY - 700) }
    }

    /// A worker for each consumer, until the stoppers are dropped.
    pub(crate) async fn work(&self) -> Vec<(Stopper, tokio::task::JoinHandle<()>)> {
        let mut workers = Vec::new();
        for consumer in self.router.consumers() {
            let queue = self.store.queue(consumer.name()).await.unwrap();
            let settings = WorkerSettings { concurrency: 2 * BATCH, batch: BATCH, ..WorkerSettings::default() };
            let worker = Worker::new(consumer.clone(), queue, self.clock.clone(), self.rng.clone(), settings);
            let (stopper, stop) = Stop::pair();
            workers.push((stopper, tokio::spawn(async move { worker.run(stop).await })));
        }
        workers
    }

    pub(crate) fn event(&self, number: u64) -> Outgoing {
        let data = SubmissionUpdated {
            app_id: "bench".parse().unwrap(),
            submission_id: format!("s-{number}").parse().unwrap(),
            editor_id: "ada".parse().unwrap(),
            revision: self.clock.now().as_microsecond().unsigned_abs(),
            changed_fields: vec![self.body.clone()],
        };
        let origin = Origin {
            source: "/bench".into(),
            tenant: tenant(),
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        Envelope::new(data, origin, Some(1), &*self.clock, &*self.rng).encode().unwrap()
    }

    pub(crate) async fn commit(&self, records: &dyn Records, number: u64) {
        let work = UnitOfWork {
            tenant: tenant(),
            actor: "ada".into(),
            at: self.clock.now(),
            writes: vec![Write {
                key: RecordKey::new(&tenant(), "submissions", format!("bench/s-{number}")),
                expected: Expected::Absent,
                data: Some(serde_json::json!({ "fields": { "amount": number } })),
            }],
            events: vec![self.event(number)],
            may_be_silent: false,
            request: None,
        };
        records.commit(work).await.unwrap();
    }

    /// Commits `numbers` with so many requests at a time. Gives the seconds it took.
    pub(crate) async fn commit_all(&self, numbers: std::ops::Range<u64>, concurrency: usize) -> f64 {
        let records = self.store.records();
        let began = Instant::now();
        stream::iter(numbers)
            .for_each_concurrent(concurrency, |number| {
                let records = &records;
                async move { self.commit(&**records, number).await }
            })
            .await;
        began.elapsed().as_secs_f64()
    }
}

pub(crate) fn tenant() -> TenantId {
    "bench".parse().unwrap()
}

pub(crate) fn target() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::fs::create_dir_all(&target).unwrap();
    target
}

pub(crate) fn print(what: &str, figure: f64, unit: &str) {
    let decimals = if figure < 10.0 { 3 } else { 0 };
    println!("{what:<62} {figure:>10.decimals$} {unit}");
}

pub(crate) async fn stop(workers: Vec<(Stopper, tokio::task::JoinHandle<()>)>) {
    for (stopper, worker) in workers {
        stopper.stop();
        worker.await.unwrap();
    }
}
