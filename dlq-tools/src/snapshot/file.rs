//! The file.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use sendoff_consumers::DeadLetter;
use sendoff_events::{EventId, Timestamp};

use super::{SnapshotError, Taken};
use crate::letter::{Edit, LedgerFacts, Letter, UNKNOWN_GROUP};

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

const ADD: &str =
    "INSERT INTO letters (id, message, body, facts, payload, ledger, edit) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (id) DO NOTHING";
const PAGE: &str =
    "SELECT id, message, body, facts, payload, ledger, edit FROM letters WHERE id > ?1 ORDER BY id LIMIT ?2";
/// Letters of one event of one consumer, where there are several.
const TWINS: &str = "
WITH keyed AS (
    SELECT id, coalesce(facts ->> '$.consumer', '') AS consumer, facts ->> '$.event.id' AS event, edit ->> '$.event' AS edited
    FROM letters WHERE facts ->> '$.event.id' IS NOT NULL
)
SELECT consumer, event, id, edited FROM keyed
WHERE (consumer, event) IN (SELECT consumer, event FROM keyed GROUP BY consumer, event HAVING count(*) > 1)
ORDER BY consumer, event, id";
const ONE: &str = "SELECT id, message, body, facts, payload, ledger, edit FROM letters WHERE id = ?1";

/// One of several letters of an event: its message id, and the new event that it was edited to.
pub type Twin = (String, Option<EventId>);

