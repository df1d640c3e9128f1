//! Edits of earlier snapshots. A person who edited letters means the letters, and not the copy that they happened to look at: in a
//! new snapshot without the edits, a plan would send the old events.

use std::{collections::HashMap, path::PathBuf};

use super::{Snapshot, SnapshotError, take::mark};
use crate::letter::Letter;

/// Edits that are waiting for their letters to be seen again.
pub(super) struct Edits {
    snapshots: Vec<Snapshot>,
    /// In which of the snapshots a letter was edited. Not the edits: of many, they are too much to remember.
    places: HashMap<u128, usize>,
    taken_over: u64,
}

impl Edits {
    /// Those of these snapshots, the newest first. Of each letter, what the newest says counts that has it: an edit that was taken
    /// back there stays so. A snapshot of something else, or that can't be opened, says nothing.
    pub(super) fn of(paths: &[PathBuf], deployment: &str, queue: &str) -> Result<Self, SnapshotError> {
        let (mut snapshots, mut places) = (Vec::<Snapshot>::new(), HashMap::new());
        for path in paths {
            let Ok(snapshot) = Snapshot::open(path) else { continue };
            if (&*snapshot.taken().deployment, &*snapshot.taken().queue) != (deployment, queue) {
                continue;
            }
            for id in snapshot.edited()? {
                let mut is_newer = false;
                for newer in &snapshots {
                    is_newer = is_newer || newer.has(&id)?;
                }
                if !is_newer {
                    places.insert(mark(&id), snapshots.len());
                }
            }
            snapshots.push(snapshot);
        }
        Ok(Self { snapshots, places, taken_over: 0 })
    }

    /// Edits these letters as they were before, if they are still the same.
    pub(super) fn take_over(&mut self, letters: &mut [Letter]) -> Result<(), SnapshotError> {
        if self.places.is_empty() {
            return Ok(());
        }
        for letter in letters {
            let id = &letter.message.message_id;
            let snapshot = self.places.get(&mark(id)).and_then(|place| self.snapshots.get(*place));
            let Some(before) = snapshot.map(|snapshot| snapshot.letter(id)).transpose()?.flatten() else { continue };
            if before.message.body == letter.message.body && before.edit.is_some() {
                letter.edit = before.edit;
                self.taken_over += 1;
            }
        }
        Ok(())
    }

    /// How many were taken over.
    pub(super) const fn taken_over(&self) -> u64 {
        self.taken_over
    }
}
