//! Writing a snapshot's file beside the reading of the queue.

use tokio::task::{JoinHandle, spawn_blocking};

use super::{Snapshot, SnapshotError, Taken};
use crate::letter::Letter;

/// The file, or the job that has it just now. At most one batch is under way.
pub(super) struct Writer {
    at: At,
}

enum At {
    Rest(Box<Snapshot>),
    Work(JoinHandle<(Snapshot, Result<usize, SnapshotError>)>),
    /// The job with the file is gone.
    Lost,
}

impl Writer {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { at: At::Rest(Box::new(snapshot)) }
    }

    /// Adds a batch, once the one before is written.
    pub(super) async fn add(&mut self, letters: Vec<Letter>) -> Result<(), SnapshotError> {
        let mut snapshot = self.at_rest().await?;
        self.at = At::Work(spawn_blocking(move || {
            let added = snapshot.add(&letters);
            (snapshot, added)
        }));
        Ok(())
    }

    /// The file with all that was added, and with what is said of its taking.
    pub(super) async fn finish(mut self, taken: impl FnOnce(&Taken) -> Taken) -> Result<Snapshot, SnapshotError> {
        let mut snapshot = self.at_rest().await?;
        let taken = taken(snapshot.taken());
        snapshot.set_taken(taken)?;
        snapshot.make_durable()?;
        Ok(snapshot)
    }

    async fn at_rest(&mut self) -> Result<Snapshot, SnapshotError> {
        match std::mem::replace(&mut self.at, At::Lost) {
            At::Rest(snapshot) => Ok(*snapshot),
            At::Work(job) => {
                let (snapshot, added) = job.await.map_err(|_| SnapshotError::Broken)?;
                if let Err(error) = added {
                    self.at = At::Rest(Box::new(snapshot));
                    return Err(error);
                }
                Ok(snapshot)
            }
            At::Lost => Err(SnapshotError::Broken),
        }
    }
}
