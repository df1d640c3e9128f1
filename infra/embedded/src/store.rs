//! The store: one data folder, and every port on it.

use sendoff_host::SystemClock;
use std::{path::Path, sync::Arc};

use sendoff_consumers::{Changes, Deliveries, EnginePorts, EngineWorkflows, Filter, Inbox, Queue, Runs, Schedules};
use sendoff_events::{Blobs, Clock, Rng};
use sendoff_producers::{Outbox, Publisher, Records};

use crate::{
    Durability, OpenError, Purged, Retention, StoreError, WriteStats,
    blobs::FolderBlobs,
    changes::SqliteChanges,
    db::{Db, open},
    deliveries::SqliteDeliveries,
    inbox::SqliteInbox,
    outbox::SqliteOutbox,
    publisher::SqlitePublisher,
    purge,
    queue::{SqliteQueue, names, names::Ids},
    records::SqliteRecords,
    recover,
    runs::SqliteRuns,
    schedules::SqliteSchedules,
    topics,
};

/// How to open a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// What a commit waits for. Default: [`Durability::Full`].
    pub durability: Durability,
    /// The largest event body that travels in messages, in bytes; what is larger becomes a claim check. Default: 256 KiB,
    /// the limit of SNS.
    pub max_body: usize,
    /// A message that was delivered more often than this in a row without a verdict is dead-lettered as
    /// `receive-count-exceeded`: a net below the handlers' own limits, for what kills its consumer before it can count. Being
    /// put off is a verdict, so throttling and outages never lead here. Default: 1000.
    pub max_receives: u32,
    /// The time. Default: [`SystemClock`].
    pub clock: Arc<dyn Clock>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { durability: Durability::Full, max_body: 256 * 1024, max_receives: 1000, clock: Arc::new(SystemClock) }
    }
}

/// An open data folder: the `SQLite` file `sendoff.db`, large payloads in `blobs/`, and the lock `sendoff.lock`. Hands out
/// every port.
///
/// Clones are cheap and mean the same store. When the last handle and the last port are dropped, what was begun is
/// finished and the folder is released; [`shutdown`](Store::shutdown) does so at once.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Arc<Db>,
    pub(crate) blobs: Arc<FolderBlobs>,
    max_body: usize,
    max_receives: u32,
}

impl Store {
    /// Opens the data folder to serve it: creates what is missing, and takes its lock, so that no other process can. A folder that
    /// `load` has made isn't its own any more ([`LOAD_MARK`](crate::LOAD_MARK)).
    ///
    /// Blocks for a moment: files are read, and after a crash the log is replayed.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing in the folder was changed then.
    pub fn open(folder: impl AsRef<Path>, options: StoreOptions) -> Result<Self, OpenError> {
        let db = open::serve(folder.as_ref(), options.durability, Arc::clone(&options.clock))?;
        Ok(Self::over(db, folder.as_ref(), &options))
    }

    /// Opens the data folder only to look at it. Works beside the process that serves it; everything that writes answers
    /// [`StoreError::ReadOnly`].
    ///
    /// # Errors
    ///
    /// [`OpenError`], [`OpenError::Missing`] when there is no data yet.
    pub fn open_read_only(folder: impl AsRef<Path>, options: StoreOptions) -> Result<Self, OpenError> {
        let db = open::read_only(folder.as_ref(), Arc::clone(&options.clock))?;
        Ok(Self::over(db, folder.as_ref(), &options))
    }

    /// Opens the data folder to write a little, beside the process that serves it or without one: what a person decides. The
    /// process that serves it notices within about a second ([`notice_others`](Self::notice_others)). See
    /// `docs/adr/0018-a-guest-in-the-folder.md` for why that is safe. What it writes is on the disk when it is answered, whatever
    /// [`StoreOptions::durability`] says.
    ///
    /// # Errors
    ///
    /// [`OpenError`], [`OpenError::Missing`] when there is no data yet.
    pub fn open_beside(folder: impl AsRef<Path>, options: StoreOptions) -> Result<Self, OpenError> {
        let db = open::beside(folder.as_ref(), Arc::clone(&options.clock))?;
        Ok(Self::over(db, folder.as_ref(), &options))
    }

    /// Looks whether another process has written to the file since this was called last, and if so, wakes everybody who waits
    /// for messages or changes. Gives whether it has.
    ///
    /// # Errors
    ///
    /// When the file can't be used.
    pub async fn notice_others(&self) -> Result<bool, StoreError> {
        self.db.write(names::wake_if_others_wrote).await
    }

    fn over(db: Db, folder: &Path, options: &StoreOptions) -> Self {
        let (max_body, max_receives) = (options.max_body, options.max_receives);
        Self { db: Arc::new(db), blobs: Arc::new(FolderBlobs::new(folder)), max_body, max_receives }
    }

    /// Finishes what was begun, writes the log back into the data file and releases the folder. Whatever comes after that
    /// answers [`StoreError::Closed`].
    pub async fn shutdown(&self) {
        let db = Arc::clone(&self.db);
        // It fails only if it panicked, and then the threads end when the last handle is dropped.
        let _ = tokio::task::spawn_blocking(move || db.close()).await;
    }

    /// The data file.
    #[must_use]
    pub fn file(&self) -> &Path {
        self.db.file()
    }

