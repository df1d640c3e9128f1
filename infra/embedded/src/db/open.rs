//! Opening the data file.

use std::{
    cell::{Cell, RefCell},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use sendoff_events::Clock;

pub use super::open_error::OpenError;
use super::{
    Db, Signals, Threads, folder, header, migrations, readers,
    writer::{self, Counters, Role},
};

/// What a commit waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Until it is on the disk: it survives a power cut. The default.
    #[default]
    Full,
    /// Until the operating system has it: it survives a crash of the process, but a power cut may take the last commits.
    Normal,
}

/// Opens the folder to serve it: creates what is missing, locks it, and brings the tables up to date.
pub(crate) fn serve(folder: &Path, durability: Durability, clock: Arc<dyn Clock>) -> Result<Db, OpenError> {
    let failed = |source| OpenError::Folder { path: folder.to_owned(), source };
    folder::create_private(folder).map_err(failed)?;
    let lock = folder::lock(folder)?;
    let file = folder::data_file(folder)?;
    header::check(&file)?;
    let connection = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let sqlite = |source: rusqlite::Error| OpenError::sqlite(&file, &source);
    // Before anything is written: whose file is it?
    migrations::version(&connection, &file)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).map_err(sqlite)?;
    let level = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", level).map_err(sqlite)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(sqlite)?;
    // 32 MiB of log between write-backs: they cost two fsyncs each.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 8192, |_| Ok(())).map_err(sqlite)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 67_108_864, |_| Ok(())).map_err(sqlite)?;
    migrations::migrate(&connection, &file)?;
    folder::unmark(folder).map_err(failed)?;
    start(file, Some((connection, Role::Server { lock })), clock)
}

/// Opens the folder to write a little, beside the process that serves it or without one. Creates nothing and brings nothing up
/// to date.
pub(crate) fn beside(folder: &Path, clock: Arc<dyn Clock>) -> Result<Db, OpenError> {
    let file = present(folder)?;
    let connection = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    current(&connection, &file)?;
    let sqlite = |source: rusqlite::Error| OpenError::sqlite(&file, &source);
    // The server may be busy for long, and what a person does must not break off for that.
    connection.busy_timeout(Duration::from_secs(30)).map_err(sqlite)?;
    // What a person has decided is on the disk when they are told so, however the server is configured.
    connection.pragma_update(None, "synchronous", "FULL").map_err(sqlite)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(sqlite)?;
    // Writing back is the server's business, which does so at half of this. Without a server, a guest that writes much must.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 16_384, |_| Ok(())).map_err(sqlite)?;
    start(file, Some((connection, Role::Guest)), clock)
}

/// Opens the folder only to read it, beside the process that serves it or without one.
pub(crate) fn read_only(folder: &Path, clock: Arc<dyn Clock>) -> Result<Db, OpenError> {
    let file = present(folder)?;
    let connection = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    current(&connection, &file)?;
    start(file, None, clock)
}

/// The data file that must be there.
fn present(folder: &Path) -> Result<PathBuf, OpenError> {
    let file = folder.join(folder::DATA_FILE);
    if !file.exists() {
        return Err(OpenError::Missing { path: file });
    }
    header::check(&file)?;
    Ok(file)
}

/// Checks that the file has the tables that this program knows.
fn current(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let path = file.to_owned();
    match migrations::version(connection, file)? {
        migrations::VERSION => Ok(()),
        0 => Err(OpenError::Missing { path }),
        found => Err(OpenError::Older { path, found, known: migrations::VERSION }),
    }
}

fn connect(file: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let sqlite = |source: rusqlite::Error| OpenError::sqlite(file, &source);
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(sqlite)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(sqlite)?;
    connection.set_prepared_statement_cache_capacity(128);
    // In KiB when negative.
    connection.pragma_update(None, "cache_size", -32_768).map_err(sqlite)?;
    connection.pragma_update(None, "temp_store", "memory").map_err(sqlite)?;
    Ok(connection)
}

fn start(file: PathBuf, writing: Option<(Connection, Role)>, clock: Arc<dyn Clock>) -> Result<Db, OpenError> {
    let signals = Arc::new(Signals::default());
    let counters = Arc::new(Counters::default());
    let (reads, messages) = mpsc::channel();
    let messages = Arc::new(Mutex::new(messages));
    let mut threads = Threads::default();
    for _ in 0..readers::READERS {
        let connection = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let reader = readers::Reader { connection, file: file.clone(), messages: Arc::clone(&messages) };
        let thread = thread::Builder::new().name("sendoff-reader".into());
        threads.readers.push(thread.spawn(|| reader.work()).map_err(OpenError::Threads)?);
    }
    let mut writer = None;
    if let Some((connection, role)) = writing {
        // What others wrote before is read now.
        let others = connection.pragma_query_value(None, "data_version", |row| row.get(0)).ok();
        let (sender, jobs) = mpsc::channel();
        let work = writer::Writer {
            connection,
            file: file.clone(),
            clock: Arc::clone(&clock),
            signals: Arc::clone(&signals),
            counters: Arc::clone(&counters),
            subscriptions: RefCell::default(),
            others: Cell::new(others),
            latest: Cell::new(i64::MIN),
            role,
        };
        let thread = thread::Builder::new().name("sendoff-writer".into());
        threads.writer = Some(thread.spawn(move || work.work(&jobs)).map_err(OpenError::Threads)?);
        writer = Some(sender);
    }
    Ok(Db { file, writer, readers: reads, signals, counters, clock, threads: Mutex::new(threads) })
}
