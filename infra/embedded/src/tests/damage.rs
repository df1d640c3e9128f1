//! Everything that can be wrong with the data file.

use std::fs;

use rusqlite::Connection;
use sendoff_consumers::{Claim, Claimed, IdempotencyKey, InboxError, InboxRecord, Status};
use sendoff_events::{Clock as _, EventId};
use sendoff_producers::Expected;
use serde_json::json;

use super::{Bench, filled, key, open, refusal, write};
use crate::{OpenError, Store, StoreOptions, db::migrations};

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_with_both_versions_and_left_as_it_is() {
    let (folder, file) = filled().await;
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&file).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(error, OpenError::Newer { found: 99, known: migrations::VERSION, .. }), "{error}");
    let text = error.to_string();
    let told =
        format!("sendoff.db: the data has version 99, and this program knows versions up to {}", migrations::VERSION);
    assert!(text.contains(&told), "{text}");
    assert!(text.contains("Use the newer Sendoff"), "{text}");
    assert!(fs::read(&file).unwrap() == before);
    assert!(matches!(Store::open_read_only(folder.path(), StoreOptions::default()), Err(OpenError::Newer { .. })));
}

#[test]
fn the_data_of_another_program_is_refused_and_left_as_it_is() {
    for marked in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sendoff.db");
        let other = Connection::open(&file).unwrap();
        other.execute_batch("CREATE TABLE cookies (name TEXT)").unwrap();
        if marked {
            other.pragma_update(None, "application_id", 0x1234).unwrap();
        }
        drop(other);
        let before = fs::read(&file).unwrap();
        let error = refusal(folder.path());
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        assert!(fs::read(&file).unwrap() == before);
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    for content in ["Hello!", "x", &"SQLite format 2\0".repeat(1000)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sendoff.db");
        fs::write(&file, content).unwrap();
        let error = refusal(folder.path());
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
        assert!(error.to_string().contains("sendoff.db: this is not a SQLite file"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_anywhere_is_refused_with_both_sizes() {
    let (folder, file) = filled().await;
    let whole = fs::read(&file).unwrap();
    let size = whole.len();
    for cut in [1, 15, 16, 17, 50, 99, 100, 101, 4095, 4096, 4097, size / 2, size - 4096, size - 1] {
        fs::write(&file, &whole[..cut]).unwrap();
        let error = refusal(folder.path());
        assert!(matches!(error, OpenError::Truncated { found, .. } if found == cut as u64), "{cut}: {error}");
        assert!(error.to_string().contains(&format!("it has {cut} bytes of ")), "{error}");
        assert!(
            matches!(Store::open_read_only(folder.path(), StoreOptions::default()), Err(OpenError::Truncated { .. })),
            "{cut}"
        );
        assert_eq!(fs::metadata(&file).unwrap().len(), cut as u64, "it is left as it is");
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(open(folder.path()).unwrap().last_event().await.unwrap(), 50);
}

/// A folder as a killed process leaves it: the last commits are only in the log.
async fn killed() -> tempfile::TempDir {
    let bench = Bench::new();
    let commit = async |i: usize| {
        let writes = vec![write(&format!("app-{i}"), Expected::Absent, Some(json!({ "text": "x".repeat(9000) })))];
        bench.store.records().commit(bench.work(writes, vec![bench.event("crm", None)])).await.unwrap();
    };
    for i in 0..20 {
        commit(i).await;
    }
    bench.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    for i in 20..40 {
        commit(i).await;
    }
    let left = tempfile::tempdir().unwrap();
    for name in ["sendoff.db", "sendoff.db-wal"] {
        fs::copy(bench.folder.path().join(name), left.path().join(name)).unwrap();
    }
    left
}

#[tokio::test]
async fn what_a_killed_process_had_committed_is_there_again() {
    let left = killed().await;
    assert_eq!(Store::open_read_only(left.path(), StoreOptions::default()).unwrap().last_event().await.unwrap(), 40);
    let store = open(left.path()).unwrap();
    assert_eq!(store.last_event().await.unwrap(), 40);
    assert!(store.records().get(&key("app-39")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_cut_off_file_is_refused_even_when_a_log_stands_beside_it() {
    let left = killed().await;
    let file = left.path().join("sendoff.db");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 40_000]).unwrap();
    let error = refusal(left.path());
    assert!(matches!(error, OpenError::Truncated { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_is_short_because_its_log_was_being_written_back_is_whole() {
    let left = killed().await;
    let (file, log) = (left.path().join("sendoff.db"), left.path().join("sendoff.db-wal"));
    let (before, log_before) = (fs::read(&file).unwrap(), fs::read(&log).unwrap());
    Connection::open(&file).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    // The first page is written back first: it counts pages that are only in the log as yet.
    let mut half = before.clone();
    half[..4096].copy_from_slice(&fs::read(&file).unwrap()[..4096]);
    fs::write(&file, half).unwrap();
    fs::write(&log, log_before).unwrap();
    assert_eq!(open(left.path()).unwrap().last_event().await.unwrap(), 40);
}

#[test]
fn an_empty_file_is_a_fresh_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sendoff.db"), "").unwrap();
    open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_damaged_page_is_told_with_the_file_and_what_to_do() {
    let (folder, file) = filled().await;
    let mut bytes = fs::read(&file).unwrap();
    // All pages but the first, which says what is where.
    bytes[4096..].fill(0xab);
    fs::write(&file, bytes).unwrap();
    let message = match open(folder.path()) {
        Err(error) => error.to_string(),
        Ok(store) => store.records().get(&key("app-7")).await.unwrap_err().to_string(),
    };
    assert!(message.contains("sendoff.db: the data file is damaged"), "{message}");
    assert!(message.contains("restore a backup"), "{message}");
}

#[tokio::test]
async fn an_inbox_record_that_cannot_be_read_is_in_doubt_and_hides_no_other() {
    let bench = Bench::new();
    let inbox = bench.store.inbox();
    let claim = |n, fence, replay| Claim {
        key: IdempotencyKey::new("email", EventId::from_bytes([n; 16])),
        fence,
        payload_hash: [0; 32],
        replay,
        now: bench.clock.now(),
        lease_until: bench.clock.now(),
        reconcile: false,
    };
    for n in [1, 2] {
        let Ok(Claimed::Won(record)) = inbox.claim(&claim(n, 7, 0)).await else { panic!("it is new") };
        inbox.write(&InboxRecord { status: Status::Failed, revision: 1, ..record }).await.unwrap();
    }
    let broken = "UPDATE inbox SET steps = '{' WHERE event = x'01010101010101010101010101010101'";
    assert_eq!(bench.connection().execute(broken, []).unwrap(), 1);
    let Ok(Claimed::Settled(found)) = inbox.claim(&claim(1, 8, 3)).await else { panic!("nobody may run it") };
    assert_eq!((found.status, found.history[0].reason.as_str()), (Status::InDoubt, "record-damaged"));
    assert!(found.history[0].error.contains("column"), "{}", found.history[0].error);
    assert_eq!(inbox.get(&claim(1, 8, 0).key).await.unwrap(), Some(found.clone()));
    assert_eq!(inbox.write(&found).await, Err(InboxError::Lost), "nothing is written over it");
    assert!(matches!(inbox.claim(&claim(2, 8, 1)).await, Ok(Claimed::Won(_))));
}
