//! The writer: groups, and what a failing piece of work does to the others.

use std::sync::Arc;

use futures::future::join_all;
use rusqlite::params;
use sendoff_producers::{CommitError, Expected};
use serde_json::json;

use super::{Bench, key, message, write};
use crate::{StoreError, db::statements::Run as _};

#[tokio::test]
async fn many_commits_at_the_same_time_share_a_few_transactions() {
    let bench = Bench::new();
    let records = bench.store.records();
    let before = bench.store.write_stats();
    let commits = (0..400).map(|i| {
        let id = format!("app-{i}");
        records.commit(bench.work(vec![write(&id, Expected::Absent, Some(json!({})))], vec![]))
    });
    assert!(join_all(commits).await.iter().all(Result::is_ok));
    let after = bench.store.write_stats();
    assert_eq!(after.operations - before.operations, 400);
    let shared = after.commits - before.commits;
    assert!((1..=100).contains(&shared), "400 commits took {shared} transactions");
    assert_eq!(records.list(&super::tenant(), "apps", "", None, 1000).await.unwrap().records.len(), 400);
}

#[tokio::test]
async fn looking_for_messages_in_vain_costs_no_commit() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    let before = bench.store.write_stats();
    assert!(super::receive(&*queue, 10).await.is_empty());
    assert_eq!(bench.store.write_stats().commits, before.commits);
}

/// Three pieces of work that share a transaction, of which the middle one writes and then ends badly.
async fn one_of_three_ends_badly(bad: fn() -> rusqlite::Result<()>) -> (Bench, StoreError) {
    let bench = Bench::new();
    let db = Arc::clone(&bench.store.db);
    let insert = |name: &'static str, end: fn() -> rusqlite::Result<()>| {
        db.write_isolated(move |tx| {
            tx.run("INSERT INTO queues (name) VALUES (?1)", params![name])?;
            end()
        })
    };
    // The first piece of work blocks the writer until the three that are tested have gathered.
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let blocked = db.write(move |_| gate.recv().map_err(|_| rusqlite::Error::InvalidQuery));
    let opened = async move { open.send(()).unwrap() };
    let three = async { futures::join!(insert("one", || Ok(())), insert("two", bad), insert("three", || Ok(()))) };
    let (blocked, results, ()) = futures::join!(blocked, three, opened);
    blocked.unwrap();
    assert_eq!((results.0, results.2), (Ok(()), Ok(())));
    let names = db.read(|db| db.all("SELECT name FROM queues ORDER BY id", [], |row| row.get::<_, String>(0)));
    assert_eq!(names.await.unwrap(), ["one", "three"]);
    (bench, results.1.unwrap_err())
}

#[tokio::test]
async fn work_that_fails_takes_back_what_it_wrote_and_nothing_else() {
    let (_bench, error) = one_of_three_ends_badly(|| Err(rusqlite::Error::InvalidQuery)).await;
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
}

#[tokio::test]
async fn work_that_panics_takes_back_what_it_wrote_and_the_writer_lives_on() {
    let (bench, error) = one_of_three_ends_badly(|| panic!("out of luck")).await;
    assert!(error.to_string().contains("panicked and was rolled back: out of luck"), "{error}");
    bench.store.queue("still-alive").await.unwrap();
}

#[tokio::test]
async fn a_read_that_panics_leaves_the_readers_alive() {
    let bench = Bench::new();
    for _ in 0..4 {
        let error = bench.store.db.read::<(), _>(|_| panic!("out of luck")).await.unwrap_err();
        assert!(error.to_string().contains("out of luck"), "{error}");
    }
    assert_eq!(bench.store.records().get(&key("none")).await.unwrap(), None);
}

#[tokio::test]
async fn a_full_disk_answers_everyone_and_the_store_works_again_when_there_is_room() {
    let bench = Bench::new();
    let db = &bench.store.db;
    let pages = db.write(|tx| tx.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))).await.unwrap();
    // SQLite answers the same way when the file may not grow as when the disk is full.
    let limit = |pages: i64| db.write(move |tx| tx.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())));
    limit(pages).await.unwrap();
    let records = bench.store.records();
    let big = || json!({ "text": "x".repeat(20_000) });
    let commits =
        ["a", "b", "c"].map(|id| records.commit(bench.work(vec![write(id, Expected::Any, Some(big()))], vec![])));
    for result in join_all(commits).await {
        let error = result.unwrap_err();
        assert!(matches!(error, CommitError::NotCommitted(_)), "{error:?}");
        assert!(error.to_string().contains("sendoff.db: the disk is full. Nothing was written"), "{error}");
    }
    limit(1_000_000).await.unwrap();
    assert_eq!(records.get(&key("a")).await.unwrap(), None);
    records.commit(bench.work(vec![write("a", Expected::Absent, Some(big()))], vec![])).await.unwrap();
}

#[tokio::test]
async fn work_whose_caller_has_gone_is_done_all_the_same() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    let messages = [message("hello")];
    let held = bench.hold();
    let mut send = queue.send(&messages);
    assert!(futures::poll!(&mut send).is_pending());
    drop((send, held));
    // The writer works in order: what comes later proves that the former is done.
    bench.store.queue("later").await.unwrap();
    assert_eq!(super::receive(&*queue, 10).await.len(), 1);
}
