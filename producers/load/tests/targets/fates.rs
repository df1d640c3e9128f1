//! Each fate, over a folder that no consumer serves, so that every one can be made.

use std::time::Duration;

use sendoff_consumers::{Claim, Claimed, Filter, IdempotencyKey, Status};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{Clock as _, EventId};
use sendoff_host::SystemClock;
use sendoff_load::{
    target::{Fate, Parcel, Seen, Target, Via},
    targets::{Backend, TargetOptions, open},
};

use super::given::{assigned, run};

const CONSUMER: &str = "email";

async fn claim(store: &Store, event: EventId, status: Status) {
    let now = SystemClock.now();
    let claim = Claim {
        key: IdempotencyKey::new(CONSUMER, event),
        fence: 7,
        payload_hash: [0; 32],
        replay: 0,
        now,
        lease_until: now + Duration::from_secs(60),
        reconcile: false,
    };
    let Claimed::Won(mut record) = store.inbox().claim(&claim).await.unwrap() else { panic!("it isn't the first") };
    record.status = status;
    record.revision += 1;
    store.inbox().write(&record).await.unwrap();
}

async fn look(target: &dyn Target, event: EventId) -> Seen {
    target.look(&[(event, CONSUMER.to_owned())]).await.unwrap().remove(0)
}

async fn take(store: &Store) -> sendoff_consumers::Delivery {
    let queue = store.queue(CONSUMER).await.unwrap();
    queue.receive(1, Duration::from_secs(5), Duration::from_secs(60)).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fate_is_told_from_record_and_message_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    store.subscribe(CONSUMER, &Filter::event_types(["app.assigned"])).await.unwrap();
    let options = TargetOptions { backend: Backend::Sqlite(folder.path().to_owned()), ..TargetOptions::default() };
    let target = open(&options).await.unwrap();
    let queue = store.queue(CONSUMER).await.unwrap();
    let run = run("fates");

    for via in [Via::Topic, Via::Queue] {
        for (status, expected) in [
            (None, Fate::Missing),
            (Some(Status::Claimed), Fate::Missing),
            (Some(Status::Failed), Fate::Missing),
            (Some(Status::InDoubt), Fate::InDoubt),
            (Some(Status::Done), Fate::Done),
        ] {
            let event = assigned(&run, 0);
            assert!(target.send(via, &[Parcel::Event(event.clone())]).await[0].is_ok());
            assert_eq!(look(&*target, event.id()).await.fate, Fate::InFlight, "it waits");
            let delivery = take(&store).await;
            assert_eq!(look(&*target, event.id()).await.fate, Fate::InFlight, "it is being handled");
            if let Some(status) = status {
                claim(&store, event.id(), status).await;
            }
            if status == Some(Status::Failed) {
                assert_eq!(look(&*target, event.id()).await.fate, Fate::InFlight, "its message hasn't moved yet");
            }
            assert!(queue.ack(&[delivery.receipt]).await[0].is_ok());
            let seen = look(&*target, event.id()).await;
            assert_eq!(seen.fate, expected, "{via:?} {status:?}: the message is gone");
            assert_eq!(seen.claimed_at.is_some(), status.is_some());
        }
    }

    let event = assigned(&run, 1);
    assert!(target.send(Via::Topic, &[Parcel::Event(event.clone())]).await[0].is_ok());
    let delivery = take(&store).await;
    let failure = sendoff_consumers::Failure {
        reason: "no-such-app".into(),
        class: sendoff_consumers::Class::Rejected,
        fingerprint: "f".into(),
        consumer: CONSUMER.into(),
        attempts: 1,
        first_at: SystemClock.now(),
        last_at: SystemClock.now(),
        error: "no".into(),
    };
    claim(&store, event.id(), Status::Failed).await;
    assert!(queue.dead_letter(&[(delivery, failure)]).await[0].is_ok());
    assert_eq!(look(&*target, event.id()).await.fate, Fate::DeadLettered);
    let mut dead = target.dead_events(&run).await.unwrap();
    assert_eq!(dead.remove(CONSUMER), Some(vec![event.id()]));
    assert_eq!(target.dead_events(&"fates-1".parse().unwrap()).await.unwrap().remove(CONSUMER), Some(Vec::new()));
    assert!(target.remark(Via::Topic).is_some_and(|remark| remark.contains("within a second")));
    assert_eq!(target.remark(Via::Api), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_consumer_wants_is_refused_by_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    store.subscribe(CONSUMER, &Filter::event_types(["submission.created"])).await.unwrap();
    let options = TargetOptions { backend: Backend::Sqlite(folder.path().to_owned()), ..TargetOptions::default() };
    let target = open(&options).await.unwrap();
    let results = target.send(Via::Queue, &[Parcel::Event(assigned(&run("unwanted"), 0))]).await;
    assert!(results[0].as_ref().is_err_and(|e| e.to_string().contains("no consumer subscribed")), "{results:?}");
}
