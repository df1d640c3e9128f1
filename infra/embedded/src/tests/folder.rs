//! The data folder: who serves it, who looks at it, and what is left of it.

use std::{fs, path::Path};

use sendoff_producers::Expected;
use serde_json::json;

use super::{Bench, filled, key, message, open, receive, refusal, write};
use crate::{Holder, LOAD_MARK, OpenError, Store, StoreError, StoreOptions};

#[tokio::test]
async fn a_second_process_is_refused_by_name_until_the_first_one_ends() {
    let bench = Bench::new();
    let error = refusal(bench.folder.path());
    assert!(
        matches!(error, OpenError::Locked { holder: Holder(Some(pid)), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains("is using this data folder. Stop it first"), "{error}");
    bench.store.shutdown().await;
    open(bench.folder.path()).unwrap();
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let bench = Bench::new();
    let records = bench.store.records();
    records.commit(bench.work(vec![write("crm", Expected::Absent, Some(json!({"n": 1})))], vec![])).await.unwrap();
    bench.store.queue("email").await.unwrap().send(&[message("hello")]).await[0].as_ref().unwrap();
    drop(records);
    let bench = bench.reopen();
    assert_eq!(bench.store.records().get(&key("crm")).await.unwrap().unwrap().data, json!({"n": 1}));
    assert_eq!(receive(&*bench.store.queue("email").await.unwrap(), 10).await[0].body, "hello");
}

#[tokio::test]
async fn after_a_shutdown_the_log_is_written_back_and_every_call_says_closed() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("hello")]).await[0].as_ref().unwrap();
    bench.store.shutdown().await;
    assert!(!bench.folder.path().join("sendoff.db-wal").exists());
    assert_eq!(bench.store.queue("email").await.err(), Some(StoreError::Closed));
    let error = queue.send(&[message("late")]).await.remove(0).unwrap_err();
    assert!(error.to_string().contains("the store was shut down"), "{error}");
    bench.store.shutdown().await;
}

#[tokio::test]
async fn a_port_that_outlives_its_store_keeps_the_folder_open() {
    let Bench { store, folder, .. } = Bench::new();
    let queue = store.queue("email").await.unwrap();
    drop(store);
    assert!(matches!(refusal(folder.path()), OpenError::Locked { .. }));
    queue.send(&[message("hello")]).await[0].as_ref().unwrap();
    drop(queue);
    assert_eq!(receive(&*open(folder.path()).unwrap().queue("email").await.unwrap(), 1).await.len(), 1);
}

#[tokio::test]
async fn a_reader_sees_what_the_serving_process_commits_and_can_write_nothing() {
    let bench = Bench::new();
    let queue = bench.subscribed("email").await;
    let reader = Store::open_read_only(bench.folder.path(), StoreOptions::default()).unwrap();
    let event = bench.event("crm", None);
    bench.store.publisher().publish(std::slice::from_ref(&event)).await[0].as_ref().unwrap();
    assert_eq!(reader.event(event.id()).await.unwrap().unwrap().body, event.body());
    assert_eq!(reader.queue("email").await.unwrap().depth().await.unwrap().visible, 1);
    assert_eq!(reader.subscribe("email", &sendoff_consumers::Filter::default()).await, Err(StoreError::ReadOnly));
    assert_eq!(reader.queue("new").await.err(), Some(StoreError::ReadOnly));
    assert_eq!(receive(&*queue, 10).await.len(), 1);
}

#[tokio::test]
async fn a_reader_needs_no_serving_process_but_does_need_data() {
    let (folder, _) = filled().await;
    assert_eq!(Store::open_read_only(folder.path(), StoreOptions::default()).unwrap().last_event().await.unwrap(), 50);
    let empty = tempfile::tempdir().unwrap();
    let error = Store::open_read_only(empty.path(), StoreOptions::default()).err().unwrap();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(fs::read_dir(empty.path()).unwrap().next().is_none(), "looking creates nothing");
}

#[tokio::test]
async fn a_folder_of_a_load_test_is_an_ordinary_one_as_soon_as_it_is_served() {
    let (folder, _) = filled().await;
    let mark = folder.path().join(LOAD_MARK);
    fs::write(&mark, "").unwrap();
    // Who only looks, or is a guest, sends nothing.
    drop(Store::open_read_only(folder.path(), StoreOptions::default()).unwrap());
    drop(Store::open_beside(folder.path(), StoreOptions::default()).unwrap());
    assert!(mark.exists());
    open(folder.path()).unwrap();
    assert!(!mark.exists());
}

#[test]
fn a_folder_that_cannot_be_created_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    let error = refusal(&blocked.join("data"));
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_folder_and_its_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let store = open(&folder).unwrap();
    store.queue("email").await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.len() >= 4, "{names:?}");
    assert!(names.iter().all(|path| mode(path) == 0o600), "{names:?}");
}
