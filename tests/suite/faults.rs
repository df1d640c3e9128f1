//! The whole way of events over AWS services that fail in every way they can: what was committed, and what became of it.
//!
//! `cargo test -p sendoff-tests --test suite faults -- --nocapture` prints what failed, and the outcome.
#![expect(clippy::print_stdout, reason = "the tally is for whoever runs it with --nocapture")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::join_all;
use sendoff_aws::{Aws, Store};
use sendoff_consumers::{
    Backoff, Context, Effect, Handler, HandlerError, IdempotencyKey, NoMeter, OnDoubt, Policy, Router, RouterPorts,
    SendOutcome, Status, Stop, Worker, WorkerSettings,
};
use sendoff_events::{AppAssigned, Envelope, EventId, Origin, Outgoing, at_millis};
use sendoff_host::SystemRng;
use sendoff_producers::{
    CommitError, Committed, Expected, RecordKey, UnitOfWork, Write,
    relay::{SWEEP_AFTER, publish_committed, sweep},
};
use sendoff_tests::{
    conformance::{Backend, OnAws},
    faults::{Fault, FaultyHttp, Weather},
    memory::lock,
    servers::Emulator,
    simulation::World,
};
use serde_json::json;

/// How many events.
const EVENTS: usize = 60;
/// How many of a thousand requests fail.
const PER_MILLE: u64 = 200;
/// By when everything has come to an end.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long a message waits each time.
const WAITS: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(1) };

/// A provider that never fails and counts what it was told to do, by idempotency key.
#[derive(Clone, Default)]
struct Provider(Arc<Mutex<BTreeMap<String, u32>>>);

/// A handler with an effect that somebody would notice.
struct Texter(Provider);

impl Handler for Texter {
    type Event = AppAssigned;
    const NAME: &'static str = "email";
    const POLICY: Policy = Policy {
        max_attempts: 3,
        timeout: Duration::from_secs(5),
        backoff: WAITS,
        deferral: WAITS,
        effect: Effect::Once,
        on_doubt: OnDoubt::Hold { window: Duration::ZERO },
    };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        cx.once("text", |key| async move {
            *lock(&self.0.0).entry(key).or_default() += 1;
            SendOutcome::Sent { provider: None, provider_id: None }
        })
        .await
        .map(drop)
    }
}

