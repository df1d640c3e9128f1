//! SQLite databases of others. Each statement gets a connection of its own, on a thread that may block, and a transaction.

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{
    Connection, Error, ErrorCode, InterruptHandle, OpenFlags, TransactionBehavior,
    config::DbConfig,
    ffi,
    limits::Limit,
    params_from_iter,
    types::{Value as Sqlite, ValueRef},
};
use sendoff_consumers::action::{Accept, Database, DatabaseError, MAX_ROWS, Refusal, Rows, Statement};
use sendoff_events::BoxFuture;
use sendoff_host::connections::SqliteSettings;
use serde_json::{Map, Value};
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// How long a statement waits for its turn.
const TURN: Duration = Duration::from_secs(3);
/// How often what takes too long is told to end: it doesn't listen before it has begun.
const INSIST: Duration = Duration::from_millis(100);
/// How long others may hold the file, at most.
const BUSY: Duration = Duration::from_secs(5);
/// The most bytes of rows that are read.
const MAX_BYTES: usize = 1024 * 1024;
/// The most bytes of a value or a row, also of one that a statement makes on its way. Functions aren't interrupted, and some take
/// as long as two of their values multiplied.
const MAX_VALUE: i32 = 1024 * 1024;
/// The most bytes of a pattern of `LIKE` or `GLOB`, for the same reason.
const MAX_PATTERN: i32 = 1000;
/// The most bytes of memory of all of SQLite in this process. What a statement gathers on its way has no other limit; our own
/// data file needs about 100 MiB of it.
const MAX_MEMORY: i64 = 256 * 1024 * 1024;

/// A SQLite database, as [`Database`].
pub(super) struct SqliteDatabase {
    path: PathBuf,
    read_only: bool,
    timeout: Duration,
    permits: Arc<Semaphore>,
}

impl SqliteDatabase {
    /// The database in a file that exists.
    #[must_use]
    pub(super) fn new(settings: &SqliteSettings) -> Self {
        let SqliteSettings { path, read_only, timeout, at_once } = settings.clone();
        Self { path, read_only, timeout, permits: Arc::new(Semaphore::new(at_once)) }
    }

    /// How many more statements may begin right now.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.permits.available_permits()
    }

    async fn perform(&self, statement: &Statement, accept: Accept) -> Result<Map<String, Value>, DatabaseError> {
        let turn = timeout(TURN, self.permits.clone().acquire_owned()).await;
        let crowded = || DatabaseError::Unreachable("too many statements run at the same time".into());
        let permit = turn.map_err(|_| crowded())?.map_err(|_| crowded())?;
        let (path, read_only, patience) = (self.path.clone(), self.read_only, BUSY.min(self.timeout));
        let (permit, opened) = blocking(move || Ok((permit, open(&path, read_only, patience)?))).await?;
        // Whoever gives up, and whatever takes too long, is interrupted, and with that rolled back.
        let interrupt = Interrupt(opened.get_interrupt_handle());
        let (text, values) = (statement.sql.numbered('?'), statement.values.iter().map(bound).collect());
        let done = blocking(move || {
            // The thread goes on for a while after whoever waits for it has gone.
            let _permit = permit;
            transact(opened, read_only, &text, values, &accept)
        });
        tokio::select! {
            done = done => done,
            never = interrupt.after(self.timeout) => match never {},
        }
    }
}

impl Database for SqliteDatabase {
    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn run<'a>(
        &'a self,
        statement: &'a Statement,
        accept: Accept,
    ) -> BoxFuture<'a, Result<Map<String, Value>, DatabaseError>> {
        Box::pin(self.perform(statement, accept))
    }
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDatabase").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Interrupts a statement when it is dropped, or after a time.
struct Interrupt(InterruptHandle);

impl Interrupt {
    async fn after(&self, time: Duration) -> Infallible {
        sleep(time).await;
        loop {
            self.0.interrupt();
            sleep(INSIST).await;
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, DatabaseError> + Send + 'static,
) -> Result<T, DatabaseError> {
    let broken = |error| DatabaseError::Unknown(format!("the thread that worked on the statement ended: {error}"));
    spawn_blocking(job).await.map_err(broken)?
}

fn open(path: &Path, read_only: bool, patience: Duration) -> Result<Connection, DatabaseError> {
    let mode = if read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    let failed = |error: Error| DatabaseError::Unreachable(format!("the database can't be opened: {}", words(&error)));
    let database = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    database.busy_timeout(patience).map_err(failed)?;
    // Statements of tenants are read with suspicion, and so is the schema.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(failed)?;
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE).map_err(failed)?;
    database.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN).map_err(failed)?;
    database.pragma_update_and_check(None, "hard_heap_limit", MAX_MEMORY, |_| Ok(())).map_err(failed)?;
    Ok(database)
}

