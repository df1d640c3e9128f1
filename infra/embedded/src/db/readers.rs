//! The readers: a few threads with a reading connection each, so that no async worker ever waits for the disk.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc::Receiver},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::StoreError;

/// How many reads go on at the same time.
pub(crate) const READERS: usize = 2;

/// What a reader is told.
pub(crate) enum Message {
    /// Do this.
    Run(Box<dyn Query>),
    /// End.
    Stop,
}

/// A read, and who waits for it.
pub(crate) trait Query: Send {
    /// Reads and hands the result over.
    fn run(self: Box<Self>, connection: &Connection, file: &Path);
}

/// A closure as a [`Query`].
pub(crate) struct Call<F, T> {
    pub(crate) work: F,
    pub(crate) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Query for Call<F, T>
where
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(self: Box<Self>, connection: &Connection, file: &Path) {
        let Self { work, reply } = *self;
        if reply.is_closed() {
            return;
        }
        let result = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(result) => result.map_err(|e| StoreError::of(file, &e)),
            Err(panic) => Err(StoreError::panicked(file, panic.as_ref())),
        };
        let _ = reply.send(result);
    }
}

/// A reader thread's belongings.
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    pub(crate) file: PathBuf,
    pub(crate) messages: Arc<Mutex<Receiver<Message>>>,
}

impl Reader {
    /// Reads until it is told to stop.
    pub(crate) fn work(self) {
        loop {
            // The lock is held while waiting: one reader waits for work, the others for the lock.
            let message = self.messages.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match message {
                Ok(Message::Run(query)) => query.run(&self.connection, &self.file),
                Ok(Message::Stop) | Err(_) => return,
            }
        }
    }
}
