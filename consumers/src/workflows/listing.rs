//! Listing runs.

use sendoff_events::{AppId, TenantId, WorkflowId};
use sendoff_workflows::engine::Status;

use super::Run;

/// Which runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    /// Whose.
    pub tenant: TenantId,
    /// Of what.
    pub of: RunsOf,
    /// Only those that stand there.
    pub status: Option<Status>,
}

/// Of what the runs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunsOf {
    /// All that the tenant has.
    Tenant,
    /// Those of an app.
    App(AppId),
    /// Those of one of the app's workflows, whatever its version.
    Workflow(AppId, WorkflowId),
}

impl RunFilter {
    /// Whether the run is one of them.
    #[must_use]
    pub fn lets_through(&self, run: &Run) -> bool {
        let of = match &self.of {
            RunsOf::Tenant => true,
            RunsOf::App(app) => run.started.app == *app,
            RunsOf::Workflow(app, workflow) => run.started.app == *app && run.started.workflow == *workflow,
        };
        of && run.started.tenant == self.tenant && self.status.is_none_or(|status| run.status == status)
    }
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPage {
    /// The runs, those started last first.
    pub runs: Vec<Run>,
    /// Pass it as `after` to get what follows; `None` at the end.
    pub next: Option<String>,
}
