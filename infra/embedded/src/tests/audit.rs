//! The chain of what people did by hand, with entries from before there was one.

use rusqlite::{Connection, params};
use sendoff_consumers::{AuditDigest, AuditNote, check_chain};
use sendoff_events::Clock as _;

use super::Bench;
use crate::{Store, StoreOptions};

fn note(target: &str) -> AuditNote {
    AuditNote {
        who: "grace".into(),
        action: "replay".into(),
        event: None,
        target: target.into(),
        because: "the template is mended".into(),
    }
}

/// An entry as it was written before there were digests.
fn old_entry(db: &Connection, target: &str) {
    let add = "INSERT INTO audit (at, who, action, target, because) VALUES (?1, 'ada', 'doubt-sent', ?2, 'the log')";
    db.execute(add, params![1_700_000_000_123_i64, target]).unwrap();
}

#[tokio::test]
async fn entries_from_before_the_chain_are_part_of_it_on_every_page() {
    let bench = Bench::new();
    for target in ["a", "b", "c"] {
        old_entry(&bench.connection(), target);
    }
    let audit = bench.store.audit();
    for target in ["d", "e"] {
        let entry = audit.append(&note(target)).await.unwrap();
        assert_eq!((entry.at, &entry.note), (bench.clock.now(), &note(target)));
    }
    let all = audit.entries(0, 100).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.note.target.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    assert_eq!(check_chain(AuditDigest::NONE, 1, &all), Ok(()));
    for (after, max) in [(0, 2), (1, 1), (1, 3), (2, 9), (3, 1), (4, 9)] {
        let until = (after + max).min(all.len());
        assert_eq!(audit.entries(after as u64, max).await.unwrap(), all[after..until], "after {after}, {max}");
    }
    assert_eq!(audit.entries(5, 9).await.unwrap(), []);
}

#[tokio::test]
async fn nothing_in_it_can_be_changed_and_a_change_around_the_guards_shows() {
    let bench = Bench::new();
    let audit = bench.store.audit();
    for target in ["a", "b", "c"] {
        audit.append(&note(target)).await.unwrap();
    }
    let db = bench.connection();
    for change in ["UPDATE audit SET because = ''", "DELETE FROM audit"] {
        assert!(db.execute(change, []).unwrap_err().to_string().contains("only be added to"), "{change}");
    }
    db.execute_batch("DROP TRIGGER audit_is_not_changed; UPDATE audit SET who = 'mallory' WHERE seq = 2").unwrap();
    let all = audit.entries(0, 100).await.unwrap();
    assert_eq!(check_chain(AuditDigest::NONE, 1, &all).unwrap_err().seq, 2);
}

#[tokio::test]
async fn an_entry_without_a_digest_is_old_only_before_all_that_have_one() {
    let bench = Bench::new();
    let audit = bench.store.audit();
    let db = bench.connection();
    let broken = async |at: u64| {
        // Neither the page that it is read on nor what comes later hides it.
        for (after, max) in [(0, 100), (at - 1, 1), (at - 1, 100)] {
            let page = audit.entries(after, max).await.unwrap();
            let before = match after {
                0 => AuditDigest::NONE,
                _ => audit.entries(after - 1, 1).await.unwrap()[0].digest,
            };
            let broken = check_chain(before, after + 1, &page).unwrap_err();
            assert!(broken.seq == at && broken.why.contains("no digest"), "{after} {max}: {broken}");
        }
    };
    old_entry(&db, "a");
    for target in ["b", "c"] {
        audit.append(&note(target)).await.unwrap();
    }
    let all = audit.entries(0, 100).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.is_sealed).collect::<Vec<_>>(), [false, true, true]);
    old_entry(&db, "forged");
    broken(4).await;
    audit.append(&note("e")).await.unwrap();
    broken(4).await;
    db.execute_batch(
        "DROP TRIGGER audit_is_not_changed; UPDATE audit SET digest = NULL, previous = NULL WHERE seq > 2",
    )
    .unwrap();
    broken(3).await;
}

#[tokio::test]
async fn guests_and_the_server_append_to_one_chain() {
    let bench = Bench::new();
    let beside = || {
        let options = StoreOptions { clock: bench.clock.clone(), ..StoreOptions::default() };
        Store::open_beside(bench.folder.path(), options).unwrap()
    };
    let stores = [bench.store.clone(), beside(), beside()];
    let appends = (0..30).map(|place| {
        let audit = stores[place % 3].audit();
        tokio::spawn(async move { audit.append(&note(&place.to_string())).await.unwrap() })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap();
    }
    let all = bench.store.audit().entries(0, 100).await.unwrap();
    assert_eq!(all.len(), 30);
    assert_eq!(check_chain(AuditDigest::NONE, 1, &all), Ok(()));
}
