//! The writer: one thread that owns the only writing connection, and commits in groups.
//!
//! Work arrives over a channel. The thread takes all that waits, runs it in one transaction and commits once: one fsync for
//! all of it. While the disk is busy with that, the next group gathers. Nobody is answered before the commit.

use std::{
    cell::{Cell, RefCell},
    fs::File,
    ops::Deref,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
};

use rusqlite::Connection;
use sendoff_events::Clock;

use super::{
    Signals, StoreError,
    columns::millis,
    job::{Broken, Job},
    migrations,
    statements::Run as _,
};
use crate::{rewound, topics::Subscription};

/// The most work that shares one transaction.
const GROUP: usize = 512;

/// What the writer is told.
pub(crate) enum Message {
    /// Do this.
    Run(Box<dyn Job>),
    /// Finish what came before this, then end.
    Stop,
}

/// How the writer's work is going. Work shares transactions: with many callers there are far fewer of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteStats {
    /// Operations that were run.
    pub operations: u64,
    /// Transactions that were committed with at least one change: each is one fsync.
    pub commits: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    operations: AtomicU64,
    commits: AtomicU64,
}

impl Counters {
    pub(crate) fn stats(&self) -> WriteStats {
        WriteStats {
            operations: self.operations.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }
}

/// The transaction that work runs in.
pub(crate) struct Tx<'a> {
    writer: &'a Writer,
    /// Now, in milliseconds: the same for all work of the transaction.
    pub(crate) now: i64,
    woken: RefCell<Vec<i64>>,
    changed: Cell<bool>,
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.writer.connection
    }
}

impl Tx<'_> {
    /// Rings the queue's bell after the commit.
    pub(crate) fn wake(&self, queue: i64) {
        let mut woken = self.woken.borrow_mut();
        if !woken.contains(&queue) {
            woken.push(queue);
        }
    }

    /// Rings the change stream's bell after the commit.
    pub(crate) fn wake_changes(&self) {
        self.changed.set(true);
    }

    /// Whether another process has written since this was asked last.
    pub(crate) fn others_wrote(&self) -> rusqlite::Result<bool> {
        // It changes with the commits of every connection but this one, and nobody else in this process writes.
        let version = self.pragma_query_value(None, "data_version", |row| row.get(0))?;
        let before = self.writer.others.replace(Some(version));
        Ok(before.is_some_and(|before| before != version))
    }

    /// The subscriptions as they were read last, to be filled when there are none.
    pub(crate) fn subscriptions(&self) -> &RefCell<Option<Arc<[Subscription]>>> {
        &self.writer.subscriptions
    }
}

/// The writer thread's belongings.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) file: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) subscriptions: RefCell<Option<Arc<[Subscription]>>>,
    /// The state of the file as other processes have left it, as it was seen last.
    pub(crate) others: Cell<Option<i64>>,
    /// The time of the last transaction.
    pub(crate) latest: Cell<i64>,
    pub(crate) role: Role,
}

/// What the process that writes is to the folder.
pub(crate) enum Role {
    /// It serves it.
    Server {
        /// Held as long as the connection is open, and released after it.
        lock: File,
    },
    /// It writes a little beside the one that serves it.
    Guest,
}

impl Writer {
    /// Works until it is told to stop, then checkpoints and closes the file.
    pub(crate) fn work(self, messages: &Receiver<Message>) {
        let mut group: Vec<Box<dyn Job>> = Vec::new();
        let mut stopping = false;
        while !stopping {
            match messages.recv() {
                Ok(Message::Run(job)) => group.push(job),
                Ok(Message::Stop) | Err(_) => break,
            }
            while group.len() < GROUP {
                match messages.try_recv() {
                    Ok(Message::Run(job)) => group.push(job),
                    Ok(Message::Stop) => {
                        stopping = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
            if let Err(error) = self.transaction(&mut group) {
                let why = StoreError::of(&self.file, &error);
                tracing::error!(error = %why, operations = group.len(), "a transaction failed and was rolled back");
                group.iter_mut().for_each(|job| job.fail(why.clone()));
                self.subscriptions.take();
                if !self.connection.is_autocommit() {
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
            }
            group.drain(..).for_each(Job::answer);
        }
        self.close();
    }

    fn transaction(&self, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let before = self.connection.total_changes();
        self.connection.run("BEGIN IMMEDIATE", [])?;
        if matches!(self.role, Role::Guest) {
            migrations::still_current(&self.connection)?;
            // They are the server's to change.
            self.subscriptions.take();
        }
        let tx =
            Tx { writer: self, now: millis(self.clock.now()), woken: RefCell::default(), changed: Cell::new(false) };
        let ahead = self.latest.get().saturating_sub(tx.now);
        if ahead > rewound::STEP {
            rewound::pull_down(&tx, ahead)?;
        }
        for job in group.iter_mut() {
            self.one(&tx, job.as_mut())?;
        }
        self.connection.run("COMMIT", [])?;
        self.latest.set(tx.now);
        self.counters.operations.fetch_add(group.len() as u64, Ordering::Relaxed);
        if self.connection.total_changes() > before {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        self.signals.wake(&tx.woken.borrow());
        if tx.changed.get() {
            self.signals.changes.notify_waiters();
        }
        Ok(())
    }

    /// Runs one job. An error means that the whole transaction is lost; the job's own failure stays its own.
    fn one(&self, tx: &Tx<'_>, job: &mut dyn Job) -> rusqlite::Result<()> {
        if job.isolated() {
            self.connection.run("SAVEPOINT job", [])?;
        }
        let broken = match job.run(tx) {
            // SQLite has rolled everything back by itself, as it does on a full disk.
            Err(Broken::Failed(error)) if self.connection.is_autocommit() => return Err(error),
            other => other.err(),
        };
        if job.isolated() {
            if broken.is_some() {
                self.connection.run("ROLLBACK TO job", [])?;
                self.subscriptions.take();
            }
            self.connection.run("RELEASE job", [])?;
        }
        match broken {
            None => {}
            Some(Broken::Failed(error)) => job.fail(StoreError::of(&self.file, &error)),
            Some(Broken::Panicked(panic)) => {
                let why = StoreError::panicked(&self.file, panic.as_ref());
                tracing::error!(error = %why, "an operation on the store panicked");
                job.fail(why);
            }
        }
        Ok(())
    }

    fn close(self) {
        let Self { connection, file, role, .. } = self;
        let Role::Server { lock } = role else { return };
        // A failure costs nothing but time at the next start: the log is replayed then.
        if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, file = %file.display(), "the log could not be written back at shutdown");
        }
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, file = %file.display(), "the data file could not be closed cleanly");
        }
        // Said, not left to the end of the last copy of the file: a process that another thread is just starting has one, too.
        if let Err(error) = lock.unlock() {
            tracing::warn!(%error, "the folder's lock can't be given back");
        }
    }
}
