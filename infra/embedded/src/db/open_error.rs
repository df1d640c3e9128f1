//! Why a data folder couldn't be opened.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{StoreError, folder::Holder};

/// A data folder couldn't be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder, or a file in it, can't be created or read.
    #[error("{}: {source}. Choose another data folder, or mend its permissions", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process serves this folder.
    #[error("{}: {holder} is using this data folder. Stop it first, or choose another folder", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// There is nothing to read.
    #[error("{}: there is no data here yet. Start `sendoff` with this data folder first", path.display())]
    Missing {
        /// The file that was expected.
        path: PathBuf,
    },
    /// It isn't a `SQLite` file at all.
    #[error("{}: this is not a SQLite file. Move it away, or choose another data folder", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// It is the data of another program.
    #[error(
        "{}: this is the data of another program (application id {application:#x}). Choose another data folder",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its application id.
        application: i32,
    },
    /// It was written by a newer Sendoff.
    #[error(
        "{}: the data has version {found}, and this program knows versions up to {known}. Use the newer Sendoff that wrote \
         it, or choose another data folder",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },
    /// It was written by an older Sendoff, and can't be brought up to date while it is only read.
    #[error(
        "{}: the data has version {found}, and this program reads version {known}. Start `sendoff` once with this data \
         folder to bring it up to date",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The version that this program reads.
        known: i32,
    },
    /// The end of the file is missing.
    #[error(
        "{}: the data file is cut off: it has {found} bytes of {expected}. Keep a copy of the folder, then restore a backup, \
         or save what can be saved with `sqlite3 sendoff.db .recover`",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The bytes that it should have.
        expected: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// Anything else about the data file.
    #[error(transparent)]
    Store(StoreError),
    /// A thread couldn't be started.
    #[error("the store's threads can't be started: {0}")]
    Threads(io::Error),
}

impl OpenError {
    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        Self::Store(StoreError::of(path, error))
    }
}
