//! The journal's file.

use std::path::Path;

use sendoff_dlq_tools::run::journal::{FileJournal, Journal as _, JournalError, Line, Step, read};
use sendoff_events::Timestamp;

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
