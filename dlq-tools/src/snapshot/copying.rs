//! Copying letters into a snapshot.

use super::{PAGE_BYTES, Snapshot, SnapshotError};
use crate::letter::Letter;

/// How many letters are written at a time.
const PAGE: usize = 500;

/// A snapshot that letters are copied into. Few are in memory at a time, however large they are.
pub struct Copying {
    copy: Snapshot,
    page: Vec<Letter>,
    page_bytes: usize,
    bytes: u64,
}

impl Copying {
    /// Into this one.
    #[must_use]
    pub const fn into(copy: Snapshot) -> Self {
        Self { copy, page: Vec::new(), page_bytes: 0, bytes: 0 }
    }

    /// Adds a letter.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn add(&mut self, letter: Letter) -> Result<(), SnapshotError> {
        self.page_bytes += letter.size();
        self.bytes += letter.size() as u64;
        self.page.push(letter);
        if self.page.len() == PAGE || self.page_bytes >= PAGE_BYTES { self.write() } else { Ok(()) }
    }

    /// How many bytes were added, about.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The snapshot, with all that was added.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn finish(mut self) -> Result<Snapshot, SnapshotError> {
        self.write()?;
        Ok(self.copy)
    }

    fn write(&mut self) -> Result<(), SnapshotError> {
        self.copy.add(&self.page)?;
        self.page.clear();
        self.page_bytes = 0;
        Ok(())
    }
}
