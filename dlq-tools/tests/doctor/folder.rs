//! The doctor over real data folders.

use std::{collections::BTreeMap, path::Path, time::Duration};

use rusqlite::Connection;
use sendoff_consumers::{Change, Class, Failure, Filter, NewMessage, Position};
use sendoff_dlq_tools::{Session, disk::Measure};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{AppAssigned, BlobKey, Clock, Envelope, Origin, Outgoing, Pointer, Timestamp, at_millis};
use sendoff_host::{Exit, SystemClock, SystemRng};
use sendoff_producers::RecordKey;
use serde_json::json;

use super::call::{call, session};
use crate::calls::{self, Ran};

async fn doctor(folder: &Path, arguments: &[&str]) -> Ran {
    let backend = format!("sqlite:{}", folder.display());
    let arguments = [&["--backend", &backend, "doctor", "--output", "json"], arguments].concat();
    call(folder, &BTreeMap::new(), false, &arguments).await
}

fn rules(called: &Ran) -> Vec<String> {
    let report = called.json();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

async fn open(folder: &Path) -> Store {
    let store = Store::open(folder, StoreOptions::default()).unwrap();
    store.subscribe("email", &Filter::event_types(["app.assigned"])).await.unwrap();
    store
}

fn failure(consumer: &str) -> Failure {
    let at = at_millis(SystemClock.now());
    Failure {
        reason: "bad-template".into(),
        class: Class::Rejected,
        fingerprint: "bad-template-1".into(),
        consumer: consumer.into(),
        attempts: 1,
        first_at: at,
        last_at: at,
        error: "no".into(),
    }
}

fn event(clock: &dyn Clock) -> Outgoing {
    let id = |text: &str| text.parse().unwrap();
    let data = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id("bjorn"), assigned_by: id("grace") };
    let (source, tenant) = ("/tests".into(), "acme".parse().unwrap());
    let origin = Origin { source, tenant, correlation: None, causation: None, traceparent: None, hops: 0 };
    Envelope::new(data, origin, None, clock, &SystemRng::new()).encode().unwrap()
}

/// Lets a message end as a dead letter.
async fn dead(store: &Store, body: bytes::Bytes) {
    let queue = store.queue("email").await.unwrap();
    queue.send(&[NewMessage { body, ..NewMessage::default() }]).await[0].as_ref().unwrap();
    let taken = queue.receive(1, Duration::ZERO, Duration::from_secs(60)).await.unwrap().remove(0);
    queue.dead_letter(&[(taken, failure("email"))]).await[0].as_ref().unwrap();
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn sleep(&self, _: Duration) -> sendoff_events::BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn in_a_folder_with_a_fresh_dead_letter_nothing_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    dead(&store, event(&SystemClock).into_body()).await;
    store.queue("email").await.unwrap().send(&[NewMessage { body: "{}".into(), ..NewMessage::default() }]).await;
    // It is served as long as the store is open.
    let called = doctor(folder.path(), &[]).await;
    assert_eq!(rules(&called), Vec::<String>::new(), "{called:?}");
    assert_eq!(called.json()["not_checked"], json!([]), "{called:?}");
    store.shutdown().await;
    let called = doctor(folder.path(), &[]).await;
    assert_eq!((rules(&called), called.exit), (vec!["server-not-running".to_owned()], Exit::Failed), "{called:?}");
}

#[tokio::test]
async fn what_can_not_be_replayed_any_more_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let long_ago = At(SystemClock.now().checked_sub(Duration::from_secs(89 * 86_400 + 60)).unwrap());
    dead(&store, event(&long_ago).into_body()).await;
    let pointer = Pointer { bucket: store.blobs().bucket().to_owned(), key: "gone/1".parse().unwrap() };
    dead(&store, pointer.to_body().into()).await;
    let key: BlobKey = "there/1".parse().unwrap();
    store.blobs().put(&key, event(&SystemClock).into_body()).await.unwrap();
    let pointer = Pointer { bucket: store.blobs().bucket().to_owned(), key };
    dead(&store, pointer.to_body().into()).await;
    dead(&store, "\u{1}not even JSON".into()).await;
    let change = Change {
        position: Position("00000000000000000001".into()),
        key: RecordKey::new(&"acme".parse().unwrap(), "apps", "crm"),
        version: 1,
        actor: "grace".into(),
        at: at_millis(SystemClock.now()),
        old: None,
        new: Some(json!({ "name": "CRM" })),
    };
    store.changes().park("timeline", &change, &failure("timeline")).await.unwrap();
    store.queue("fax").await.unwrap().send(&[NewMessage { body: "{}".into(), ..NewMessage::default() }]).await;
    let called = doctor(folder.path(), &[]).await;
    let found = ["large-body-missing", "no-consumer", "older-than-the-inbox", "reaction-dead-letters"];
    assert_eq!(rules(&called), found, "{called:?}");
    assert!(called.out.contains("1 dead letters without"), "{called:?}");
    assert_eq!(rules(&doctor(folder.path(), &["fax"]).await), ["no-consumer"]);
    assert_eq!(rules(&doctor(folder.path(), &["timeline-dlq"]).await), ["reaction-dead-letters"]);
    let called = doctor(folder.path(), &["fox"]).await;
    assert!(called.exit == Exit::NothingMatched && called.err.contains("`fox`"), "{called:?}");
    let only = doctor(folder.path(), &["--rule", "no-consumer"]).await;
    assert_eq!((rules(&only), only.exit), (vec!["no-consumer".to_owned()], Exit::Partly));
    store.shutdown().await;
}

#[tokio::test]
async fn a_disk_that_is_full_is_found_and_one_that_nobody_can_measure_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let on = async |disk: Measure| {
        let session = Session { disk, ..session(folder.path(), &BTreeMap::new(), false) };
        let data = folder.path().to_str().unwrap();
        calls::call(session, &["--data", data, "doctor", "--output", "json"]).await
    };
    let full = on(|_| Ok((100 << 20, 100 << 30))).await;
    assert_eq!((rules(&full), full.exit), (vec!["disk-nearly-full".to_owned()], Exit::Failed), "{full:?}");
    let unknown = on(|_| Err("`df` can't be run: not found".into())).await;
    assert!(unknown.json()["not_checked"][0].to_string().contains("not found"), "{unknown:?}");
    assert_eq!(rules(&unknown), Vec::<String>::new());
    store.shutdown().await;
}

#[tokio::test]
async fn data_of_a_newer_version_is_a_finding_and_the_rest_is_told_as_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.shutdown().await;
    let file = Connection::open(folder.path().join("sendoff.db")).unwrap();
    file.pragma_update(None, "user_version", 999).unwrap();
    drop(file);
    let called = doctor(folder.path(), &[]).await;
    assert_eq!((rules(&called), called.exit), (vec!["unknown-version".to_owned()], Exit::Failed), "{called:?}");
    assert_eq!(called.json()["not_checked"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn the_rules_can_be_listed_without_a_deployment_and_one_that_there_is_not_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let listed = call(folder.path(), &BTreeMap::new(), false, &["doctor", "--list-rules"]).await;
    assert!(listed.exit == Exit::Done && listed.out.contains("retention-gap"), "{listed:?}");
    let called = call(folder.path(), &BTreeMap::new(), false, &["doctor", "--rule", "\u{1b}[2J"]).await;
    assert!(called.exit == Exit::Usage && !called.err.contains('\u{1b}'), "{called:?}");
}
