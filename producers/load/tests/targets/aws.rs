//! A deployment in the emulator, with consumers and a relay of our own.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use futures::FutureExt as _;
use sendoff_aws::Store;
use sendoff_consumers::{
    Attributes, Context, Destination, Filter, Handler, HandlerError, NoMeter, OutgoingLetter, Router, RouterPorts,
    Stop, Stopper, Worker, WorkerSettings,
};
use sendoff_events::{AppAssigned, AppId, Clock as _, Envelope, Event as _, Origin, TenantId, UserId};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_load::{
    target::{Fate, Parcel, Target, Trouble, Via},
    targets::{Backend, TargetOptions, World, open_in},
};
use sendoff_producers::{
    Answer, Expected, RecordKey, RequestKey, UnitOfWork, Write,
    api::TIMELINE,
    model::{app_key, submission_key},
    relay,
};
use sendoff_tests::{
    conformance::{Backend as _, OnAws, WarpClock},
    servers::Emulator,
};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{
    conformance::{
        Rig, clean_takes_its_own_run_and_nothing_else, clean_takes_what_waits_and_what_is_large,
        every_way_is_accounted_for, poison_is_counted_and_what_never_was_is_missing,
    },
    given::{assigned, eventually, people, run},
};
use crate::answering::answering;

macro_rules! consumers {
    ($($handler:ident = $name:literal),+) => {
        $(struct $handler;

        impl Handler for $handler {
            type Event = AppAssigned;
            const NAME: &'static str = $name;

            async fn handle(&self, _: &Envelope<AppAssigned>, _: &Context) -> Result<(), HandlerError> {
                Ok(())
            }
        })+

        fn router(ports: RouterPorts) -> Router {
            Router::new(ports)$(.with($handler).unwrap())+
        }
    };
}

consumers!(First = "first", Second = "second", Third = "third");