/// An open snapshot.
pub struct Snapshot {
    connection: Connection,
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
        let failed = |source| SnapshotError::Sqlite { path: path.to_owned(), source };
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
            _ => SnapshotError::Sqlite { path: path.to_owned(), source: error },
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
        let failed = |source| SnapshotError::Sqlite { path: path.clone(), source };
        let transaction = self.connection.transaction().map_err(failed)?;
        let mut new = 0;
        {
            let mut add = transaction.prepare_cached(ADD).map_err(failed)?;
            for letter in letters {
                let message = serde_json::to_string(&MessageRow::of(&letter.message)).unwrap_or_default();
                new += add
                    .execute(params![
                        letter.message.message_id,
                        message,
                        &*letter.message.body,
                        serde_json::to_string(&letter.facts).unwrap_or_default(),
                        letter.payload.as_deref(),
                        letter.ledger.as_ref().map(|ledger| serde_json::to_string(ledger).unwrap_or_default()),
                        letter.edit.as_ref().map(|edit| serde_json::to_string(edit).unwrap_or_default()),
                    ])
                    .map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(new)
    }

    /// How many letters it holds.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn count(&self) -> Result<u64, SnapshotError> {
        let count = self.connection.query_row("SELECT count(*) FROM letters", [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(self.failed())
    }

    /// Letters in the order of message ids, those after `after`, at most `max`.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn page(&self, after: &str, max: usize) -> Result<Vec<Letter>, SnapshotError> {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut page = self.connection.prepare_cached(PAGE).map_err(self.failed())?;
        let rows = page.query_map(params![after, max], letter).map_err(self.failed())?;
        rows.collect::<Result<_, _>>().map_err(self.failed())
    }

    /// Shows all letters to `see`, in the order of message ids, until it has seen enough. Few are in memory at a time.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`], or what `see` fails with.
    pub fn each<E: From<SnapshotError>>(
        &self,
        mut see: impl FnMut(Letter) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        const PAGE: usize = 500;
        let mut after = String::new();
        loop {
            let page = self.page(&after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.message.message_id);
            for letter in page {
                if see(letter)?.is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// The fingerprints that its letters are grouped by.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn fingerprints(&self) -> Result<BTreeSet<String>, SnapshotError> {
        let mut facts = self.connection.prepare_cached("SELECT facts FROM letters").map_err(self.failed())?;
        let rows = facts.query_map([], |row| json::<Group>(0, &row.get::<_, String>(0)?)).map_err(self.failed())?;
        rows.map(|group| Ok(group?.failure.map_or_else(|| UNKNOWN_GROUP.to_owned(), |failure| failure.fingerprint)))
            .collect::<Result<_, _>>()
            .map_err(self.failed())
    }

    /// The letter with this message id.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn letter(&self, message_id: &str) -> Result<Option<Letter>, SnapshotError> {
        self.connection.query_row(ONE, [message_id], letter).optional().map_err(self.failed())
    }

    /// The letters of one event of one consumer, where there are several: each with the new event that it was edited to.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn twins(&self) -> Result<Vec<Vec<Twin>>, SnapshotError> {
        let mut found = self.connection.prepare_cached(TWINS).map_err(self.failed())?;
        let mut rows = found.query([]).map_err(self.failed())?;
        let (mut twins, mut last) = (Vec::<Vec<_>>::new(), None);
        while let Some(row) = rows.next().map_err(self.failed())? {
            let text = |column| row.get::<_, Option<String>>(column).map_err(self.failed());
            let key = (text(0)?, text(1)?);
            if last.as_ref() != Some(&key) {
                twins.push(Vec::new());
                last = Some(key);
            }
            let letter = (text(2)?.unwrap_or_default(), text(3)?.and_then(|event| event.parse().ok()));
            if let Some(event) = twins.last_mut() {
                event.push(letter);
            }
        }
        Ok(twins)
    }

    /// Keeps what the consumers have recorded of letters.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn set_ledger(&mut self, ledgers: &[(String, Option<LedgerFacts>)]) -> Result<(), SnapshotError> {
        let path = self.path.clone();
        let failed = |source| SnapshotError::Sqlite { path: path.clone(), source };
        let transaction = self.connection.transaction().map_err(failed)?;
        for (id, ledger) in ledgers {
            let ledger = ledger.as_ref().map(|ledger| serde_json::to_string(ledger).unwrap_or_default());
            transaction.execute("UPDATE letters SET ledger = ?2 WHERE id = ?1", params![id, ledger]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// Keeps how letters are to be changed, all or none; `None` takes a change back.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn set_edits(&mut self, edits: &[(String, Option<Edit>)]) -> Result<(), SnapshotError> {
        let path = self.path.clone();
        let failed = |source| SnapshotError::Sqlite { path: path.clone(), source };
        let transaction = self.connection.transaction().map_err(failed)?;
        for (id, edit) in edits {
            let edit = edit.as_ref().map(|edit| serde_json::to_string(edit).unwrap_or_default());
            transaction.execute("UPDATE letters SET edit = ?2 WHERE id = ?1", params![id, edit]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// The message ids of the letters that are to be changed.
    pub(crate) fn edited(&self) -> Result<Vec<String>, SnapshotError> {
        let mut ids =
            self.connection.prepare("SELECT id FROM letters WHERE edit IS NOT NULL").map_err(self.failed())?;
        let rows = ids.query_map([], |row| row.get(0)).map_err(self.failed())?;
        rows.collect::<Result<_, _>>().map_err(self.failed())
    }

    /// Whether there is a letter with this message id.
    pub(super) fn has(&self, message_id: &str) -> Result<bool, SnapshotError> {
        let mut one = self.connection.prepare_cached("SELECT 1 FROM letters WHERE id = ?1").map_err(self.failed())?;
        one.exists([message_id]).map_err(self.failed())
    }

    /// Shows all message ids to `see`, in their order.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn each_id(&self, mut see: impl FnMut(&str)) -> Result<(), SnapshotError> {
        let mut ids = self.connection.prepare("SELECT id FROM letters ORDER BY id").map_err(self.failed())?;
        let mut rows = ids.query([]).map_err(self.failed())?;
        while let Some(row) = rows.next().map_err(self.failed())? {
            see(row.get_ref(0).and_then(|id| Ok(id.as_str()?)).map_err(self.failed())?);
        }
        Ok(())
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

    fn failed(&self) -> impl Fn(rusqlite::Error) -> SnapshotError {
        let path = self.path.clone();
        move |source| SnapshotError::Sqlite { path: path.clone(), source }
    }
}

/// What a letter is grouped by.
#[derive(serde::Deserialize)]
struct Group {
    failure: Option<Fingerprint>,
}

#[derive(serde::Deserialize)]
struct Fingerprint {
    fingerprint: String,
}

/// A message but for its id and body.
#[derive(serde::Serialize, serde::Deserialize)]
struct MessageRow {
    attributes: sendoff_consumers::Attributes,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    types: std::collections::BTreeMap<String, String>,
    receive_count: u32,
    enqueued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

impl MessageRow {
    fn of(message: &DeadLetter) -> Self {
        let DeadLetter { attributes, types, receive_count, enqueued_at, source, group, .. } = message.clone();
        Self { attributes, types, receive_count, enqueued_at, source, group }
    }
}

fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let MessageRow { attributes, types, receive_count, enqueued_at, source, group } =
        json(1, &row.get::<_, String>(1)?)?;
    let message = DeadLetter {
        message_id: row.get(0)?,
        body: row.get::<_, Vec<u8>>(2)?.into(),
        attributes,
        types,
        receive_count,
        enqueued_at,
        source,
        group,
    };
    let optional = |column| row.get::<_, Option<String>>(column);
    Ok(Letter {
        message,
        facts: json(3, &row.get::<_, String>(3)?)?,
        payload: row.get::<_, Option<Vec<u8>>>(4)?.map(Into::into),
        ledger: optional(5)?.map(|text| json(5, &text)).transpose()?,
        edit: optional(6)?.map(|text| json(6, &text)).transpose()?,
    })
}

fn json<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into()))
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
