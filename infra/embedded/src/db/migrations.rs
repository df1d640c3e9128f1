//! The tables' versions. The file carries its version (`user_version`) and whose it is (`application_id`).

use std::path::Path;

use rusqlite::Connection;

use super::{columns::damaged, open_error::OpenError};

/// Marks a file as ours: `SndO`.
pub(crate) const APPLICATION_ID: i32 = 0x536e_644f;

/// Each brings a file of the version before (its index) to its own. Never change one that was released: add another.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_the_first_tables.sql"),
    include_str!("../../migrations/0002_deliveries_and_audit.sql"),
    include_str!("../../migrations/0003_repair.sql"),
    include_str!("../../migrations/0004_workflow_runs.sql"),
    include_str!("../../migrations/0005_open_doubts.sql"),
];

/// The version this program writes.
pub(crate) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The version of the file, 0 when it has no tables yet.
///
/// # Errors
///
/// When the file isn't ours, or of a newer version.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<i32, OpenError> {
    let failed = |source: rusqlite::Error| OpenError::sqlite(path, &source);
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let application = number("application_id").map_err(failed)?;
    let version = number("user_version").map_err(failed)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
        return Err(OpenError::Foreign { path: path.to_owned(), application });
    }
    if version > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: VERSION });
    }
    Ok(version)
}

/// Brings the file to [`VERSION`], in one transaction: after a crash it stands where it stood.
///
/// # Errors
///
/// As [`version`]; and when the disk is full, say.
pub(crate) fn migrate(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found = version(connection, path)?;
    let missing = MIGRATIONS.get(usize::try_from(found).unwrap_or(0)..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let script = format!(
        "BEGIN IMMEDIATE; {}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT",
        missing.join(";\n")
    );
    connection.execute_batch(&script).map_err(|source| OpenError::sqlite(path, &source))
}

/// Checks inside a transaction that the file still has the tables that this program knows: a newer one may have come to serve
/// it since it was opened.
pub(crate) fn still_current(connection: &Connection) -> rusqlite::Result<()> {
    let found: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == VERSION { Ok(()) } else { Err(damaged(0, Changed(found))) }
}

#[derive(Debug, thiserror::Error)]
#[error("the data was brought to version {0} meanwhile, and this program knows version {VERSION}")]
struct Changed(i32);
