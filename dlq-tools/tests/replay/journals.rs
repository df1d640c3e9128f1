//! The files of a run: its journal, and the leases beside it.

use std::path::Path;

use sendoff_consumers::{Receipt, TakenLetter};
use sendoff_dlq_tools::run::{
    journal::{FileJournal, Journal as _, JournalError, Line, Step, read},
    leases::{FileLeases, Lease, Leases as _},
};
use sendoff_events::Timestamp;

use super::drafts::{letter, message_id};

fn line(n: u32) -> Line {
    Line { at: Timestamp::UNIX_EPOCH, step: Step::Intent { n: vec![n] } }
}

fn lines(path: &Path) -> Result<(Vec<Line>, u64), JournalError> {
    let mut lines = Vec::new();
    let whole = read(path, |line| lines.push(line))?;
    Ok((lines, whole))
}

#[test]
fn a_torn_last_line_counts_as_not_written_wherever_it_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.ndjson");
    let journal = FileJournal::open(&path, 0).unwrap();
    (0..3).for_each(|n| futures::executor::block_on(journal.write(line(n))).unwrap());
    drop(journal);
    let text = std::fs::read(&path).unwrap();
    let last = text.len() / 3 * 2;
    for torn in last..text.len() {
        std::fs::write(&path, &text[..torn]).unwrap();
        let (found, whole) = lines(&path).unwrap();
        assert_eq!((found, whole), (vec![line(0), line(1)], last as u64));
        let journal = FileJournal::open(&path, whole).unwrap();
        futures::executor::block_on(journal.write(line(9))).unwrap();
        drop(journal);
        assert_eq!(lines(&path).unwrap().0, [line(0), line(1), line(9)]);
    }
}

#[test]
fn a_line_that_is_broken_in_the_middle_stops_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.ndjson");
    let whole = serde_json::to_string(&line(1)).unwrap();
    std::fs::write(&path, format!("{whole}\nbroken\n{whole}\n")).unwrap();
    assert!(matches!(lines(&path), Err(JournalError::Damaged { line: 2, .. })));
}

fn taken(n: usize) -> TakenLetter {
    TakenLetter { receipt: Receipt::new(format!("{n}/1")), letter: letter(n) }
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn of_a_lease_what_was_said_last_counts_and_a_torn_line_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leases.ndjson");
    let leases = FileLeases::new(&path);
    leases.took(&[taken(1), taken(2)], after(60));
    leases.end(&[Receipt::new("1/1")], after(5));
    leases.took(&[taken(3)], after(60));
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 3]).unwrap();
    let known = FileLeases::new(&path).known();
    let lease = |n, until| Lease { message_id: Some(message_id(n)), receipt: taken(n).receipt, until };
    assert_eq!(known, [lease(1, after(5)), lease(2, after(60))]);
    leases.forget();
    assert_eq!(FileLeases::new(&path).known(), []);
}

#[test]
fn leases_of_a_long_run_take_a_bounded_place_and_the_latest_stay_known() {
    const COUNT: usize = 30_000;
    let folder = tempfile::tempdir().unwrap();
    let leases = FileLeases::new(&folder.path().join("leases.ndjson"));
    // As long as those of SQS.
    let long = |n| TakenLetter { receipt: Receipt::new(format!("{n:0400}")), letter: letter(n) };
    let all: Vec<_> = (0..COUNT).map(long).collect();
    all.chunks(500).for_each(|batch| leases.took(batch, after(60)));
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    let size: u64 = files.sum();
    assert!(size < 9 << 20, "{size} bytes");
    let known = leases.known();
    assert!(known.len() < COUNT, "not all of them are kept");
    let latest = all[COUNT - 4000..].iter().map(|taken| &taken.receipt);
    let known: std::collections::HashSet<_> = known.iter().map(|lease| &lease.receipt).collect();
    assert!(latest.into_iter().all(|receipt| known.contains(receipt)));
}
