//! The port to workflow runs.

use sendoff_events::{AppId, BoxFuture, TenantId, Timestamp, WorkflowId};
use sendoff_workflows::{
    Published,
    engine::{Decision, Instance},
};
use serde_json::Value;

use super::{HistoryPage, Run, RunFilter, RunPage};

/// A run to start.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Its name: starting is idempotent by it. At most 80 characters of `A-Za-z0-9-_` (the limit of Step Functions).
    pub name: String,
    /// Whose run it is.
    pub tenant: TenantId,
    /// Whose workflow it is.
    pub app: AppId,
    /// Which workflow.
    pub workflow: WorkflowId,
    /// Which published version of it.
    pub version: u32,
    /// What it is given. Canonical: no time stamps, so that a repeated start has the same input.
    pub input: Value,
}

impl NewRun {
    /// Whether a run of this name that was started as `other` is the same one.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.tenant, &self.app, &self.workflow, self.version, &self.input)
            == (&other.tenant, &other.app, &other.workflow, other.version, &other.input)
    }
}

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The run was started just now.
    New,
    /// A run of this name was started before, with the same workflow, version and input.
    Already,
}

/// What somebody has decided who was asked by a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The run's name.
    pub run: String,
    /// Which of its steps asked.
    pub instance: Instance,
    /// What.
    pub decision: Decision,
    /// Who.
    pub by: String,
    /// What they said about it.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
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
    /// There is no such version, or it was never told of.
    #[error("version {version} of workflow `{workflow}` of app `{app}` isn't published")]
    NotPublished {
        /// The app.
        app: AppId,
        /// The workflow.
        workflow: WorkflowId,
        /// The version.
        version: u32,
    },
    /// The workflow can't be carried out, or the run can't be understood.
    #[error("{0}")]
    Unusable(String),
    /// The runs can't be reached; trying again later may help.
    #[error("the workflow runs can't be reached: {0}")]
    Unavailable(String),
}

/// Workflow runs.
pub trait Workflows: Send + Sync {
    /// Makes a published version ready to be run. Again and again comes to the same.
    fn publish<'a>(
        &'a self,
        tenant: &'a TenantId,
        published: &'a Published,
    ) -> BoxFuture<'a, Result<(), WorkflowError>>;

    /// Starts a run, or finds it started.
    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>>;

    /// The run of this name.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>>;

    /// What the run has done, in order, after `after` (0 for all of it), at most `limit` entries (1–1000). Nothing of a run
    /// that isn't there.
    fn history<'a>(
        &'a self,
        name: &'a str,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<HistoryPage, WorkflowError>>;

    /// The runs that the filter lets through, those started last first, after `after`, at most `limit` (1–1000).
    fn list<'a>(
        &'a self,
        filter: &'a RunFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<RunPage, WorkflowError>>;

    /// Stops a running run. Gives whether it was running.
    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>>;

    /// Takes a run that failed up again, from where it failed. Gives whether it had failed.
    fn redrive<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>>;

    /// Tells a run what was decided. Gives whether it was waiting for that.
    fn decide<'a>(&'a self, decided: &'a Decided) -> BoxFuture<'a, Result<bool, WorkflowError>>;
}
