//! What a run has done, for people and pictures.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, Instance};

/// Something that a run has done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// At which step; nothing where it is about the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// At which attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Of an attempt: the call. Of an approval: what is asked. Of a start: the run's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What came of it: a step's result, the new values of variables, the number of the branch that was taken, or the moment
    /// that is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

impl Entry {
    pub(super) const fn new(at: Timestamp, what: What) -> Self {
        Self { at, what, instance: None, attempt: None, input: None, output: None, error: None }
    }

    pub(super) fn of(at: Timestamp, what: What, instance: Instance) -> Self {
        Self { instance: Some(instance), ..Self::new(at, what) }
    }
}

/// What a run has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The run has started.
    Started,
    /// It has come to a step.
    Entered,
    /// An `if` or a `switch` goes on with one of its blocks; `output` is its number, the last one's for `else`.
    Chosen,
    /// An action was asked for, to be done at the moment in `output` if that isn't now.
    Attempted,
    /// An attempt failed, and there will be another.
    Retrying,
    /// It waits, until the moment in `output`.
    Waiting,
    /// Somebody was asked, and may decide until the moment in `output`.
    Asked,
    /// Somebody has decided.
    Decided,
    /// Nobody has decided in time.
    Expired,
    /// A step was done.
    Done,
    /// An action found that there was nothing to do.
    Skipped,
    /// A step failed for good.
    Failed,
    /// A step was under way when something around it failed or was stopped.
    GivenUp,
    /// A person has taken up the run again.
    Redriven,
    /// The run has come to its end.
    RunSucceeded,
    /// The run has failed.
    RunFailed,
    /// A person has stopped the run.
    RunStopped,
}
