//! Data that an older Sendoff has written.

use std::path::Path;

use rusqlite::Connection;
use sendoff_consumers::{DeliveryId, DeliveryNews, DeliveryStatus, Resolution, RunStatus, StepState};
use sendoff_events::Clock as _;
use sendoff_producers::Expected;
use serde_json::json;
use tempfile::TempDir;

use super::{Bench, doubts::doubted, key, open, write};
use crate::{Decision, OpenError, Settled, Store, StoreOptions, db::migrations};

/// The tables of version 1.
const FIRST: &str = include_str!("../../migrations/0001_the_first_tables.sql");

/// Every table of theirs that rows are taken over into, those first that others refer to.
const TABLES: [&str; 9] =
    ["records", "requests", "changes", "cursors", "events", "queues", "subscriptions", "messages", "inbox"];

/// A folder whose file has the tables of version 1 and nothing else, with the rows of `bench`.
fn first_version_of(bench: &Bench) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let db = Connection::open(folder.path().join("sendoff.db")).unwrap();
    db.execute_batch(FIRST).unwrap();
    db.pragma_update(None, "application_id", migrations::APPLICATION_ID).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    db.execute("ATTACH ?1 AS newer", [bench.store.file().to_str().unwrap()]).unwrap();
    db.execute_batch(
        "INSERT INTO runs VALUES ('r1', 'acme', 'welcome', 2, '[\"mail\"]', '{\"app_id\":\"crm\"}', 'succeeded', '[]', 7)",
    )
    .unwrap();
    for table in TABLES {
        let columns: String = db
            .query_row("SELECT group_concat(name) FROM pragma_table_info(?1, 'main')", [table], |row| row.get(0))
            .unwrap();
        db.execute(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}"), []).unwrap();
    }
    folder
}

fn version(folder: &Path) -> i32 {
    let db = Connection::open(folder.join("sendoff.db")).unwrap();
    db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_file_of_version_1_is_brought_up_to_date_with_all_that_is_in_it() {
    let bench = Bench::new();
    let work = bench.work(vec![write("crm", Expected::Absent, Some(json!({ "n": 1 })))], vec![]);
    bench.store.records().commit(work).await.unwrap();
    let (_, record) = doubted(&bench, &[("ada", StepState::InDoubt)]).await;
    let folder = first_version_of(&bench);
    assert_eq!(version(folder.path()), 1);

    let options = StoreOptions { clock: bench.clock.clone(), ..StoreOptions::default() };
    let store = Store::open(folder.path(), options).unwrap();
    assert_eq!(version(folder.path()), migrations::VERSION);
    assert_eq!(store.records().get(&key("crm")).await.unwrap().unwrap().data, json!({ "n": 1 }));
    let run = store.runs().load("r1").await.unwrap().unwrap().run;
    assert_eq!((run.status, run.started.app.as_str(), run.started.version), (RunStatus::Succeeded, "crm", 2));
    assert_eq!(run.ended_at, Some(run.started_at));
    let id = DeliveryId::new(record.key.clone(), "ada");
    let found: Vec<_> = store.doubts().await.unwrap().into_iter().map(|doubt| doubt.id).collect();
    assert_eq!(found, std::slice::from_ref(&id), "what was in doubt is found by the new index");

    let (at, provider) = (bench.clock.now(), "twilio".to_owned());
    let news = DeliveryNews { status: DeliveryStatus::Delivered, provider, provider_id: None, reason: None, at };
    store.deliveries().tell(&id, &news, at).await.unwrap();
    assert_eq!(store.deliveries().get(&id).await.unwrap(), Some(news));
    let resolution = Resolution::Sent { provider_id: None };
    let decision = Decision { id: id.clone(), resolution, who: "grace".into(), because: "she has it".into() };
    assert_eq!(store.settle_doubt(decision).await, Ok(Settled::GoesOn));
    let audit = store.audit().entries(0, 10).await.unwrap();
    assert_eq!((audit.len(), &*audit[0].note.target), (1, &*id.to_string()));
    drop(store);
    let again = open(folder.path()).unwrap();
    assert_eq!(again.audit().entries(0, 10).await.unwrap(), audit, "it is brought up to date once");
}

#[tokio::test]
async fn a_file_of_version_1_that_is_only_looked_at_stays_as_it_is_and_says_what_to_do() {
    let folder = first_version_of(&Bench::new());
    let guest = Store::open_beside(folder.path(), StoreOptions::default()).err().unwrap();
    for error in [Store::open_read_only(folder.path(), StoreOptions::default()).err().unwrap(), guest] {
        assert!(matches!(error, OpenError::Older { found: 1, known: migrations::VERSION, .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains("the data has version 1") && told.contains("Start `sendoff` once"), "{told}");
    }
    assert_eq!(version(folder.path()), 1);
}
