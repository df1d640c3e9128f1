//! The data file: one writer thread, a few reader threads, and the way to both.

pub(crate) mod columns;
mod error;
pub(crate) mod folder;
pub(crate) mod header;
mod job;
pub(crate) mod migrations;
pub(crate) mod open;
mod open_error;
mod readers;
mod signals;
pub(crate) mod statements;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

pub use error::StoreError;
use rusqlite::Connection;
use sendoff_events::Clock;
pub(crate) use signals::Signals;
use tokio::sync::oneshot;
pub(crate) use writer::Tx;
pub use writer::WriteStats;

/// The threads of an open data file. Ends them when it is dropped.
pub(crate) struct Db {
    file: PathBuf,
    writer: Option<mpsc::Sender<writer::Message>>,
    readers: mpsc::Sender<readers::Message>,
    /// Who is woken by commits.
    pub(crate) signals: Arc<Signals>,
    counters: Arc<writer::Counters>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    readers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Db {
    /// Runs `work` in the writer, and answers once it is committed. It writes with one statement, or each of its statements
    /// may stand alone: when it fails, what it wrote before is kept.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit(false, work).await
    }

    /// Runs `work` in the writer, all or nothing, and answers once it is committed.
    pub(crate) async fn write_isolated<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit(true, work).await
    }

    async fn submit<T, F>(&self, isolated: bool, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let Some(writer) = &self.writer else { return Err(StoreError::ReadOnly) };
        let (reply, answer) = oneshot::channel();
        let job = job::Call { isolated, work: Some(work), result: None, reply };
        writer.send(writer::Message::Run(Box::new(job))).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// A way to the writer for work that nobody waits for.
    pub(crate) fn errands(&self) -> Errands {
        Errands(self.writer.clone())
    }

    /// Runs `work` in a reader. It sees every commit that was answered before.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let query = Box::new(readers::Call { work, reply });
        self.readers.send(readers::Message::Run(query)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// How the writer's work is going.
    pub(crate) fn stats(&self) -> WriteStats {
        self.counters.stats()
    }

    /// The data file.
    pub(crate) fn file(&self) -> &std::path::Path {
        &self.file
    }

    /// Ends all threads: first the readers, so that the writer can write the whole log back. Blocks until it is done.
    pub(crate) fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for _ in &threads.readers {
            let _ = self.readers.send(readers::Message::Stop);
        }
        for reader in threads.readers {
            let _ = reader.join();
        }
        if let (Some(writer), Some(thread)) = (&self.writer, threads.writer) {
            let _ = writer.send(writer::Message::Stop);
            // Work runs in the writer thread; if it held the last handle, the thread ends by itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends work to the writer that nobody waits for.
#[derive(Clone)]
pub(crate) struct Errands(Option<mpsc::Sender<writer::Message>>);

impl Errands {
    /// Runs `work` in the writer, when it comes to it. What fails is forgotten.
    pub(crate) fn send<F>(&self, work: F)
    where
        F: FnOnce(&Tx<'_>) -> rusqlite::Result<()> + Send + 'static,
    {
        if let Some(writer) = &self.0 {
            let (reply, _) = oneshot::channel();
            let job = job::Call { isolated: true, work: Some(work), result: None, reply };
            let _ = writer.send(writer::Message::Run(Box::new(job)));
        }
    }
}
