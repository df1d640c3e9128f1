//! A local copy of a dead-letter queue: one SQLite file, private to its owner. Looking, choosing and planning work on it, so
//! nobody touches the queue for them.

mod copying;
mod edits;
mod file;
mod leases;
pub mod moved;
mod names;
pub mod peek;
mod read;
mod row;
pub mod take;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use copying::Copying;
pub use edits::edited_since;
pub use file::Snapshot;
pub(crate) use names::as_name;
pub use names::{file, folder, newest, of_queue};
pub use read::Twin;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};
use serde::{Deserialize, Serialize};

/// How many bytes the letters of a page have together, about: a few pages are in memory at a time.
pub(crate) const PAGE_BYTES: usize = 16 << 20;

/// What a snapshot is of, and how the taking went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The deployment, in the words of [`DeadLetters::deployment`](sendoff_consumers::DeadLetters::deployment).
    pub deployment: String,
    /// The queue.
    pub queue: String,
    /// The consumer's queue that its letters go back to.
    pub target: Option<String>,
    /// How long the queue keeps a message, in seconds; `None` when it keeps all.
    pub retention_s: Option<u64>,
    /// Whether it is a first-in-first-out queue.
    pub fifo: bool,
    /// When the taking began.
    pub begun_at: Timestamp,
    /// When it ended; `None` while it hasn't.
    pub ended_at: Option<Timestamp>,
    /// How many messages the queue said that it had.
    pub depth: u64,
    /// How many leases there were: 0 where looking needs none.
    pub leased: u64,
    /// How many of them were given back.
    pub released: u64,
    /// By how many the receive counts of all its messages rose together.
    pub receives: u64,
    /// Whether it was cut off before its end, as it was told to have no more letters.
    #[serde(default)]
    pub is_cut_off: bool,
}

/// A snapshot can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is none.
    #[error("there is no snapshot at {}", .0.display())]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{} is no snapshot of this program: {why}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// How that shows.
        why: String,
    },
    /// What stands in the file isn't what was written.
    #[error(
        "the snapshot {} is damaged: {why}. Move it away, or take a new one with --fresh; edits that stand only in it are lost",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How that shows.
        why: String,
    },
    /// It can't be read or written.
    #[error("the snapshot {} can't be used: {source}", path.display())]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Whoever wrote it is gone.
    #[error("the snapshot wasn't written to its end: the thread that wrote it is gone. Take a new one, with --fresh")]
    Broken,
    /// The file system failed.
    #[error("the snapshot {} can't be used: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SnapshotError {
    /// What this error of the file's reader or writer says of it.
    fn of(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::{
            Error::{FromSqlConversionFailure, InvalidColumnType},
            ErrorCode::{DatabaseCorrupt, NotADatabase},
        };
        let path = path.to_owned();
        match (source.sqlite_error_code(), &source) {
            // Not what stands there: it may be personal.
            (_, FromSqlConversionFailure(column, ..) | InvalidColumnType(column, ..)) => {
                Self::Damaged { path, why: format!("column {column} of a row can't be read") }
            }
            (None | Some(DatabaseCorrupt | NotADatabase), _) => Self::Damaged { path, why: source.to_string() },
            _ => Self::Sqlite { path, source },
        }
    }
}

impl From<SnapshotError> for Stopped {
    fn from(error: SnapshotError) -> Self {
        let exit = match &error {
            SnapshotError::Missing(_) => Exit::NothingMatched,
            SnapshotError::Foreign { .. } => Exit::Refused,
            SnapshotError::Sqlite { .. } | SnapshotError::Io { .. } => Exit::Unreachable,
            SnapshotError::Damaged { .. } | SnapshotError::Broken => Exit::Failed,
        };
        Self::new(exit, error)
    }
}
