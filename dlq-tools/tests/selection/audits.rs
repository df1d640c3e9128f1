//! What people did by hand, as `dlq audit` shows it.

use sendoff_consumers::AuditNote;
use sendoff_host::Exit;

use super::Desk;

fn desk(entries: usize) -> Desk {
    let desk = Desk::new();
    let audit = desk.store.audit();
    for place in 1..=entries {
        let note = AuditNote {
            who: "grace".into(),
            action: "replay".into(),
            event: None,
            target: "email-dlq".into(),
            because: format!("reason {place}\u{1b}[2J"),
        };
        desk.runtime.block_on(audit.append(&note)).unwrap();
    }
    desk
}

#[test]
fn the_newest_entries_are_listed_in_their_order() {
    let desk = desk(7);
    let ran = desk.call(&["audit", "--limit", "2"]).expect(Exit::Done);
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ran.out);
    assert!(lines[1].starts_with("6    2026-11-26T03:00:00Z  grace  replay  email-dlq"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
    assert_eq!(desk.call(&["audit", "--output", "json"]).json().as_array().unwrap().len(), 7);
    assert_eq!(desk.call(&["audit", "--since", "1h", "--output", "ndjson"]).out.lines().count(), 7);
    desk.call(&["audit", "--since", "2027-01-01T00:00:00Z"]).expect(Exit::NothingMatched);
    // None are wanted: that says nothing of what there is.
    desk.call(&["audit", "--since", "1h", "--limit", "0"]).expect(Exit::Usage);
}

#[test]
fn a_digest_that_was_noted_proves_that_nothing_was_taken_away() {
    let desk = desk(5);
    let noted = desk.call(&["audit", "--verify"]).expect(Exit::Done).out.trim().to_owned();
    assert!(noted.ends_with("@5"), "{noted}");
    desk.call(&["audit", "--expect", &noted]).expect(Exit::Done);
    let later = noted.replace("@5", "@6");
    let cut = desk.call(&["audit", "--expect", &later]).expect(Exit::Failed);
    assert!(cut.err.contains("entry 6 was noted, but the last one is 5"), "{}", cut.err);
    let other = desk.call(&["audit", "--expect", &noted.replace("@5", "@4")]).expect(Exit::Failed);
    assert!(other.err.contains("entry 4 is another one than was noted"), "{}", other.err);
    for wrong in ["abc", "@1", "zz@1"] {
        desk.call(&["audit", "--expect", wrong]).expect(Exit::Usage);
    }
}

#[test]
fn an_entry_that_was_changed_is_named() {
    let desk = desk(5);
    desk.call(&["audit", "--verify"]).expect(Exit::Done);
    let file = rusqlite::Connection::open(desk.store.file()).unwrap();
    // Whoever can write to the file can also take the guard away.
    let guards: Vec<String> = file
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE '%audit%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    guards.iter().for_each(|guard| file.execute_batch(&format!("DROP TRIGGER {guard}")).unwrap());
    let table: String = file
        .query_row("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%audit%'", [], |row| row.get(0))
        .unwrap();
    let changed = file.execute(&format!("UPDATE {table} SET because = 'nothing' WHERE seq = 3"), []).unwrap();
    assert_eq!(changed, 1);
    let broken = desk.call(&["audit", "--verify"]).expect(Exit::Failed);
    assert!(broken.err.contains("the audit is broken at entry 3: it was changed"), "{}", broken.err);
}
