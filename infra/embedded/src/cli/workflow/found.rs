//! Runs and versions, wherever they are.

use std::sync::Arc;

use sendoff_consumers::{Run, RunEntry, WorkflowError, Workflows};
use sendoff_embedded::{
    Store,
    program::{Exit, Stopped},
};
use sendoff_events::{AppId, TenantId, WorkflowId};
use sendoff_host::SystemRng;
use sendoff_producers::{
    Lookup,
    model::{WorkflowVersion, load, workflow_version_key},
};
use sendoff_workflows::{Definition, Plan, Published};

/// How many entries of a history are read at a time.
const PAGE: usize = 1000;

pub(super) fn workflows(store: &Store) -> Arc<dyn Workflows> {
    store.workflows(Arc::new(SystemRng::new()))
}

/// The run of this name.
pub(super) async fn run(workflows: &dyn Workflows, name: &str) -> Result<Run, Stopped> {
    workflows.get(name).await.map_err(stopped)?.ok_or_else(|| {
        let why = format!("there is no run `{name}`; `sendoff workflow runs` lists those that there are");
        Stopped::new(Exit::NothingMatched, why)
    })
}

/// All that the run has done.
pub(super) async fn history(workflows: &dyn Workflows, name: &str) -> Result<Vec<RunEntry>, Stopped> {
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let page = workflows.history(name, after, PAGE).await.map_err(stopped)?;
        entries.extend(page.entries);
        match page.next {
            Some(next) => after = next,
            None => return Ok(entries),
        }
    }
}

/// The version that the run was started with.
pub(super) async fn plan_of(records: &dyn Lookup, run: &Run) -> Result<Plan, Stopped> {
    let of = &run.started;
    let version = version(records, &of.tenant, (&of.app, &of.workflow), of.version).await?;
    let published = Published {
        app: of.app.clone(),
        workflow: of.workflow.to_string(),
        version: of.version,
        sha256: version.sha256,
        definition: version.definition,
    };
    published.plan().map_err(Stopped::failed)
}

/// The definition that was published with this number.
pub(super) async fn definition(
    records: &dyn Lookup,
    tenant: &TenantId,
    of: (&AppId, &WorkflowId),
    number: u32,
) -> Result<Definition, Stopped> {
    Definition::of(version(records, tenant, of, number).await?.definition).map_err(Stopped::failed)
}

async fn version(
    records: &dyn Lookup,
    tenant: &TenantId,
    (app, workflow): (&AppId, &WorkflowId),
    number: u32,
) -> Result<WorkflowVersion, Stopped> {
    let key = workflow_version_key(tenant, app, workflow, number);
    let found = load::<WorkflowVersion>(records, &key).await;
    let found = found.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
    found.map(|(version, _)| version).ok_or_else(|| {
        let why = format!("tenant `{tenant}` has no version {number} of the workflow {app}/{workflow}");
        Stopped::new(Exit::NothingMatched, why)
    })
}

pub(super) fn stopped(error: WorkflowError) -> Stopped {
    let exit = match &error {
        WorkflowError::Unavailable(_) => Exit::Unreachable,
        WorkflowError::NotPublished { .. } => Exit::NothingMatched,
        WorkflowError::Conflict { .. } | WorkflowError::Unusable(_) => Exit::Failed,
    };
    Stopped::new(exit, error)
}
