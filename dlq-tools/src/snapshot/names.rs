//! Where snapshots are kept, and which is the newest.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use sendoff_events::Timestamp;

use super::{Snapshot, SnapshotError};

const EXTENSION: &str = ".db";
/// `20261126T030000Z`
const MOMENT: usize = 16;

/// The folder of snapshots in a work folder.
#[must_use]
pub fn folder(work: &Path) -> PathBuf {
    work.join("snapshots")
}

/// The file of a new snapshot of this queue that is begun now: one that isn't there yet, so it is named after a later second when
/// there is one of this second.
#[must_use]
pub fn file(work: &Path, queue: &str, now: Timestamp) -> PathBuf {
    let named =
        |at: Timestamp| folder(work).join(format!("{}-{}{EXTENSION}", as_name(queue), at.strftime("%Y%m%dT%H%M%SZ")));
    let later = |seconds: u64| now.checked_add(Duration::from_secs(seconds)).map(named).ok();
    (0..60).filter_map(later).find(|path| !path.exists()).unwrap_or_else(|| named(now))
}

/// The files that are snapshots of this queue by their names, the newest first.
///
/// # Errors
///
/// When the folder can't be read.
pub fn of_queue(work: &Path, queue: &str) -> Result<Vec<PathBuf>, SnapshotError> {
    let folder = folder(work);
    let failed = |source| SnapshotError::Io { path: folder.clone(), source };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let prefix = format!("{}-", as_name(queue));
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        // `email` is no `email-dlq`: after the queue's name there is a moment and nothing else.
        if name
            .strip_prefix(&prefix)
            .is_some_and(|rest| rest.len() == MOMENT + EXTENSION.len() && rest.ends_with(EXTENSION))
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names.iter().rev().map(|name| folder.join(name)).collect())
}

/// The newest snapshot of this queue of this deployment that was taken to its end and whole, or with `unfinished` the newest that wasn't
/// taken to its end.
/// What can't be opened is passed over.
///
/// # Errors
///
/// When the folder can't be read.
pub fn newest(work: &Path, deployment: &str, queue: &str, unfinished: bool) -> Result<Option<Snapshot>, SnapshotError> {
    for path in of_queue(work, queue)? {
        let Ok(snapshot) = Snapshot::open(&path) else { continue };
        let taken = snapshot.taken();
        if (&*taken.deployment, &*taken.queue) == (deployment, queue)
            && taken.ended_at.is_none() == unfinished
            && !taken.is_cut_off
        {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

/// A queue's name as a part of a file's.
pub(crate) fn as_name(queue: &str) -> String {
    queue.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect()
}
