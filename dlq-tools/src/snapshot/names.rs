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
const FORM: &str = "%Y%m%dT%H%M%SZ";
const MOMENT: usize = 16;

/// The folder of snapshots in a work folder.
#[must_use]
pub fn folder(work: &Path) -> PathBuf {
    work.join("snapshots")
}

/// The file of a new snapshot of this queue that is begun now. Whatever is newest is found by its name, so it is named after the second
/// behind that of the newest there is, when that is of this one, or was taken while the clock was ahead.
#[must_use]
pub fn file(work: &Path, queue: &str, now: Timestamp) -> PathBuf {
    let newest = of_queue(work, queue).unwrap_or_default().into_iter().next();
    let moment = newest.and_then(|path| moment(&path.file_name()?.to_string_lossy()));
    let next = moment.and_then(|moment| moment.checked_add(Duration::from_secs(1)).ok());
    let at = next.map_or(now, |next| next.max(now));
    folder(work).join(format!("{}-{}{EXTENSION}", as_name(queue), at.strftime(FORM)))
}

/// The moment that a snapshot is named after.
fn moment(name: &str) -> Option<Timestamp> {
    let (_, moment) = name.strip_suffix(EXTENSION)?.rsplit_once('-')?;
    let moment = jiff::civil::DateTime::strptime(FORM, moment).ok()?;
    moment.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|moment| moment.timestamp())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_snapshot_is_named_after_all_that_there_are() {
        let work = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder(work.path())).unwrap();
        let next = |now: &str| {
            let path = file(work.path(), "email-dlq", now.parse().unwrap());
            std::fs::write(&path, "").unwrap();
            path.file_name().unwrap().to_string_lossy().into_owned()
        };
        assert_eq!(next("2026-11-26T13:00:00Z"), "email-dlq-20261126T130000Z.db");
        assert_eq!(next("2026-11-26T13:00:00.9Z"), "email-dlq-20261126T130001Z.db");
        assert_eq!(next("2026-11-26T12:00:00Z"), "email-dlq-20261126T130002Z.db", "the clock was an hour ahead");
        assert_eq!(next("2026-11-26T13:30:00Z"), "email-dlq-20261126T133000Z.db");
        let newest = of_queue(work.path(), "email-dlq").unwrap().remove(0);
        assert!(newest.ends_with("email-dlq-20261126T133000Z.db"), "{}", newest.display());
    }
}
