//! `cargo bench -p sendoff-tests --bench workflows [-- --runs N]`
//!
//! Runs of a workflow of ten steps on the embedded engine, all of them under way at the same time, with `synchronous=FULL`: runs
//! started per second, steps per second, the memory of the process, and the size of the file. What each step asks for is done in
//! no time, so that the engine alone is measured: its queue, its inbox records, the states and histories of the runs. No figure is
//! asserted: a shared machine is slow when it likes.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time and may fail loudly"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use sendoff_consumers::{
    Limits, NewRun, NoMeter, Router, RouterPorts, RunFilter, RunStatus, RunsOf, Stop, WORKFLOW_STEPS, Worker,
    WorkerSettings, WorkflowSteps, Workflows as _,
    action::{ActionError, ActionResult, ActionStatus, Actions},
};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{AppId, BoxFuture, Clock, Rng, TenantId, WorkflowId};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::{
    Expected, UnitOfWork, Write,
    model::{WorkflowVersion, workflow_version_key},
};
use sendoff_workflows::{Definition, Published};
use serde_json::{Map, json};

/// Messages that a worker handles at a time, and asks for at once.
const BATCH: usize = 200;
/// How many steps each run takes.
const STEPS: u64 = 10;

/// Does what it is asked for in no time, and counts.
#[derive(Default)]
struct Done(AtomicU64);

impl Actions for Done {
    fn act<'a>(&'a self, _: &'a str, _: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let result = ActionResult {
            status: ActionStatus::Sent,
            provider: None,
            provider_id: None,
            reason: None,
            outputs: Map::new(),
        };
        Box::pin(async { Ok(result) })
    }
}

/// Ten steps: six messages, two decisions, a variable and a short wait.
fn definition() -> Definition {
    let mail = |id: &str| {
        let to = json!({ "user": "{{ {submission.author} }}" });
        json!({ "id": id, "email": { "to": to, "subject": "Step {{ {amount} }}", "text": "It is {{ {run.id} }}." } })
    };
    let definition = json!({
        "workflow": "ten-steps", "app": "bench", "fields": { "amount": "number" }, "on": [{ "manual": true }],
        "vars": { "total": "number" },
        "steps": [
            mail("first"), mail("second"),
            { "id": "sum", "set": { "total": "{amount} * 2" } },
            { "id": "large", "if": "{vars.total} > 10", "then": [mail("third")] },
            { "id": "pause", "wait": { "for": 1 } },
            mail("fourth"), mail("fifth"),
            { "id": "is_sent", "if": "{steps.fifth.status} = \"sent\"", "then": [mail("sixth")] },
        ],
    });
    Definition::of(definition).unwrap()
}

fn run(n: usize) -> NewRun {
    NewRun {
        name: format!("run-{n}"),
        tenant: tenant(),
        app: app(),
        workflow: workflow(),
        version: 1,
        input: json!({
            "tenant": tenant(), "workflow": workflow(), "version": 1, "hops": 1,
            "trigger": { "kind": "manual", "event_id": null },
            "submission": { "app": app(), "id": format!("s{n}"), "author": "ada", "revision": 1 },
            "fields": { "amount": n % 100 + 10 },
        }),
    }
}

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn app() -> AppId {
    "bench".parse().unwrap()
}

fn workflow() -> WorkflowId {
    "ten-steps".parse().unwrap()
}

async fn publish(store: &Store) {
    let published = Published::of(&definition(), 1).unwrap();
    let version = WorkflowVersion {
        definition: published.definition,
        sha256: published.sha256,
        published_by: "ada".parse().unwrap(),
        published_at: SystemClock.now(),
    };
    let key = workflow_version_key(&tenant(), &app(), &workflow(), 1);
    let data = Some(serde_json::to_value(version).unwrap());
    let writes = vec![Write { key, expected: Expected::Any, data }];
    let work = UnitOfWork { writes, ..UnitOfWork::new(tenant(), "ada", SystemClock.now()).without_events() };
    store.records().commit(work).await.unwrap();
}

/// As the programs have it that are measured here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let runs = std::env::args().skip_while(|arg| arg != "--runs").nth(1).map_or(10_000, |n| n.parse().unwrap());
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(measure(runs));
}

async fn measure(runs: usize) {
    let folder = tempfile::Builder::new().prefix("bench").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
    publish(&store).await;
    let engine = store.workflows(rng.clone());

    let began = Instant::now();
    let starts = stream::iter(0..runs).map(|n| {
        let engine = engine.clone();
        async move { engine.start(&run(n)).await.unwrap() }
    });
    starts.buffer_unordered(BATCH).for_each(|_| async {}).await;
    let started = began.elapsed();
    println!("{runs} runs of {STEPS} steps");
    println!("  started           {:>10.0} runs/s", runs as f64 / started.as_secs_f64());
    println!("  all under way     {:>10.1} MiB of memory, {:.1} MiB of file", memory(), file(&store));

    let done = Arc::new(Done::default());
    let actions = BTreeMap::from([("email", done.clone() as Arc<dyn Actions>)]);
    let ports = RouterPorts {
        inbox: store.inbox(),
        clock: clock.clone(),
        rng: rng.clone(),
        blobs: None,
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let router = Router::new(ports).with(WorkflowSteps::new(engine.clone(), actions)).unwrap();
    let consumer = router.consumer(WORKFLOW_STEPS).unwrap().clone();
    let settings = WorkerSettings { concurrency: BATCH, batch: BATCH, ..WorkerSettings::default() };
    let queue = store.queue(WORKFLOW_STEPS).await.unwrap();
    let worker = Worker::new(consumer, queue, clock, rng, settings);
    let (stopper, stop) = Stop::pair();
    let began = Instant::now();
    let working = tokio::spawn(async move { worker.run(stop).await });
    let filter = RunFilter { tenant: tenant(), of: RunsOf::Tenant, status: Some(RunStatus::Running) };
    let mut most = 0.0f64;
    while !engine.list(&filter, None, 1).await.unwrap().runs.is_empty() {
        most = most.max(memory());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = began.elapsed();
    stopper.stop();
    working.await.unwrap();
    assert_eq!(done.0.load(Ordering::Relaxed), runs as u64 * 6, "each message was asked for once");
    let (stats, steps) = (store.write_stats(), runs as u64 * STEPS);
    println!("  carried out       {:>10.0} steps/s, in {:.1} s", steps as f64 / took.as_secs_f64(), took.as_secs_f64());
    println!("  at most           {most:>10.1} MiB of memory");
    println!(
        "  at the end        {:>10.1} MiB of file, {:.0} bytes a run",
        file(&store),
        file(&store) * 1_048_576.0 / runs as f64
    );
    println!("  writing           {:>10} operations in {} commits", stats.operations, stats.commits);
    store.shutdown().await;
}

/// What the process holds of memory, in MiB; 0 where that can't be told.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// How large the data file is, its log included, in MiB.
fn file(store: &Store) -> f64 {
    let log = store.file().with_extension("db-wal");
    let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |data| data.len());
    (size(store.file()) + size(&log)) as f64 / 1_048_576.0
}
