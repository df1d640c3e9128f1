//! Everything that can be wrong with the data file.

use std::{fs, time::Duration};

use rusqlite::Connection;
use sendoff_consumers::{
    Claim, Claimed, Class, FAILURE_ATTRIBUTE, Failure, IdempotencyKey, InboxError, InboxRecord, NewMessage, Position,
    Status,
};
use sendoff_events::{Clock as _, EventId};
use sendoff_producers::Expected;
use serde_json::{Value, json};

use super::{Bench, filled, key, message, open, receive, refusal, write};
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

fn failure_of(letter: &sendoff_consumers::DeadLetter) -> Failure {
    serde_json::from_str(&letter.attributes[FAILURE_ATTRIBUTE]).unwrap()
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_dead_lettered_as_it_is_and_the_others_go_on() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    let attributes = [("type".to_owned(), "x".to_owned())].into();
    for sent in [message("one"), NewMessage { attributes, ..message("two") }, message("three"), message("four")] {
        queue.send(&[sent]).await.remove(0).unwrap();
    }
    for broken in [
        r#"UPDATE messages SET attributes = '{"type":7}' WHERE body = CAST('two' AS BLOB)"#,
        "UPDATE messages SET attributes = CAST(x'ff' AS TEXT) WHERE body = CAST('three' AS BLOB)",
    ] {
        assert_eq!(bench.connection().execute(broken, []).unwrap(), 1);
    }
    let bodies: Vec<_> = receive(&*queue, 10).await.into_iter().map(|delivery| delivery.body).collect();
    assert_eq!(bodies, ["one", "four"]);

    let letters = bench.letters("email-dlq").await;
    let shown: Vec<_> = letters.iter().map(|l| (&*l.body, &*l.attributes["damaged-attributes"])).collect();
    assert_eq!(shown, [(&b"two"[..], r#"{"type":7}"#), (b"three", "\u{fffd}")]);
    let failure = failure_of(&letters[0]);
    assert_eq!((&*failure.reason, failure.class, &*failure.consumer), ("message-damaged", Class::Undecodable, "email"));
    assert!(failure.error.contains("its attributes can't be read"), "{}", failure.error);
    assert_eq!(queue.depth().await.unwrap().dead, 2);
}

#[tokio::test]
async fn a_message_of_an_event_that_cannot_be_read_is_dead_lettered_with_what_can() {
    let bench = Bench::new();
    let queue = bench.subscribed("email").await;
    let events = [bench.event("crm", None), bench.event("hr", None)];
    bench.store.publisher().publish(&events).await;
    bench.connection().execute("UPDATE events SET type = CAST(x'ff' AS TEXT) WHERE seq = 1", []).unwrap();
    assert_eq!(receive(&*queue, 10).await[0].body, events[1].body());
    let letter = bench.letters("email-dlq").await.remove(0);
    assert_eq!((&letter.body, &*letter.attributes["tenant"]), (events[0].body(), "acme"));
    assert!(failure_of(&letter).error.contains("the type of its event"), "{letter:?}");
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_read_hides_no_other_and_can_be_taken_and_deleted() {
    let bench = Bench::new();
    let (queue, letters) = (bench.store.queue("email").await.unwrap(), bench.store.dead_letter_queues());
    queue.send(&[message("one"), message("two")]).await.remove(0).unwrap();
    let entries: Vec<_> = receive(&*queue, 2).await.into_iter().map(|d| (d, super::failure("bad-template"))).collect();
    queue.dead_letter(&entries).await.remove(0).unwrap();
    let broken = "UPDATE messages SET attributes = 'no JSON', types = '[]', message_group = CAST(x'ff' AS TEXT)
        WHERE body = CAST('one' AS BLOB)";
    assert_eq!(bench.connection().execute(broken, []).unwrap(), 1);

    let read = bench.letters("email-dlq").await;
    assert_eq!((read.len(), &*failure_of(&read[0]).reason), (2, "bad-template"));
    assert_eq!((&*read[0].attributes["damaged-attributes"], &*read[0].attributes["damaged-types"]), ("no JSON", "[]"));
    let dlq = bench.store.queue("email-dlq").await.unwrap();
    assert_eq!(receive(&*dlq, 10).await.len(), 2);
    bench.clock.advance(super::LEASE);
    let taken = letters.take("email-dlq", 10, Duration::from_secs(9)).await.unwrap();
    assert_eq!(taken.len(), 2);
    assert_eq!(letters.delete("email-dlq", &[taken[0].receipt.clone()]).await, [Ok(())]);
}

#[tokio::test]
async fn a_change_that_cannot_be_read_is_put_aside_in_its_turn_and_those_after_it_go_on() {
    let bench = Bench::new();
    let (changes, records) = (bench.store.changes(), bench.store.records());
    for (id, n) in [("crm", 1), ("crm", 2), ("hr", 3), ("crm", 4)] {
        let writes = vec![write(id, Expected::Any, Some(json!({ "n": n })))];
        records.commit(bench.work(writes, Vec::new())).await.unwrap();
    }
    for broken in [
        "UPDATE changes SET new = '{' WHERE seq = 2",
        "UPDATE changes SET tenant = 'No tenant!', actor = CAST(x'ff' AS TEXT) WHERE seq = 3",
    ] {
        assert_eq!(bench.connection().execute(broken, []).unwrap(), 1);
    }
    let read = async || changes.read("timeline", 10, Duration::ZERO).await.unwrap();
    let first = read().await;
    assert_eq!(first.iter().map(|change| change.version).collect::<Vec<_>>(), [1]);
    assert_eq!(read().await, first, "what stands before it isn't dealt with yet");
    assert!(bench.store.queue("timeline-dlq").await.is_err(), "and so it isn't its turn");

    changes.checkpoint("timeline", &first[0].position).await.unwrap();
    for _ in 0..2 {
        assert_eq!(read().await.iter().map(|change| change.new.clone()).collect::<Vec<_>>(), [Some(json!({ "n": 4 }))]);
    }
    let letters = bench.letters("timeline-dlq").await;
    let bodies: Vec<Value> = letters.iter().map(|letter| serde_json::from_slice(&letter.body).unwrap()).collect();
    assert_eq!(bodies.len(), 2, "each once");
    assert_eq!(
        (&bodies[0]["id"], &bodies[0]["new"], &bodies[0]["old"]),
        (&json!("crm"), &json!("{"), &json!({ "n": 1 }))
    );
    assert_eq!((&bodies[1]["tenant"], &bodies[1]["actor"]), (&json!("No tenant!"), &json!("\u{fffd}")));
    assert_eq!(bodies[1]["position"], json!(Position(format!("{:020}", 3)).0));
    let failure = failure_of(&letters[0]);
    assert_eq!(
        (&*failure.reason, failure.class, &*failure.consumer),
        ("record-damaged", Class::Undecodable, "timeline")
    );
    // Others read them for themselves.
    assert_eq!(changes.read("cache", 10, Duration::ZERO).await.unwrap().len(), 1);
}
