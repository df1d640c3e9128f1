//! A deployment in the emulator, with consumers and a relay of our own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sendoff_aws::Store;
use sendoff_consumers::{
    Context, Filter, Handler, HandlerError, NoMeter, Router, RouterPorts, Stop, Stopper, Worker, WorkerSettings,
};
use sendoff_events::{AppAssigned, Clock as _, Envelope, Event as _};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_load::{
    target::{Fate, Parcel, Trouble, Via},
    targets::{Backend, TargetOptions, World, open_in},
};
use sendoff_producers::relay;
use sendoff_tests::{
    conformance::{Backend as _, OnAws, WarpClock},
    servers::Emulator,
};

use super::{
    conformance::{
        Rig, clean_takes_its_own_run_and_nothing_else, clean_takes_what_waits_and_what_is_large,
        every_way_is_accounted_for, poison_is_counted_and_what_never_was_is_missing,
    },
    given::{assigned, run},
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