/// Runs the consumers and the relay until the stoppers are dropped or told.
async fn serve(backend: &OnAws) -> Vec<Stopper> {
    let (store, clock, rng) = (backend.store().clone(), Arc::new(SystemClock), Arc::new(SystemRng::new()));
    let ports = RouterPorts {
        inbox: store.inbox(),
        clock: clock.clone(),
        rng: rng.clone(),
        blobs: Some(store.blobs()),
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let mut stoppers = Vec::new();
    for consumer in router(ports).consumers() {
        let queue = backend.create_queue(consumer.name(), Some(Filter::event_types([AppAssigned::TYPE]))).await;
        let pace = WorkerSettings { wait: Duration::from_secs(1), ..WorkerSettings::default() };
        let worker = Worker::new(consumer.clone(), queue, clock.clone(), rng.clone(), pace);
        let (stopper, stop) = Stop::pair();
        stoppers.push(stopper);
        tokio::spawn(async move { worker.run(stop).await });
    }
    let (stopper, stop) = Stop::pair();
    stoppers.push(stopper);
    tokio::spawn(relay_all(store, stop));
    stoppers
}

/// Publishes whatever is in the outbox, as the stream's function does.
async fn relay_all(store: Store, stop: Stop) {
    let (outbox, publisher) = (store.outbox(), store.publisher());
    loop {
        // Commits may carry the time of a clock that was moved.
        let before = SystemClock.now() + Duration::from_secs(24 * 3600);
        let events = outbox.pending(before, 10).await.unwrap_or_default().events;
        relay::publish_committed(&*outbox, &*publisher, &events).await;
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
}

/// The environment that leads to the deployment.
fn variables(backend: &OnAws) -> BTreeMap<String, String> {
    let resources = backend.store().resources();
    let mut variables = Emulator::shared().variables();
    variables.extend(
        [
            ("SENDOFF_TABLE", &resources.table),
            ("SENDOFF_INBOX_TABLE", &resources.inbox_table),
            ("SENDOFF_TOPIC_ARN", &resources.topic_arn),
            ("SENDOFF_QUEUE_URL_BASE", &resources.queue_url_base),
            ("SENDOFF_BUCKET", &resources.bucket),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone())),
    );
    variables
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_on_aws_keeps_every_promise() {
    let backend = OnAws::open().await;
    let stoppers = serve(&backend).await;
    let runs = tempfile::tempdir().unwrap();
    let clock = WarpClock::from(SystemClock.now());
    let world =
        World { variables: variables(&backend), clock: Arc::new(clock.clone()), rng: Arc::new(SystemRng::new()) };
    let options =
        TargetOptions { backend: Backend::Aws, runs: Some(runs.path().to_owned()), ..TargetOptions::default() };
    let target = open_in(&options, &world).await.unwrap();
    let pass = || clock.advance(Duration::from_secs(75));
    let rig = Rig { target: &*target, pass: &pass, runs: Some(runs.path()) };
    every_way_is_accounted_for(&rig, "ways", &[Via::Topic, Via::Queue, Via::Table]).await;
    poison_is_counted_and_what_never_was_is_missing(&rig, "poison").await;
    clean_takes_its_own_run_and_nothing_else(&rig, "clean").await;
    assert!(target.usage().await.unwrap().cost.is_some_and(|dollars| dollars > 0.0));
    stoppers.into_iter().for_each(Stopper::stop);
}

#[tokio::test]
async fn what_waits_in_a_deployment_and_what_is_large_is_cleaned_up_too() {
    let backend = OnAws::open().await;
    for queue in ["first", "second"] {
        backend.create_queue(queue, Some(Filter::event_types([AppAssigned::TYPE]))).await;
    }
    let runs = tempfile::tempdir().unwrap();
    let mut variables = variables(&backend);
    variables.insert("SENDOFF_TOPIC_LIMIT".into(), "1 KiB".into());
    let world = World { variables, clock: Arc::new(SystemClock), rng: Arc::new(SystemRng::new()) };
    let options =
        TargetOptions { backend: Backend::Aws, runs: Some(runs.path().to_owned()), ..TargetOptions::default() };
    let target = open_in(&options, &world).await.unwrap();
    let rig = Rig { target: &*target, pass: &|| (), runs: Some(runs.path()) };
    clean_takes_what_waits_and_what_is_large(&rig, "waiting").await;
}

#[tokio::test]
async fn what_the_relay_has_not_published_yet_is_not_missing() {
    let backend = OnAws::open().await;
    backend.create_queue("first", Some(Filter::event_types([AppAssigned::TYPE]))).await;
    let runs = tempfile::tempdir().unwrap();
    let clock = WarpClock::from(SystemClock.now());
    let world =
        World { variables: variables(&backend), clock: Arc::new(clock.clone()), rng: Arc::new(SystemRng::new()) };
    let options =
        TargetOptions { backend: Backend::Aws, runs: Some(runs.path().to_owned()), ..TargetOptions::default() };
    let target = open_in(&options, &world).await.unwrap();
    let parcels = [0, 1].map(|number| Parcel::Event(assigned(&run("late"), number)));
    let sent = target.send(Via::Table, &parcels).await;
    let ids: Vec<_> = sent.into_iter().map(|sent| sent.unwrap().events[0]).collect();
    let pairs = [(ids[0], "first".to_owned()), (ids[1], "first".to_owned())];
    let fates = async || target.look(&pairs).await.unwrap().iter().map(|seen| seen.fate).collect::<Vec<_>>();
    // Both wait in the outbox for as long as nobody publishes them, and the queue has nothing to tell of.
    for _ in 0..3 {
        assert_eq!(fates().await, [Fate::InFlight, Fate::InFlight]);
        clock.advance(Duration::from_secs(75));
    }
    assert_eq!(fates().await, [Fate::InFlight, Fate::InFlight]);
    // One leaves it, and never gets to the queue: that is told once the numbers of queues would tell of it.
    backend.store().outbox().mark_published(&ids[..1]).await.unwrap();
    assert_eq!(fates().await, [Fate::InFlight, Fate::InFlight]);
    clock.advance(Duration::from_secs(75));
    assert_eq!(fates().await, [Fate::Missing, Fate::InFlight]);
}

/// Messages that aren't the run's come into the queue until the stopper is told, or dropped.
fn others_send(backend: &OnAws, queue: &'static str) -> (Stopper, JoinHandle<()>) {
    let (stopper, stop) = Stop::pair();
    let letters = backend.store().dead_letter_queues();
    let sending = tokio::spawn(async move {
        let other = assigned(&run("other"), 0);
        let letter = OutgoingLetter {
            body: other.body().clone(),
            attributes: Attributes::new(),
            types: BTreeMap::new(),
            group: None,
            dedup: String::new(),
            copy_of: None,
        };
        let mut now_and_then = tokio::time::interval(Duration::from_millis(20));
        while stop.requested().now_or_never().is_none() {
            now_and_then.tick().await;
            letters.send(&Destination::Queue(queue.into()), std::slice::from_ref(&letter)).await;
        }
    });
    (stopper, sending)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_others_send_to_all_the_time_is_cleaned_up_nevertheless() {
    const LONG: Duration = Duration::from_secs(60);
    let backend = OnAws::open().await;
    let queue = backend.create_queue("first", Some(Filter::event_types([AppAssigned::TYPE]))).await;
    let runs = tempfile::tempdir().unwrap();
    // What may come late by clocks that differ has come before by this one, so that nothing has to be waited for.
    let clock = Arc::new(WarpClock::from(SystemClock.now() - Duration::from_secs(5)));
    let world = World { variables: variables(&backend), clock, rng: Arc::new(SystemRng::new()) };
    let options =
        TargetOptions { backend: Backend::Aws, runs: Some(runs.path().to_owned()), ..TargetOptions::default() };
    let target = open_in(&options, &world).await.unwrap();
    let run = run("busy");
    let parcels: Vec<Parcel> = (0..3).map(|number| Parcel::Event(assigned(&run, number))).collect();
    let sent = target.send(Via::Topic, &parcels).await;
    let events: Vec<_> = sent.into_iter().flat_map(|sent| sent.unwrap().events).collect();
    Rig { target: &*target, pass: &|| (), runs: Some(runs.path()) }.write_down(&run, &events);

    let (stopper, sending) = others_send(&backend, "first");
    for dry in [true, false] {
        let cleaned = tokio::time::timeout(LONG, target.clean(&run, dry)).await.expect("it ends").unwrap();
        assert_eq!(cleaned["messages"], 3, "{cleaned:?}");
    }
    stopper.stop();
    sending.await.unwrap();
    assert!(target.clean(&run, true).await.unwrap().is_empty());
    eventually(0, async || queue.depth().await.unwrap().in_flight).await;
    assert!(queue.depth().await.unwrap().visible > 0, "those of others are there");
}

/// A run that went by the API with the token of somebody else's tenant: what it has made stands there.
#[tokio::test]
async fn what_a_run_made_for_the_tenant_of_its_token_goes_and_nothing_else_of_it() {
    let backend = OnAws::open().await;
    backend.create_queue("first", Some(Filter::event_types([AppAssigned::TYPE]))).await;
    let runs = tempfile::tempdir().unwrap();
    let target = opened(&backend, runs.path()).await;
    let run = run("token");
    target.prepare(&run, &people(&run, 4)).await.unwrap();
    // What the API makes of its requests, and the reactions to that.
    let acme: TenantId = "acme".parse().unwrap();
    let records = backend.store().records();
    let ids = ["load-token-0", "load-token-1", "load-token-1-0", "load-token-1x", "load-token", "crm"];
    let keys = ids.map(|app| {
        let app: AppId = app.parse().unwrap();
        let entry = RecordKey::new(&acme, TIMELINE, format!("{app}/1"));
        [app_key(&acme, &app), submission_key(&acme, &app, &"s".parse().unwrap()), entry]
    });
    let origin = Origin {
        source: "/sendoff/api".into(),
        tenant: acme.clone(),
        correlation: Some(run.correlation(0)),
        causation: None,
        traceparent: None,
        hops: 0,
    };
    let user: UserId = "ada".parse().unwrap();
    let told = AppAssigned { app_id: "load-token-0".parse().unwrap(), user_id: user.clone(), assigned_by: user };
    let told = Envelope::new(told, origin, None, &SystemClock, &SystemRng::new()).encode().unwrap();
    let event = told.id();
    let work = UnitOfWork::new(acme.clone(), "ada", SystemClock.now()).write(write(keys[0][0].clone(), json!({})));
    records.commit(work.tell(told).answer(answered("load/token/0"))).await.unwrap();
    for (key, asked) in keys.iter().flatten().skip(1).zip(["load/token-1/0", "load/token/1", "theirs"].iter().cycle()) {
        let work = UnitOfWork::new(acme.clone(), "ada", SystemClock.now());
        let work = work.write(write(key.clone(), json!({ "text": "x" }))).without_events();
        let is_first = records.answered(&acme, asked, &[0; 32]).await.unwrap().is_none();
        records.commit(if is_first { work.answer(answered(asked)) } else { work }).await.unwrap();
    }
    let rig = Rig { target: &*target, pass: &|| (), runs: Some(runs.path()) };
    rig.write_down(&run, &[event, assigned(&run, 1).id()]);

    // Four users and the apps of their two tenants stand in tenants of the run.
    let expected =
        [("answers", 2), ("events", 1), ("records", 6 + 6)].map(|(kind, rows)| (kind.to_owned(), rows)).into();
    let told = target.clean(&run, true).await.unwrap();
    assert_eq!(told, expected);
    assert_eq!(target.clean(&run, false).await.unwrap(), expected);
    assert!(target.clean(&run, true).await.unwrap().is_empty());
    for (place, key) in keys.iter().flatten().enumerate() {
        assert_eq!(records.get(key).await.unwrap().is_none(), place < 6, "{key}");
    }
    for (asked, is_there) in
        [("load/token/0", false), ("load/token/1", false), ("load/token-1/0", true), ("theirs", true)]
    {
        assert_eq!(records.answered(&acme, asked, &[0; 32]).await.unwrap().is_some(), is_there, "{asked}");
    }
    // No reaction hears of it.
    let changes = backend.store().changes();
    let mut gone = Vec::new();
    loop {
        let read = changes.read("timeline", 100, Duration::ZERO).await.unwrap();
        let Some(last) = read.last() else { break };
        changes.checkpoint("timeline", &last.position).await.unwrap();
        gone.extend(read.into_iter().filter(|change| change.new.is_none()));
    }
    assert!(gone.is_empty(), "{gone:?}");
}

#[tokio::test]
async fn answers_are_looked_for_only_where_requests_were_made() {
    let backend = OnAws::open().await;
    backend.create_queue("first", Some(Filter::event_types([AppAssigned::TYPE]))).await;
    let runs = tempfile::tempdir().unwrap();
    let target = opened(&backend, runs.path()).await;
    let rig = Rig { target: &*target, pass: &|| (), runs: Some(runs.path()) };
    // The last one was killed, and nobody knows which way it went.
    for (name, report, answers) in [
        ("by-topic", Some(r#"{"scenario":{"via":"topic"}}"#), 0),
        ("by-api", Some(r#"{"scenario":{"via":"api"}}"#), 1),
        ("killed", None, 1),
    ] {
        let run = run(name);
        target.prepare(&run, &people(&run, 4)).await.unwrap();
        rig.write_down(&run, &[assigned(&run, 0).id()]);
        if let Some(report) = report {
            std::fs::write(runs.path().join(name).join("report.json"), report).unwrap();
        }
        let tenant = run.tenant(1).unwrap();
        let something = write(RecordKey::new(&tenant, "users", "more"), json!({}));
        let work = UnitOfWork::new(tenant, "ada", SystemClock.now()).write(something).without_events();
        backend.store().records().commit(work.answer(answered(&run.correlation(0)))).await.unwrap();
        let told = target.clean(&run, true).await.unwrap();
        assert_eq!(told.get("answers").copied().unwrap_or(0), answers, "{name}: {told:?}");
        assert_eq!(target.clean(&run, false).await.unwrap(), told);
        assert!(target.clean(&run, true).await.unwrap().is_empty());
    }
}

/// The deployment as a target of load, which keeps its runs there.
async fn opened(backend: &OnAws, runs: &Path) -> Arc<dyn Target> {
    let world = World { variables: variables(backend), clock: Arc::new(SystemClock), rng: Arc::new(SystemRng::new()) };
    let options = TargetOptions { backend: Backend::Aws, runs: Some(runs.to_owned()), ..TargetOptions::default() };
    open_in(&options, &world).await.unwrap()
}

fn write(key: RecordKey, data: serde_json::Value) -> Write {
    Write { key, expected: Expected::Absent, data: Some(data) }
}

/// A request that was asked under this key.
fn answered(key: &str) -> RequestKey {
    let answer = Answer { status: 201, location: None, etag: None, events: Vec::new(), body: "{}".into() };
    RequestKey { key: key.into(), fingerprint: [0; 32], answer }
}

/// A deployment whose topic and queues are in one account, and whose tables are in another one, that of the credentials.
fn misled() -> World {
    let database = answering(|_| {
        let arn = "arn:aws:dynamodb:eu-central-1:999999999999:table/records";
        (200, format!("{{\"Table\":{{\"TableArn\":\"{arn}\"}}}}"))
    });
    let variables = [
        ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{database}")),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("SENDOFF_TABLE", "records".to_owned()),
        ("SENDOFF_INBOX_TABLE", "inbox".to_owned()),
        ("SENDOFF_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:sendoff-events".to_owned()),
        ("SENDOFF_QUEUE_URL_BASE", "https://sqs.eu-central-1.amazonaws.com/123456789012/sendoff-".to_owned()),
        ("SENDOFF_BUCKET", "payloads".to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
    World { variables, clock: Arc::new(SystemClock), rng: Arc::new(SystemRng::new()) }
}

#[tokio::test]
async fn tables_of_an_account_that_is_not_named_are_neither_loaded_nor_cleaned() {
    let runs = tempfile::tempdir().unwrap();
    let allow = ["123456789012", "sendoff-events"].map(str::to_owned).to_vec();
    let options =
        TargetOptions { backend: Backend::Aws, runs: Some(runs.path().to_owned()), allow, ..TargetOptions::default() };
    let target = open_in(&options, &misled()).await.unwrap();
    let run = run("misled");
    for refused in [target.ready(&run, Via::Table).await, target.clean(&run, true).await.map(drop)] {
        let error = refused.expect_err("it is refused");
        assert_eq!(error.trouble, Trouble::Forbidden, "{error}");
        let told = "`records` is in the account `999999999999`, and the topic in `123456789012`";
        assert!(error.to_string().contains(told), "{error}");
    }
}
