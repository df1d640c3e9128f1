//! Taking a snapshot.

use std::{path::PathBuf, time::Duration};

use futures::{StreamExt as _, stream};
use sendoff_consumers::{DeadLetter, DeadLetterQueue, DeadLetters, DeadLettersError, InboxError};
use sendoff_events::{Blobs, Clock, at_millis};
use sendoff_host::{Exit, Stopped};

use super::{Snapshot, SnapshotError, Taken};
use crate::letter::{self, Letter};

/// How many letters are asked for at a time.
const PAGE: usize = 1000;
/// How many claim checks are fetched at a time.
const FETCHES: usize = 32;

/// What a snapshot is taken from.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The letters.
    pub letters: &'a dyn DeadLetters,
    /// Large bodies.
    pub blobs: &'a dyn Blobs,
    /// The time.
    pub clock: &'a dyn Clock,
}

/// How it is taken.
#[derive(Debug, Clone)]
pub struct Taking {
    /// The file.
    pub path: PathBuf,
    /// For how long letters are leased at a time, where looking needs leases.
    pub hold: Duration,
    /// At most so many letters.
    pub max: Option<u64>,
}

/// A snapshot could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Looking into the queue does harm.
    #[error("`{queue}` isn't looked into: {why}")]
    Untouchable {
        /// Which queue.
        queue: String,
        /// Why.
        why: String,
    },
    /// The letters can't be had.
    #[error(transparent)]
    Letters(#[from] DeadLettersError),
    /// What consumers have recorded can't be had.
    #[error("what the consumers have recorded can't be read: {0}")]
    Ledger(#[from] InboxError),
    /// The file can't be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl From<TakeError> for Stopped {
    fn from(error: TakeError) -> Self {
        let exit = match error {
            TakeError::Untouchable { .. } => Exit::Refused,
            TakeError::Letters(error) => return stopped(error),
            TakeError::Ledger(_) => Exit::Unreachable,
            TakeError::Snapshot(error) => return error.into(),
        };
        Self::new(exit, error)
    }
}

/// How the program ends over a dead-letter queue that could not be used.
pub(crate) fn stopped(error: DeadLettersError) -> Stopped {
    let exit = match error {
        DeadLettersError::NoSuchQueue(_) => Exit::NothingMatched,
        DeadLettersError::Refused(_) => Exit::Refused,
        DeadLettersError::TooManyLeased(_) | DeadLettersError::Unavailable(_) => Exit::Unreachable,
    };
    Stopped::new(exit, error)
}

/// Takes a snapshot of a queue.
///
/// # Errors
///
/// [`TakeError`].
pub async fn take(ports: Ports<'_>, queue: &DeadLetterQueue, taking: &Taking) -> Result<Snapshot, TakeError> {
    if let Some(why) = queue.untouchable.clone() {
        return Err(TakeError::Untouchable { queue: queue.name.clone(), why });
    }
    let taken = Taken {
        deployment: ports.letters.deployment(),
        queue: queue.name.clone(),
        target: queue.kind.target().map(str::to_owned),
        retention_s: queue.retention.map(|retention| retention.as_secs()),
        fifo: queue.fifo,
        begun_at: at_millis(ports.clock.now()),
        ended_at: None,
        depth: queue.waiting + queue.in_flight,
        leased: 0,
        released: 0,
        receives: 0,
    };
    let mut snapshot = Snapshot::create(&taking.path, taken)?;
    let mut after: Option<String> = None;
    while let Some(page) = ports.letters.read(&queue.name, after.as_deref(), PAGE).await? {
        let Some(last) = page.last() else { break };
        after = Some(last.message_id.clone());
        let letters = whole(ports, queue, page).await?;
        snapshot.add(&letters)?;
    }
    let taken = Taken { ended_at: Some(at_millis(ports.clock.now())), ..snapshot.taken().clone() };
    snapshot.set_taken(taken)?;
    Ok(snapshot)
}

/// The letters with their bodies, and with what their consumers have recorded.
async fn whole(ports: Ports<'_>, queue: &DeadLetterQueue, page: Vec<DeadLetter>) -> Result<Vec<Letter>, TakeError> {
    let reads = page.into_iter().map(|message| letter::read(message, queue, ports.blobs));
    let mut letters: Vec<Letter> = stream::iter(reads).buffered(FETCHES).collect().await;
    let keys: Vec<_> = letters.iter().map(|letter| letter::ledger_key(&letter.facts)).collect();
    let asked: Vec<_> = keys.iter().flatten().cloned().collect();
    let mut records = ports.letters.ledger(&asked).await?.into_iter();
    for (letter, key) in letters.iter_mut().zip(&keys) {
        if key.is_some() {
            letter.ledger = records.next().flatten().as_ref().map(Into::into);
        }
    }
    Ok(letters)
}
