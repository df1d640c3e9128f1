//! DynamoDB Streams read by several processes: who reads, and what becomes of what was read and not dealt with.

use std::{sync::Arc, time::Duration};

use sendoff_aws::Store;
use sendoff_consumers::{Change, Changes};
use sendoff_events::Clock;
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::{Expected, RecordKey, UnitOfWork, Write};
use sendoff_tests::conformance::{OnAws, WarpClock};
use serde_json::json;

/// Longer than a lease of the stream lasts.
const LEASE: Duration = Duration::from_secs(31);

struct Process {
    changes: Arc<dyn Changes>,
    clock: WarpClock,
}

impl Process {
    /// Another process of the same deployment, with a clock of its own.
    fn of(store: &Store) -> Self {
        let clock = WarpClock::from(SystemClock.now());
        let (aws, resources) = (store.aws().clone(), store.resources().clone());
        let store = Store::new(aws, resources, Arc::new(clock.clone()), Arc::new(SystemRng::new()));
        Self { changes: store.changes(), clock }
    }

    async fn read(&self, max: usize) -> Vec<Change> {
        self.changes.read("timeline", max, Duration::ZERO).await.expect("the stream answers")
    }

    async fn versions(&self) -> Vec<u64> {
        self.read(100).await.into_iter().map(|change| change.version).collect()
    }
}

/// Writes one record three times.
async fn three_writes(store: &Store) {
    let tenant: sendoff_events::TenantId = "acme".parse().unwrap();
    for n in 0..3 {
        let key = RecordKey::new(&tenant, "apps", "crm");
        let work = UnitOfWork::new(tenant.clone(), "ada", sendoff_events::at_millis(SystemClock.now()))
            .write(Write { key, expected: Expected::Any, data: Some(json!(n)) })
            .without_events();
        store.records().commit(work).await.expect("committed");
    }
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(OnAws) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { test(OnAws::open().await).await });
}

#[test]
fn one_process_reads_and_another_takes_over_when_it_vanished() {
    run(|backend| async move {
        three_writes(backend.store()).await;
        let (first, second) = (Process::of(backend.store()), Process::of(backend.store()));
        let read = first.read(100).await;
        first.changes.checkpoint("timeline", &read[0].position).await.unwrap();
        assert_eq!(second.versions().await, [0_u64; 0]);
        // Each reaction has a lease of its own.
        assert_eq!(second.changes.read("another", 100, Duration::ZERO).await.unwrap().len(), 3);
        second.clock.advance(LEASE);
        let again = second.read(100).await;
        assert_eq!(again.iter().map(|change| change.version).collect::<Vec<_>>(), [2, 3]);
        assert!(again[0].position > read[2].position, "positions go on, also those of what is read again");
    });
}

#[test]
fn a_process_that_lost_its_lease_checkpoints_nothing_and_waits_for_its_turn() {
    run(|backend| async move {
        three_writes(backend.store()).await;
        let (first, second) = (Process::of(backend.store()), Process::of(backend.store()));
        let read = first.read(100).await;
        second.clock.advance(LEASE);
        let taken = second.read(100).await;
        first.changes.checkpoint("timeline", &read[2].position).await.expect_err("the lease is lost");
        assert_eq!(first.versions().await, [0_u64; 0]);
        // Nor later, when it has the lease again and numbers have gone on.
        second.changes.checkpoint("timeline", &taken[0].position).await.unwrap();
        first.clock.advance(LEASE * 3);
        assert_eq!(first.versions().await, [2, 3]);
        first.changes.checkpoint("timeline", &read[2].position).await.unwrap();
        assert_eq!(first.versions().await, [2, 3]);
    });
}

#[test]
fn a_process_that_is_busy_for_long_keeps_its_lease_while_nobody_else_asks() {
    run(|backend| async move {
        three_writes(backend.store()).await;
        let process = Process::of(backend.store());
        let read = process.read(100).await;
        process.clock.advance(LEASE * 10);
        process.changes.checkpoint("timeline", &read[1].position).await.unwrap();
        assert_eq!(process.versions().await, [3]);
    });
}

#[test]
fn a_position_that_nobody_gave_is_refused() {
    run(|backend| async move {
        three_writes(backend.store()).await;
        let process = Process::of(backend.store());
        let last = process.read(100).await.remove(2).position;
        for wrong in [String::new(), "7".into(), format!("{}9", last.0)] {
            let wrong = sendoff_consumers::Position(wrong);
            process.changes.checkpoint("timeline", &wrong).await.expect_err("it is not of this stream");
        }
        assert_eq!(process.versions().await, [1, 2, 3]);
    });
}

#[test]
fn without_a_stream_the_error_says_what_is_missing() {
    run(|backend| async move {
        let mut resources = backend.store().resources().clone();
        resources.stream_arn = None;
        let clock = Arc::new(WarpClock::from(SystemClock.now()));
        let store = Store::new(backend.store().aws().clone(), resources, clock, Arc::new(SystemRng::new()));
        let error = store.changes().read("timeline", 1, Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.contains("dynamodb:DescribeStream") && error.contains("no stream is named"), "{error}");
    });
}
