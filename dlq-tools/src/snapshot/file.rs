//! The file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, params};
use sendoff_events::Timestamp;

use super::{SnapshotError, Taken, row};
use crate::letter::{Edit, LedgerFacts, Letter};

/// Marks a file as a snapshot: `SndS`.
const APPLICATION_ID: i32 = 0x536e_6453;
const VERSION: i32 = 1;

const TABLES: &str = "
CREATE TABLE taken (only INTEGER PRIMARY KEY CHECK (only = 1), what TEXT NOT NULL) STRICT;
CREATE TABLE letters (
    id       TEXT NOT NULL PRIMARY KEY,
    message  TEXT NOT NULL, -- JSON: all of it but the body
    body     BLOB NOT NULL,
    facts    TEXT NOT NULL, -- JSON
    payload  BLOB,
    ledger   TEXT,          -- JSON
    edit     TEXT           -- JSON
) STRICT;
CREATE INDEX edited ON letters (id) WHERE edit IS NOT NULL;
";

/// An open snapshot.
pub struct Snapshot {
    pub(super) connection: Connection,
    path: PathBuf,
    taken: Taken,
}

impl Snapshot {
    /// Makes a new file; its folder is made when it is missing. Both can be read by their owner only.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`], also when there is a file already.
    pub fn create(path: &Path, taken: Taken) -> Result<Self, SnapshotError> {
        private_file(path).map_err(|source| SnapshotError::Io { path: path.to_owned(), source })?;
        let connection = connect(path)?;
        let failed = |source| SnapshotError::of(path, source);
        let script = format!(
            "BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT"
        );
        connection.execute_batch(&script).map_err(failed)?;
        let snapshot = Self { connection, path: path.to_owned(), taken };
        snapshot.write_taken()?;
        Ok(snapshot)
    }

    /// Opens one that is there.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        if !path.exists() {
            return Err(SnapshotError::Missing(path.to_owned()));
        }
        let connection = connect(path)?;
        let foreign = |why: String| SnapshotError::Foreign { path: path.to_owned(), why };
        let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
        let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => foreign("it isn't an SQLite file".into()),
            _ => SnapshotError::of(path, error),
        };
        let (application, version) =
            (number("application_id").map_err(failed)?, number("user_version").map_err(failed)?);
        if (application, version) != (APPLICATION_ID, VERSION) {
            return Err(foreign(format!("it carries the marks {application:#x} and {version}")));
        }
        let what: String = connection.query_row("SELECT what FROM taken", [], |row| row.get(0)).map_err(failed)?;
        let taken = serde_json::from_str(&what).map_err(|error| foreign(error.to_string()))?;
        Ok(Self { connection, path: path.to_owned(), taken })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is of.
    #[must_use]
    pub const fn taken(&self) -> &Taken {
        &self.taken
    }

    /// Changes what is said of the taking.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn set_taken(&mut self, taken: Taken) -> Result<(), SnapshotError> {
        self.taken = taken;
        self.write_taken()
    }

    /// When the broker forgets this letter.
    #[must_use]
    pub fn lost_at(&self, letter: &Letter) -> Option<Timestamp> {
        letter.message.lost_at(self.taken.retention_s.map(Duration::from_secs))
    }

    /// Adds letters, all or none. One that is there already stays as it is. Gives how many are new.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn add(&mut self, letters: &[Letter]) -> Result<usize, SnapshotError> {
        let path = self.path.clone();
        let failed = |source| SnapshotError::of(&path, source);
        let transaction = self.connection.transaction().map_err(failed)?;
        let mut new = 0;
        {
            let mut add = transaction.prepare_cached(row::ADD).map_err(failed)?;
            for letter in letters {
                new += row::add(&mut add, letter).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(new)
    }

    /// Keeps what the consumers have recorded of letters.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn set_ledger(&mut self, ledgers: &[(String, Option<LedgerFacts>)]) -> Result<(), SnapshotError> {
        let path = self.path.clone();
        let failed = |source| SnapshotError::of(&path, source);
        let transaction = self.connection.transaction().map_err(failed)?;
        let mut set = transaction.prepare_cached("UPDATE letters SET ledger = ?2 WHERE id = ?1").map_err(failed)?;
        for (id, ledger) in ledgers {
            set.execute(params![id, ledger.as_ref().map(row::text)]).map_err(failed)?;
        }
        drop(set);
        transaction.commit().map_err(failed)
    }

    /// Keeps how letters are to be changed, all or none; `None` takes a change back.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn set_edits(&mut self, edits: &[(String, Option<Edit>)]) -> Result<(), SnapshotError> {
        let path = self.path.clone();
        let failed = |source| SnapshotError::of(&path, source);
        let transaction = self.connection.transaction().map_err(failed)?;
        let mut set = transaction.prepare_cached("UPDATE letters SET edit = ?2 WHERE id = ?1").map_err(failed)?;
        for (id, edit) in edits {
            set.execute(params![id, edit.as_ref().map(row::text)]).map_err(failed)?;
        }
        drop(set);
        transaction.commit().map_err(failed)
    }

    /// Writes without waiting for the disk, until [`make_durable`](Self::make_durable). A crash of the system may cost the file, one
    /// of the program doesn't.
    pub(super) fn be_quick(&self) -> Result<(), SnapshotError> {
        self.connection.pragma_update(None, "synchronous", "OFF").map_err(self.failed())
    }

    /// Waits until all that was written is on the disk.
    pub(super) fn make_durable(&self) -> Result<(), SnapshotError> {
        self.connection.pragma_update(None, "synchronous", "FULL").map_err(self.failed())?;
        let synced = std::fs::File::open(&self.path).and_then(|file| file.sync_all());
        synced.map_err(|source| SnapshotError::Io { path: self.path.clone(), source })
    }

    fn write_taken(&self) -> Result<(), SnapshotError> {
        let what = serde_json::to_string(&self.taken).unwrap_or_default();
        let put = "INSERT INTO taken (only, what) VALUES (1, ?1) ON CONFLICT (only) DO UPDATE SET what = ?1";
        self.connection.execute(put, [what]).map(drop).map_err(self.failed())
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> SnapshotError {
        let path = self.path.clone();
        move |source| SnapshotError::of(&path, source)
    }
}

fn connect(path: &Path) -> Result<Connection, SnapshotError> {
    let failed = |source| SnapshotError::Sqlite { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    Ok(connection)
}

/// Makes an empty file that only its owner can read, with its folder.
fn private_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        crate::deployment::private_folder(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