fn transact(
    mut database: Connection,
    read_only: bool,
    text: &str,
    values: Vec<Sqlite>,
    accept: &Accept,
) -> Result<Map<String, Value>, DatabaseError> {
    let behaviour = if read_only { TransactionBehavior::Deferred } else { TransactionBehavior::Immediate };
    let transaction = database.transaction_with_behavior(behaviour).map_err(|error| classify(&error))?;
    let rows = rows(&transaction, text, values)?;
    let outputs = accept(&rows).map_err(DatabaseError::Declined)?;
    transaction.commit().map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) | None => DatabaseError::Unknown("the commit failed half way".into()),
        Some(_) => classify(&error),
    })?;
    Ok(outputs)
}

fn rows(database: &Connection, text: &str, values: Vec<Sqlite>) -> Result<Rows, DatabaseError> {
    let failed = |error: Error| classify(&error);
    let mut statement = database.prepare(text).map_err(|error| preparing(&error))?;
    if statement.parameter_count() != values.len() {
        return Err(DatabaseError::Refused("the statement has parameters that aren't written `:name`".into()));
    }
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let reads = statement.readonly();
    let (mut found, mut bytes) = (Rows::default(), 0);
    let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let mut map = Map::new();
        for (index, name) in names.iter().enumerate() {
            let given = row.get_ref(index).map_err(failed)?;
            bytes += match given {
                ValueRef::Text(text) => text.len(),
                _ => 8,
            };
            if bytes > MAX_BYTES {
                return Err(too_large(format!("the statement gives more than {MAX_BYTES} bytes: ask for less")));
            }
            map.extend(value(given).map(|value| (name.clone(), value)));
        }
        found.rows.push(map);
        if found.rows.len() > MAX_ROWS {
            // One too many: it isn't accepted.
            return Ok(found);
        }
    }
    drop(rows);
    found.affected = if reads { found.rows.len() as u64 } else { database.changes() };
    Ok(found)
}

/// SQLite has no type for truth, and none for lists and objects: those are JSON.
fn bound(value: &Value) -> Sqlite {
    match value {
        Value::Null => Sqlite::Null,
        Value::Bool(truth) => Sqlite::Integer(i64::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Sqlite::Integer(integer),
            (None, double) => Sqlite::Real(double.unwrap_or_default()),
        },
        Value::String(text) => Sqlite::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Sqlite::Text(value.to_string()),
    }
}

/// `None` for bytes, which have no value here.
fn value(given: ValueRef<'_>) -> Option<Value> {
    Some(match given {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(double) => serde_json::Number::from_f64(double).map_or(Value::Null, Value::Number),
        ValueRef::Text(text) => std::str::from_utf8(text).ok()?.into(),
        ValueRef::Blob(_) => return None,
    })
}

/// An error before any value was bound: it speaks of the statement and of names in the schema.
fn preparing(error: &Error) -> DatabaseError {
    match error {
        Error::SqliteFailure(failure, Some(message)) if failure.code == ErrorCode::Unknown => {
            DatabaseError::Refused(format!("the database can't read the statement: {message}"))
        }
        _ => classify(error),
    }
}

fn too_large(why: String) -> DatabaseError {
    DatabaseError::Declined(Refusal { reason: "result-too-large", why })
}

/// What an error before the end of the commit means: nothing was changed.
fn classify(error: &Error) -> DatabaseError {
    let text = words(error);
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig) => too_large(format!("a value or a row has more than {MAX_VALUE} bytes: ask for less")),
        // Another statement may have taken it all.
        Some(ErrorCode::OutOfMemory) => {
            DatabaseError::Busy(format!("it needs more memory than the {MAX_MEMORY} bytes that there are"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted) => {
            DatabaseError::Busy(text)
        }
        Some(ErrorCode::CannotOpen | ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            DatabaseError::Unreachable(text)
        }
        _ => DatabaseError::Refused(text),
    }
}

/// The error without values: SQLite's own texts name tables and columns, but a trigger may say anything.
fn words(error: &Error) -> String {
    match error {
        Error::SqlInputError { msg, .. } => format!("the database can't read the statement: {msg}"),
        Error::SqliteFailure(failure, message) => {
            let code = failure.extended_code;
            let own = failure.code == ErrorCode::ConstraintViolation && code != ffi::SQLITE_CONSTRAINT_TRIGGER;
            match message {
                Some(message) if own => format!("the database refuses it: {message}"),
                _ if failure.code == ErrorCode::OperationInterrupted => "the statement took too long".to_owned(),
                _ => format!("the database answered with the error {code} ({:?})", failure.code),
            }
        }
        _ => "the database can't carry out the statement".to_owned(),
    }
}
