//! The port to workflow runs.

use sendoff_events::{BoxFuture, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A run to start.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Its name: starting is idempotent by it. At most 80 characters of `A-Za-z0-9-_` (the limit of Step Functions).
    pub name: String,
    /// Whose run it is.
    pub tenant: TenantId,
    /// Which workflow.
    pub workflow: String,
    /// Which published version of it.
    pub version: u32,
    /// The ids of its steps, in order.
    pub steps: Vec<String>,
    /// What it is given. Canonical: no time stamps, so that a repeated start has the same input.
    pub input: Value,
}

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The run was started just now.
    New,
    /// A run of this name was started before, with the same workflow, version and input.
    Already,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Not all steps are done.
    Running,
    /// All steps are done.
    Succeeded,
    /// It was stopped by a person.
    Stopped,
    /// It broke off before its last step, or ran out of time. Only a backend whose steps are carried out elsewhere knows it.
    Failed,
}

/// A step that a run has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStep {
    /// The step's id.
    pub id: String,
    /// When it was taken.
    pub at: Timestamp,
}

/// A run and what it has done.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What was started.
    pub started: NewRun,
    /// When.
    pub started_at: Timestamp,
    /// Where it stands.
    pub status: RunStatus,
    /// The steps it has taken, in order.
    pub taken: Vec<RunStep>,
}

/// A workflow operation failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// A run of this name exists with another workflow, version or input.
    #[error("run `{name}` was started before with a different workflow, version or input")]
    Conflict {
        /// The run's name.
        name: String,
    },
    /// The runs can't be reached; trying again later may help.
    #[error("the workflow runs can't be reached: {0}")]
    Unavailable(String),
}

/// Workflow runs.
pub trait Workflows: Send + Sync {
    /// Starts a run, or finds it started.
    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>>;

    /// The run of this name.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>>;

    /// Stops a running run. Gives whether it was running.
    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>>;
}