fn event(backend: &OnAws, n: usize) -> Outgoing {
    let id = |text: &str| text.parse().unwrap();
    let data = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id(&format!("u{n}")), assigned_by: id("root") };
    let origin = Origin {
        source: "/faults".into(),
        tenant: "acme".parse().unwrap(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    Envelope::new(data, origin, Some(1), &*backend.clock(), &*backend.rng()).encode().unwrap()
}

/// Commits one event, as a caller does whose answers get lost: again, with the same request key, until there is one.
async fn commit(store: &Store, backend: &OnAws, n: usize, event: &Outgoing) {
    let key = RecordKey::new(event.tenant(), "things", n.to_string());
    let answer =
        serde_json::from_value(json!({ "status": 201, "location": null, "etag": null, "body": "{}" })).unwrap();
    let unit = UnitOfWork::new(event.tenant().clone(), "ada", at_millis(backend.clock().now()))
        .write(Write { key, expected: Expected::Absent, data: Some(json!({ "n": n })) })
        .tell(event.clone())
        .answer(sendoff_producers::RequestKey { key: n.to_string(), fingerprint: [7; 32], answer });
    loop {
        match store.records().commit(unit.clone()).await {
            Ok(Committed::Applied { versions }) => return assert_eq!(versions, [1]),
            Ok(Committed::Repeated { .. }) => return,
            Err(CommitError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// What became of an event at its consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Done,
    InDoubt,
    DeadLettered,
    Open,
}

/// How many have a letter in the dead-letter queue, by what their records say.
fn with_letter(found: &BTreeMap<EventId, End>) -> usize {
    found.values().filter(|end| matches!(end, End::InDoubt | End::DeadLettered)).count()
}

async fn ends(backend: &OnAws, events: &[Outgoing]) -> BTreeMap<EventId, End> {
    let inbox = backend.inbox();
    let look = events.iter().map(|event| {
        let inbox = &inbox;
        async move {
            let found = inbox.get(&IdempotencyKey::new("email", event.id())).await.expect("the inbox answers");
            let end = match found.map(|record| record.status) {
                Some(Status::Done) => End::Done,
                Some(Status::InDoubt) => End::InDoubt,
                Some(Status::Failed) => End::DeadLettered,
                Some(Status::Claimed) | None => End::Open,
            };
            (event.id(), end)
        }
    });
    join_all(look).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_done_twice_over_services_that_fail_in_every_way() {
    // The same resources twice: through the storm, and as they really are.
    let backend = OnAws::open().await;
    let weather = Arc::new(Weather::new(World::new(20_261_125).rng(), PER_MILLE));
    let aws = Aws::with_http(Emulator::shared().environment(), FaultyHttp::client(weather.clone())).unwrap();
    let stormy = Store::new(aws, backend.store().resources().clone(), backend.clock(), Arc::new(SystemRng::new()));

    let provider = Provider::default();
    let ports = RouterPorts {
        inbox: stormy.inbox(),
        clock: backend.clock(),
        rng: backend.rng(),
        blobs: Some(stormy.blobs()),
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let router = Router::new(ports).with(Texter(provider.clone())).unwrap();
    let consumer = router.consumer("email").unwrap().clone();
    backend.create_queue("email", Some(consumer.filter())).await;
    let settings =
        WorkerSettings { wait: Duration::from_secs(1), lease: Duration::from_secs(4), ..WorkerSettings::default() };
    let worker = Worker::new(consumer, stormy.queue("email"), backend.clock(), backend.rng(), settings);

    let events: Vec<Outgoing> = (0..EVENTS).map(|n| event(&backend, n)).collect();
    let (stopper, stop) = Stop::pair();
    let story = async {
        for some in events.chunks(12).enumerate() {
            let (round, some) = some;
            join_all(some.iter().enumerate().map(|(n, event)| commit(&stormy, &backend, round * 12 + n, event))).await;
            // The API is killed between the commit and the publication, or in the middle of it, or does its work.
            let (outbox, publisher) = (stormy.outbox(), stormy.publisher());
            let publish = publish_committed(&*outbox, &*publisher, some);
            match round % 3 {
                0 => drop(publish),
                1 => drop(tokio::time::timeout(Duration::from_millis(4), publish).await),
                _ => drop(publish.await),
            }
        }
        let began = tokio::time::Instant::now();
        let mut swept = 0;
        loop {
            let found = ends(&backend, &events).await;
            let told = || async { backend.dead_letters("email").await.len() >= with_letter(&found) };
            // A letter that couldn't be moved comes later: its message is hidden for a while, and tried again.
            if found.values().all(|end| *end != End::Open) && told().await {
                return swept;
            }
            assert!(began.elapsed() < PATIENCE, "some have come to no end: {found:?}\n{weather}");
            if swept < 8 && found.values().any(|end| *end == End::Open) {
                backend.advance(SWEEP_AFTER).await;
                let (outbox, publisher, clock) = (stormy.outbox(), stormy.publisher(), backend.clock());
                let run = sweep(&*outbox, &*publisher, &*clock, 10);
                // A sweep that dies midway is repeated by the next one.
                drop(tokio::time::timeout(Duration::from_secs(3), run).await);
                swept += 1;
            } else {
                weather.clear();
                backend.advance(Duration::from_secs(1)).await;
            }
        }
    };
    let until = async {
        let swept = story.await;
        stopper.stop();
        swept
    };
    let ((), swept) = tokio::join!(worker.run(stop), until);

    let found = ends(&backend, &events).await;
    let count = |end: End| found.values().filter(|found| **found == end).count();
    let effects = lock(&provider.0).clone();
    let doubled = effects.values().filter(|n| **n > 1).count();
    // Lost is what has neither happened nor been told as doubtful or dead.
    let happened = |id: &EventId| effects.contains_key(&IdempotencyKey::new("email", *id).step("text"));
    let lost = found.iter().filter(|(id, end)| **end == End::Done && !happened(id)).count() + count(End::Open);
    println!("{weather}");
    println!(
        "{EVENTS} events committed, {swept} sweeps; {} done, {} in doubt, {} dead-lettered; lost {lost}, doubled {doubled}",
        count(End::Done),
        count(End::InDoubt),
        count(End::DeadLettered)
    );
    assert_eq!((lost, doubled), (0, 0));
    assert!(backend.dead_letters("email").await.len() >= with_letter(&found), "a dead letter is missing");
    assert_eq!(weather.counts().len(), Fault::ALL.len(), "some kind of fault never came: {weather}");
}
