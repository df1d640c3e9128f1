//! Writing a plan: it is there for others only once it is whole.

use std::{
    io::{self, BufWriter, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{
    Entry, Head, Plan, PlanError,
    cover::{BEGIN, DIGITS},
};

/// A plan that is being written. It is there for others only once it is whole.
pub struct Draft {
    file: BufWriter<tempfile::NamedTempFile>,
    hash: Sha256,
    path: PathBuf,
}

impl Draft {
    /// Begins a plan that is to stand at `path`. Only its owner can read it.
    ///
    /// # Errors
    ///
    /// [`PlanError`], also when there is a file already.
    pub fn begin(path: &Path, head: &Head) -> Result<Self, PlanError> {
        let failed = |source| PlanError::Io { path: path.to_owned(), source };
        if path.exists() {
            return Err(PlanError::Taken(path.to_owned()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        crate::deployment::private_folder(folder).map_err(failed)?;
        // Temporary files of this library are private to their owner.
        let file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let mut draft = Self { file: BufWriter::new(file), hash: Sha256::new(), path: path.to_owned() };
        draft.file.write_all(BEGIN).and_then(|()| draft.file.write_all(&[b'0'; DIGITS])).map_err(failed)?;
        let line = serde_json::to_string(head).unwrap_or_default();
        // The head's own brace makes way for the hash.
        draft.push(b"\",")?;
        draft.push(line.trim_start_matches('{').as_bytes())?;
        draft.push(b"\n")?;
        Ok(draft)
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// [`PlanError::Io`].
    pub fn add(&mut self, entry: &Entry) -> Result<(), PlanError> {
        let line = serde_json::to_string(entry).unwrap_or_default();
        self.push(line.as_bytes())?;
        self.push(b"\n")
    }

    /// Writes the hash and lets the plan appear at its path.
    ///
    /// # Errors
    ///
    /// [`PlanError`].
    pub fn finish(self) -> Result<Plan, PlanError> {
        let Self { file, hash, path } = self;
        let failed = |source| PlanError::Io { path: path.clone(), source };
        let hash = format!("{:x}", hash.finalize());
        let mut file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(BEGIN.len() as u64)).map_err(failed)?;
        file.write_all(hash.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        match file.persist_noclobber(&path) {
            Ok(_) => Plan::open(&path),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(PlanError::Taken(path)),
            Err(error) => Err(failed(error.error)),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), PlanError> {
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|source| PlanError::Io { path: self.path.clone(), source })
    }
}
