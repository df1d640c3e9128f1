//! What can go wrong once the store is open.

use std::{any::Any, path::Path};

use rusqlite::ErrorCode;

/// An operation on the store failed. Unless it says otherwise, nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store was shut down.
    #[error("the store was shut down; open it again")]
    Closed,
    /// The store was opened only to be read.
    #[error("the store was opened read-only; only the process that serves it can write")]
    ReadOnly,
    /// No room to write.
    #[error("{file}: the disk is full. Nothing was written: free some space, and repeat it")]
    Full {
        /// The data file.
        file: String,
    },
    /// The data file is damaged.
    #[error(
        "{file}: the data file is damaged ({why}). Stop the process, keep a copy of the folder, then restore a backup, or save \
         what can be saved with `sqlite3 sendoff.db .recover`"
    )]
    Damaged {
        /// The data file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another failure of the data file; trying again later may help.
    #[error("{file}: {why}")]
    Failed {
        /// The data file.
        file: String,
        /// What `SQLite` or the system said.
        why: String,
    },
    /// There is no such queue.
    #[error("there is no queue `{0}`")]
    NoSuchQueue(String),
    /// What was asked makes no sense.
    #[error("{0}")]
    Refused(String),
}

impl StoreError {
    /// What `SQLite`'s error means for `file`.
    pub(crate) fn of(file: &Path, error: &rusqlite::Error) -> Self {
        let file = file.display().to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { file },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { file, why: error.to_string() }
            }
            None if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => {
                Self::Damaged { file, why: error.to_string() }
            }
            _ => Self::Failed { file, why: error.to_string() },
        }
    }

    /// What is told to the caller whose work panicked.
    pub(crate) fn panicked(file: &Path, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let why = format!("an operation panicked and was rolled back: {}", text.unwrap_or("no message"));
        Self::Failed { file: file.display().to_string(), why }
    }
}
