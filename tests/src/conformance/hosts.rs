//! Worker and reactor over the backend's ports: stopping, and a change that nobody can deal with.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use sendoff_consumers::{
    Backoff, Change, Context, Handler, HandlerError, IdempotencyKey, NoMeter, Policy, Reaction, ReactionContext,
    Reactor, Router, RouterPorts, Status, Stop, Worker, WorkerSettings,
};
use sendoff_events::{AppAssigned, BoxFuture, Envelope};
use sendoff_producers::Expected;
use serde_json::json;

use super::{
    Backend,
    given::{commit, event, eventually, soon, write},
};

/// Hangs at its first attempt, and works at the second.
struct Slow(Arc<AtomicU32>);

impl Handler for Slow {
    type Event = AppAssigned;
    const NAME: &'static str = "slow";

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        if self.0.fetch_add(1, SeqCst) == 0 {
            cx.clock().sleep(Duration::from_secs(3600)).await;
        }
        Ok(())
    }
}

pub(super) async fn a_worker_that_stops_gives_back_what_it_could_not_finish_and_no_attempt_is_used(
    backend: &dyn Backend,
) {
    let runs = Arc::new(AtomicU32::new(0));
    let ports = RouterPorts {
        inbox: backend.inbox(),
        clock: backend.clock(),
        rng: backend.rng(),
        blobs: None,
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let router = Router::new(ports).with(Slow(Arc::clone(&runs))).expect("a valid router");
    let consumer = router.consumer("slow").expect("it is there");
    let queue = backend.create_queue("slow", Some(consumer.filter())).await;
    let event = event(backend);
    assert_eq!(backend.publisher().publish(std::slice::from_ref(&event)).await, [Ok(())]);
    let key = IdempotencyKey::new("slow", event.id());
    // Each worker is stopped once so many runs have begun, the second one when the record is done.
    for run in 1..=2 {
        let settings = WorkerSettings { grace: Duration::ZERO, ..WorkerSettings::default() };
        let worker = Worker::new(consumer.clone(), queue.clone(), backend.clock(), backend.rng(), settings);
        let (stopper, stop) = Stop::pair();
        let until = async {
            eventually("the run", || async {
                let record = backend.inbox().get(&key).await.expect("the inbox answers");
                let done = record.is_some_and(|record| record.status == Status::Done);
                (runs.load(SeqCst) == run && (run == 1 || done)).then_some(())
            })
            .await;
            stopper.stop();
        };
        soon("the worker", async { tokio::join!(worker.run(stop), until) }).await;
        let record = backend.inbox().get(&key).await.expect("the inbox answers").expect("it was claimed");
        assert_eq!(record.attempts, run - 1, "an attempt that was interrupted doesn't count");
    }
    eventually("the ack", || async {
        let depth = queue.depth().await.expect("the queue answers");
        (depth.visible + depth.in_flight + depth.delayed + depth.dead == 0).then_some(())
    })
    .await;
}

/// Notes what it saw; it can't stand the number 2.
#[derive(Default)]
struct Timeline(Mutex<Vec<(String, u64)>>);

impl Reaction for Timeline {
    fn name(&self) -> &'static str {
        "timeline"
    }

    fn policy(&self) -> Policy {
        let backoff = Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(2) };
        Policy { max_attempts: 3, backoff, deferral: backoff, ..Policy::DEFAULT }
    }

    fn react<'a>(&'a self, change: &'a Change, _: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            if change.new == Some(json!(2)) {
                return Err(HandlerError::Retry { after: None, source: "I can't stand 2".into() });
            }
            self.0.lock().expect("no panic").push((change.key.id.clone(), change.version));
            Ok(())
        })
    }
}

pub(super) async fn a_change_that_cannot_be_dealt_with_is_put_aside_and_the_stream_goes_on(backend: &dyn Backend) {
    for n in 1..=3 {
        commit(backend, vec![write("a", Expected::Any, json!(n)), write("b", Expected::Any, json!(n + 10))]).await;
    }
    let timeline = Arc::new(Timeline::default());
    let context = ReactionContext { clock: backend.clock(), rng: backend.rng(), meter: Arc::new(NoMeter) };
    let reactor = Reactor::new(timeline.clone(), backend.changes(), context);
    let (stopper, stop) = Stop::pair();
    let until = async {
        // Also what is written while it waits.
        eventually("the first five", || async { (timeline.0.lock().expect("no panic").len() >= 5).then_some(()) })
            .await;
        commit(backend, vec![write("a", Expected::Any, json!(4))]).await;
        eventually("the sixth", || async { (timeline.0.lock().expect("no panic").len() >= 6).then_some(()) }).await;
        let all_read = || async {
            let more = backend.changes().read("timeline", 10, Duration::ZERO).await.expect("the stream answers");
            more.is_empty().then_some(())
        };
        eventually("the checkpoint", all_read).await;
        stopper.stop();
    };
    soon("the reactor", async { tokio::join!(reactor.run(stop), until) }).await;

    let seen = timeline.0.lock().expect("no panic").clone();
    let of = |id: &str| seen.iter().filter(|(of, _)| of == id).map(|(_, version)| *version).collect::<Vec<_>>();
    assert_eq!((of("a"), of("b")), (vec![1, 3, 4], vec![1, 2, 3]));
    let dead = backend.dead_letters("timeline").await;
    assert_eq!(dead.len(), 1);
    let failure = &dead[0].attributes[sendoff_consumers::FAILURE_ATTRIBUTE];
    assert!(failure.contains("attempts-exhausted") && failure.contains("I can't stand 2"), "{failure}");
}
