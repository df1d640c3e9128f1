//! Edits of earlier snapshots. A person who edited letters means the letters, and not the copy that they happened to look at: in a
//! new snapshot without the edits, a plan would send the old events.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use sendoff_events::Timestamp;

use super::{Snapshot, SnapshotError, take::mark};
use crate::letter::Letter;

/// Edits that are waiting for their letters to be seen again.
#[derive(Default)]
pub(super) struct Edits {
    snapshots: Vec<Snapshot>,
    /// In which of the snapshots a letter was edited. Not the edits: of many, they are too much to remember.
    places: HashMap<u128, usize>,
    taken_over: u64,
    damaged: BTreeMap<PathBuf, String>,
}

impl Edits {
    /// Those of these snapshots, the newest first. Of each letter, what was said last counts: an edit that was taken back in a newer
    /// snapshot stays so, but one that was made after that was taken isn't known there. A snapshot of something else says nothing, and
    /// neither does one that is damaged.
    pub(super) fn of(paths: &[PathBuf], deployment: &str, queue: &str) -> Result<Self, SnapshotError> {
        let mut edits = Self::default();
        for path in paths {
            let read = edits.read(path, deployment, queue);
            edits.pass_over(read)?;
        }
        Ok(edits)
    }

    fn read(&mut self, path: &Path, deployment: &str, queue: &str) -> Result<(), SnapshotError> {
        let snapshot = Snapshot::open(path)?;
        if (&*snapshot.taken().deployment, &*snapshot.taken().queue) != (deployment, queue) {
            return Ok(());
        }
        for (id, at) in snapshot.edited()? {
            if !self.is_overruled(&id, at)? {
                self.places.insert(mark(&id), self.snapshots.len());
            }
        }
        self.snapshots.push(snapshot);
        Ok(())
    }

    /// Whether a snapshot that was read already has this letter, and says something later of it than an edit of this moment.
    fn is_overruled(&mut self, id: &str, at: Timestamp) -> Result<bool, SnapshotError> {
        for place in 0..self.snapshots.len() {
            let said = self.snapshots.get(place).map(|newer| said_of(newer, id)).transpose();
            if self.pass_over(said)?.flatten().flatten().is_some_and(|said| said >= at) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was read, if it could be; a file that is damaged, or none of ours, is remembered.
    fn pass_over<T>(&mut self, read: Result<T, SnapshotError>) -> Result<Option<T>, SnapshotError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(SnapshotError::Missing(_)) => Ok(None),
            // Another process has just begun it.
            Err(SnapshotError::Foreign { path, .. }) if fs::metadata(&path).is_ok_and(|file| file.len() == 0) => {
                Ok(None)
            }
            Err(SnapshotError::Damaged { path, why } | SnapshotError::Foreign { path, why }) => {
                self.damaged.entry(path).or_insert(why);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Edits these letters as they were before, if they are still the same.
    pub(super) fn take_over(&mut self, letters: &mut [Letter]) -> Result<(), SnapshotError> {
        if self.places.is_empty() {
            return Ok(());
        }
        for letter in letters {
            let id = &letter.message.message_id;
            let snapshot = self.places.get(&mark(id)).and_then(|place| self.snapshots.get(*place));
            let before = snapshot.map(|snapshot| snapshot.letter(id)).transpose();
            let Some(before) = self.pass_over(before)?.flatten().flatten() else { continue };
            if before.message.body == letter.message.body && before.edit.is_some() {
                letter.edit = before.edit;
                self.taken_over += 1;
            }
        }
        Ok(())
    }

    /// How many were taken over, and which files were passed over, each with why it can't be read.
    pub(super) fn told(self) -> (u64, BTreeMap<PathBuf, String>) {
        (self.taken_over, self.damaged)
    }
}

/// When a snapshot says its last of a letter: when that was edited there, or that it isn't, when the taking began; `None` when the letter
/// isn't in it.
fn said_of(snapshot: &Snapshot, id: &str) -> Result<Option<Timestamp>, SnapshotError> {
    let edit = snapshot.edit_of(id)?;
    Ok(edit.map(|edit| edit.map_or(snapshot.taken().begun_at, |at| at.max(snapshot.taken().begun_at))))
}

/// The letters of a snapshot that were edited in one of these others since it was taken, each with where: what is in hand here is the
/// letter as it was before. Others that can't be read are passed over.
///
/// # Errors
///
/// When the snapshot can't be read.
pub fn edited_since(snapshot: &Snapshot, others: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>, SnapshotError> {
    let own = fs::canonicalize(snapshot.path()).ok();
    let is_of = |other: &Snapshot| {
        let (one, other) = (snapshot.taken(), other.taken());
        (&one.deployment, &one.queue) == (&other.deployment, &other.queue)
    };
    let mut since = BTreeMap::new();
    for path in others.iter().filter(|path| fs::canonicalize(path).ok() != own) {
        let Ok(other) = Snapshot::open(path) else { continue };
        if !is_of(&other) {
            continue;
        }
        for (id, at) in other.edited().unwrap_or_default() {
            if said_of(snapshot, &id)?.is_some_and(|said| said < at) {
                since.entry(id).or_insert_with(|| path.clone());
            }
        }
    }
    Ok(since)
}
