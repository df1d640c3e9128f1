//! A run, and what it has done.

use sendoff_events::Timestamp;
use sendoff_workflows::engine::{Entry, Failure, Status};

use super::NewRun;

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What was started.
    pub started: NewRun,
    /// When.
    pub started_at: Timestamp,
    /// Where it stands.
    pub status: Status,
    /// When it came to its end, however it did.
    pub ended_at: Option<Timestamp>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// Something that a run has done.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEntry {
    /// Its place in the run's history, from 1.
    pub number: u64,
    /// What, and when.
    pub entry: Entry,
}

/// A part of a run's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// What was done, in order.
    pub entries: Vec<RunEntry>,
    /// Pass it as `after` to get what follows; `None` at the end.
    pub next: Option<u64>,
}
