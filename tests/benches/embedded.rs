//! `cargo bench -p sendoff-tests --bench embedded [-- --events N --no-peer]`
//!
//! What the embedded system does on this machine, with `synchronous=FULL`: commits per second, handled events per second, the
//! latency from commit to handled at half load, and the size of the file per event. Then a peer (apalis on SQLite, the same
//! durability) does the comparable work in the same run, and the ratio is printed. No figure is asserted: a shared machine is
//! slow when it likes.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time and may fail loudly"
)]

use sendoff_host::{SystemClock, SystemRng};
use std::{
    path::{Path, PathBuf},
    process::Command,
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
use sendoff_producers::{
    Expected, RecordKey, Records, UnitOfWork, Write,
    api::{self, ApiState, DevelopmentKey, KeySet},
};
use tokio::sync::Notify;

/// Bytes of each event's body, roughly.
const BODY: usize = 1024;
/// Messages that a worker handles at a time, and asks for at once.
const BATCH: usize = 200;

struct Options {
    events: u64,
    peer: bool,
}

/// Counts what was handled, and when each event was.
#[derive(Default)]
struct Count {
    handled: AtomicU64,
    micros: AtomicU64,
    all: Notify,
    latencies: std::sync::Mutex<Vec<f64>>,
    wanted: AtomicU64,
}

impl Count {
    fn one(&self, committed_at_micros: i64) {
        let now = SystemClock.now().as_microsecond();
        let latency = now - committed_at_micros;
        self.micros.fetch_add(latency.unsigned_abs(), Ordering::Relaxed);
        self.latencies.lock().unwrap().push(latency as f64 / 1000.0);
        if self.handled.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted.load(Ordering::Relaxed) {
            self.all.notify_one();
        }
    }

    /// Resolves when `wanted` messages in all were handled.
    async fn reaches(&self, wanted: u64) {
        self.wanted.store(wanted, Ordering::Relaxed);
        while self.handled.load(Ordering::Relaxed) < wanted {
            let _ = tokio::time::timeout(Duration::from_millis(100), self.all.notified()).await;
        }
    }

    fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.lock().unwrap().clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share) as usize]
    }
}

/// A consumer that does nothing but count. Its inbox record is written like any other's.
struct Counting<const N: usize>(Arc<Count>);

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
struct Rig {
    folder: tempfile::TempDir,
    store: Store,
    router: Router,
    count: Arc<Count>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    body: String,
}

