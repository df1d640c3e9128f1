//! The port to a store for runs, where we carry them out ourselves.

use sendoff_events::{BoxFuture, Timestamp};
use sendoff_workflows::engine::{Entry, Failure, Status};

use super::{HistoryPage, NewRun, Run, RunFilter, RunPage};
use crate::NewMessage;

/// A run as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// What everybody may know of it.
    pub run: Run,
    /// What it has come to, as the engine wrote it.
    pub state: String,
    /// Counts its changes, from 1.
    pub revision: u64,
}

/// What becomes of a run in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct RunChange {
    /// What it has come to: JSON, of the engine's own form.
    pub state: String,
    /// Where it stands.
    pub status: Status,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// What it has done.
    pub history: Vec<Entry>,
    /// What carries it on.
    pub messages: Vec<StepMessage>,
}

/// A message that carries a run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMessage {
    /// What tells it from the other messages of its run. One that waits under the same name already isn't sent again.
    pub name: String,
    /// When it goes into the queue, however far away; the past means now.
    pub due: Timestamp,
    /// The message. Its own delay is ignored.
    pub message: NewMessage,
}

/// A part of a look for running runs that no message carries on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranded {
    /// Their names.
    pub runs: Vec<String>,
    /// Pass it as `after` to look further; `None` at the end.
    pub next: Option<String>,
}

/// The store of runs failed.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// It can't be reached; trying again later may help.
    #[error("the runs can't be reached: {0}")]
    Unavailable(String),
}

/// Runs, with the messages that carry them on. Each change is one atomic step: after `Ok` the run, its history and its
/// messages are durable, after an error it isn't known whether they are.
pub trait Runs: Send + Sync {
    /// Stores a run that starts. Gives whether it is new: of a name that is taken nothing is changed.
    fn create<'a>(&'a self, run: &'a NewRun, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>>;

    /// The run of this name.
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredRun>, RunsError>>;

    /// Changes a run that stands at the revision `expected`. Gives whether it did: if not, nothing was changed. With the end
    /// of a run its messages that nobody holds are taken out of the queue.
    fn commit<'a>(&'a self, name: &'a str, expected: u64, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>>;

    /// As [`Workflows::history`](super::Workflows::history).
    fn history<'a>(&'a self, name: &'a str, after: u64, limit: usize) -> BoxFuture<'a, Result<HistoryPage, RunsError>>;

    /// As [`Workflows::list`](super::Workflows::list).
    fn list<'a>(
        &'a self,
        filter: &'a RunFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<RunPage, RunsError>>;

    /// Running runs that no message carries on, among the next `limit`. There are none unless a message was taken away by hand.
    fn stranded<'a>(&'a self, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Stranded, RunsError>>;
}