    /// The records.
    #[must_use]
    pub fn records(&self) -> Arc<dyn Records> {
        let (db, blobs) = (Arc::clone(&self.db), Arc::clone(&self.blobs));
        Arc::new(SqliteRecords { db, blobs, max_body: self.max_body })
    }

    /// The outbox. Normally empty: a commit publishes in its own transaction.
    #[must_use]
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(SqliteOutbox { db: Arc::clone(&self.db) })
    }

    /// The topic, for events that no commit publishes.
    #[must_use]
    pub fn publisher(&self) -> Arc<dyn Publisher> {
        let (db, blobs) = (Arc::clone(&self.db), Arc::clone(&self.blobs));
        Arc::new(SqlitePublisher { db, blobs, max_body: self.max_body })
    }

    /// The claim-check payloads.
    #[must_use]
    pub fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::clone(&self.blobs) as Arc<dyn Blobs>
    }

    /// The inbox.
    #[must_use]
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(SqliteInbox { db: Arc::clone(&self.db) })
    }

    /// What providers have told of messages.
    #[must_use]
    pub fn deliveries(&self) -> Arc<dyn Deliveries> {
        Arc::new(SqliteDeliveries { db: Arc::clone(&self.db) })
    }

    /// The change stream.
    #[must_use]
    pub fn changes(&self) -> Arc<dyn Changes> {
        Arc::new(SqliteChanges { db: Arc::clone(&self.db) })
    }

    /// The schedules.
    #[must_use]
    pub fn schedules(&self) -> Arc<dyn Schedules> {
        Arc::new(SqliteSchedules { db: Arc::clone(&self.db) })
    }

    /// Workflows, carried out by our own engine.
    #[must_use]
    pub fn workflows(&self, rng: Arc<dyn Rng>) -> Arc<EngineWorkflows> {
        let (runs, records, clock) = (self.runs(), self.records(), Arc::clone(&self.db.clock));
        Arc::new(EngineWorkflows::new(EnginePorts { runs, records, clock, rng }))
    }

    /// The workflow runs, as the engine keeps them.
    #[must_use]
    pub fn runs(&self) -> Arc<dyn Runs> {
        Arc::new(SqliteRuns { db: Arc::clone(&self.db) })
    }

    /// The queue of this name, created with its dead-letter queue if it isn't there yet. `{name}-dlq` opens the dead-letter
    /// queue itself.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] for a name that no queue can have, [`StoreError::NoSuchQueue`] for a dead-letter queue that
    /// doesn't exist; and when the file can't be read or written.
    pub async fn queue(&self, name: &str) -> Result<Arc<dyn Queue>, StoreError> {
        let ids = self.ids(name).await?;
        let (db, name, max_receives) = (Arc::clone(&self.db), name.to_owned(), self.max_receives);
        Ok(Arc::new(SqliteQueue { db, name, ids, max_receives }))
    }

    async fn ids(&self, name: &str) -> Result<Ids, StoreError> {
        names::check(name).map_err(StoreError::Refused)?;
        let asked = name.to_owned();
        if let Some(ids) = self.db.read(move |db| names::find(db, &asked)).await? {
            return Ok(ids);
        }
        let asked = name.to_owned();
        let created = self.db.write_isolated(move |tx| names::find_or_create(tx, &asked)).await?;
        created.ok_or_else(|| StoreError::NoSuchQueue(name.to_owned()))
    }

    /// Lets the queue have every event that `filter` lets through, from now on. Replaces its former subscription. Creates the
    /// queue if it isn't there yet.
    ///
    /// # Errors
    ///
    /// As [`queue`](Store::queue); and [`StoreError::Refused`] for a dead-letter queue.
    pub async fn subscribe(&self, queue: &str, filter: &Filter) -> Result<(), StoreError> {
        let ids = self.ids(queue).await?;
        if ids.dead.is_none() {
            return Err(StoreError::Refused(format!("`{queue}` is a dead-letter queue: what comes there has failed")));
        }
        let filter = serde_json::to_string(filter).map_err(|e| StoreError::Refused(e.to_string()))?;
        self.db.write_isolated(move |tx| topics::subscribe(tx, ids.queue, &filter)).await
    }

    /// Ends the queue's subscription; its messages stay. Gives whether there was one.
    ///
    /// # Errors
    ///
    /// As [`queue`](Store::queue).
    pub async fn unsubscribe(&self, queue: &str) -> Result<bool, StoreError> {
        let ids = self.ids(queue).await?;
        self.db.write_isolated(move |tx| topics::unsubscribe(tx, ids.queue)).await
    }

    /// Ends the leases and claims of the process that served the folder before, if it vanished without giving them back. To be
    /// called before the first message is received. Gives how many leases it has ended.
    ///
    /// # Errors
    ///
    /// When the file can't be written.
    pub async fn recover(&self) -> Result<u64, StoreError> {
        self.db.write_isolated(recover::recover).await
    }

    /// Forgets what nobody needs any more, in small steps beside the work at hand. Records that are claimed or in doubt, and
    /// events that stand in any queue, are kept whatever their age.
    ///
    /// # Errors
    ///
    /// When the file can't be written; what was forgotten by then stays forgotten.
    pub async fn purge(&self, retention: Retention) -> Result<Purged, StoreError> {
        purge::purge(&self.db, &self.blobs, self.db.clock.now(), retention).await
    }

    /// How the writer's work is going: operations, and the commits that they shared.
    #[must_use]
    pub fn write_stats(&self) -> WriteStats {
        self.db.stats()
    }
}