impl Rig {
    async fn new(consumers: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("bench").tempdir_in(target()).unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
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
    async fn work(&self) -> Vec<(Stopper, tokio::task::JoinHandle<()>)> {
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

    fn event(&self, number: u64) -> Outgoing {
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

    async fn commit(&self, records: &dyn Records, number: u64) {
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
            request: None,
        };
        records.commit(work).await.unwrap();
    }

    /// Commits `numbers` with so many requests at a time. Gives the seconds it took.
    async fn commit_all(&self, numbers: std::ops::Range<u64>, concurrency: usize) -> f64 {
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

fn tenant() -> TenantId {
    "bench".parse().unwrap()
}

fn target() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::fs::create_dir_all(&target).unwrap();
    target
}

fn print(what: &str, figure: f64, unit: &str) {
    let decimals = if figure < 10.0 { 3 } else { 0 };
    println!("{what:<62} {figure:>10.decimals$} {unit}");
}

async fn commits(options: &Options) {
    for concurrency in [1, 16, 128] {
        let rig = Rig::new(3).await;
        let count = if concurrency == 1 { options.events / 10 } else { options.events };
        let seconds = rig.commit_all(0..count, concurrency).await;
        let what = format!("commits (record + event + 3 messages), {concurrency} at a time");
        print(&what, count as f64 / seconds, "commits/s");
        rig.store.shutdown().await;
    }
}

/// Requests per second through the HTTP API, over loopback, the client on the same machine.
async fn requests(options: &Options) {
    let rig = Rig::new(3).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = DevelopmentKey::loopback(address).unwrap();
    let token =
        api::mint(&key.signing(), &tenant(), &"ada".parse().unwrap(), Duration::from_secs(3600), &*rig.clock).unwrap();
    let keys = KeySet::new().with_development(&key).unwrap();
    let state = ApiState::new(rig.store.records(), keys, rig.clock.clone(), rig.rng.clone());
    let server = tokio::spawn(async move { axum::serve(listener, api::router(state)).await });
    let client = sendoff_tests::servers::plain_client();
    let app = client.put(format!("http://{address}/v1/apps/bench")).bearer_auth(&token);
    assert!(app.json(&serde_json::json!({"name": "Bench"})).send().await.unwrap().status().is_success());
    let count = options.events / 2;
    let began = Instant::now();
    stream::iter(0..count)
        .for_each_concurrent(64, |number| {
            let request = client
                .post(format!("http://{address}/v1/apps/bench/submissions"))
                .bearer_auth(&token)
                .header("Idempotency-Key", format!("request-{number}"))
                .json(&serde_json::json!({"fields": {"amount": number, "note": "bench"}}));
            async move { assert_eq!(request.send().await.unwrap().status(), 201) }
        })
        .await;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    print("API: POST submissions with an Idempotency-Key, 64 at a time", rate, "commits/s");
    server.abort();
    rig.store.shutdown().await;
}

/// Messages handled per second when the queue is full from the start.
async fn drain(options: &Options) -> f64 {
    let rig = Rig::new(1).await;
    rig.commit_all(0..options.events, 128).await;
    let before = rig.store.write_stats();
    let began = Instant::now();
    let workers = rig.work().await;
    rig.count.reaches(options.events).await;
    stop(workers).await;
    let rate = options.events as f64 / began.elapsed().as_secs_f64();
    let after = rig.store.write_stats();
    print("handled from a full queue, 1 consumer", rate, "messages/s");
    let per = |now: u64, then: u64| (now - then) as f64 / options.events as f64;
    print("  writer operations per message", per(after.operations, before.operations), "");
    print("  fsyncs per message", per(after.commits, before.commits), "");
    rig.store.shutdown().await;
    let size = std::fs::metadata(rig.store.file()).unwrap().len();
    print("  file per event (record, change, event, inbox)", size as f64 / options.events as f64, "bytes");
    rate
}

/// Events committed and handled by three consumers at once.
async fn end_to_end(options: &Options) -> f64 {
    let rig = Rig::new(3).await;
    let workers = rig.work().await;
    let began = Instant::now();
    rig.commit_all(0..options.events, 128).await;
    rig.count.reaches(3 * options.events).await;
    let rate = options.events as f64 / began.elapsed().as_secs_f64();
    stop(workers).await;
    print("commit → handled by 3 consumers, end to end", rate, "events/s");
    print("", 3.0 * rate, "messages/s");
    rig.store.shutdown().await;
    drop(rig.folder);
    rate
}

/// The latency from commit to handled, with events arriving evenly at half the rate of [`end_to_end`].
async fn half_load(options: &Options, full: f64) {
    let rig = Arc::new(Rig::new(3).await);
    let workers = rig.work().await;
    let rate = full / 2.0;
    let count = options.events.min((rate * 5.0) as u64);
    let records = rig.store.records();
    let began = Instant::now();
    let mut arrivals = tokio::task::JoinSet::new();
    for number in 0..count {
        let due = began + Duration::from_secs_f64(number as f64 / rate);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let (rig, records) = (rig.clone(), records.clone());
        arrivals.spawn(async move { rig.commit(&*records, number).await });
    }
    arrivals.join_all().await;
    rig.count.reaches(3 * count).await;
    stop(workers).await;
    print(&format!("latency from commit to handled at {rate:.0} events/s, p50"), rig.count.percentile(0.5), "ms");
    print("  p99", rig.count.percentile(0.99), "ms");
    print("  max", rig.count.percentile(1.0), "ms");
    rig.store.shutdown().await;
}

async fn stop(workers: Vec<(Stopper, tokio::task::JoinHandle<()>)>) {
    for (stopper, worker) in workers {
        stopper.stop();
        worker.await.unwrap();
    }
}

/// The peer's handled jobs per second, from a full queue.
fn peer(events: u64) -> f64 {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/apalis/Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target().join("peers"))
        .status()
        .unwrap();
    assert!(built.success(), "the peer doesn't build");
    let folder = tempfile::Builder::new().prefix("peer").tempdir_in(target()).unwrap();
    let output = Command::new(target().join("peers/release/peer-apalis"))
        .arg(folder.path())
        .args([events.to_string(), BODY.to_string(), BATCH.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let figure = |name: &str| figures[name].as_f64().unwrap();
    print("peer apalis-sqlite: pushed, a batch at a time", figure("pushed_per_s"), "jobs/s");
    print("peer apalis-sqlite: handled from a full queue", figure("handled_per_s"), "jobs/s");
    figure("handled_per_s")
}

#[tokio::main]
async fn main() {
    let mut options = Options { events: 20_000, peer: true };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--events" => options.events = arguments.next().unwrap().parse().unwrap(),
            "--no-peer" => options.peer = false,
            // `cargo bench` adds it.
            "--bench" => {}
            other => panic!("unknown option {other}: use --events N and --no-peer"),
        }
    }
    println!("{} events of about {BODY} bytes, SQLite WAL with synchronous=FULL\n", options.events);
    commits(&options).await;
    requests(&options).await;
    let handled = drain(&options).await;
    let rate = end_to_end(&options).await;
    half_load(&options, rate).await;
    if options.peer {
        let peer = peer(options.events.min(10_000));
        print("\nratio to the peer, handled from a full queue", handled / peer, "×");
    }
}
