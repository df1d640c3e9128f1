//! Listing runs: Step Functions lists those of one machine, so that what is asked for is put together from several lists.

use std::collections::BTreeSet;

use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use sendoff_consumers::{RunFilter, RunPage, RunStatus, RunsOf, WorkflowError};
use sendoff_events::{AppId, TenantId, WorkflowId};
use sendoff_producers::{
    ReadError,
    model::{Stored as _, WorkflowVersion},
};

use super::{SfnWorkflows, failed, unavailable};
use crate::CallError;

/// So many runs are asked about at a time.
const AT_ONCE: usize = 8;
/// The largest page of Step Functions, and of records.
const PAGE: usize = 1000;

/// Where a run stands in the list: when it was started, in milliseconds since 1970, and its name.
type Place = (i64, String);

impl SfnWorkflows {
    /// A page costs a call for each 1,000 runs of each machine that were started later, and two for each run on it.
    pub(super) async fn page(
        &self,
        filter: &RunFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<RunPage, WorkflowError> {
        let limit = limit.clamp(1, 1000);
        let after = after.map(place).transpose()?;
        let mut found: Vec<Place> = Vec::new();
        for machine in self.machines(filter).await? {
            for status in statuses(filter.status) {
                found.extend(self.started(&machine, status, after.as_ref(), limit + 1).await?);
            }
        }
        found.sort_by(|one, other| other.cmp(one));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(at, name)| format!("{at}/{name}"));
        let runs = stream::iter(found.into_iter().map(|(_, name)| async move { self.find(&name).await }));
        let runs: Vec<_> = runs.buffered(AT_ONCE).try_collect().await?;
        // One may have come to its end since it was listed.
        let runs = runs.into_iter().flatten().filter(|run| filter.lets_through(run)).collect();
        Ok(RunPage { runs, next })
    }

    /// The ARNs of the machines whose runs are asked for.
    async fn machines(&self, filter: &RunFilter) -> Result<Vec<String>, WorkflowError> {
        let tenant = &filter.tenant;
        let arn = |app: &AppId, workflow: &WorkflowId| {
            self.store.machine_arn(&self.store.machine_name(tenant, app, workflow))
        };
        match &filter.of {
            RunsOf::Tenant => self.published(tenant, "", arn).await,
            RunsOf::App(app) => self.published(tenant, &format!("{app}/"), arn).await,
            RunsOf::Workflow(app, workflow) => Ok(vec![arn(app, workflow)]),
        }
    }

    /// What there is of each workflow of which a version was ever published.
    async fn published(
        &self,
        tenant: &TenantId,
        prefix: &str,
        of: impl Fn(&AppId, &WorkflowId) -> String,
    ) -> Result<Vec<String>, WorkflowError> {
        let (records, mut after, mut found) = (self.store.records(), None, BTreeSet::new());
        loop {
            let page = records.list(tenant, WorkflowVersion::COLLECTION, prefix, after.as_deref(), PAGE).await;
            let page = page.map_err(|error| match error {
                ReadError::Unavailable(_) => unavailable(&error),
                ReadError::Damaged { .. } => WorkflowError::Unusable(error.to_string()),
            })?;
            for record in &page.records {
                let mut parts = record.key.id.split('/');
                if let (Some(app), Some(workflow)) = (parts.next(), parts.next())
                    && let (Ok(app), Ok(workflow)) = (app.parse(), workflow.parse())
                {
                    found.insert(of(&app, &workflow));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(found.into_iter().collect());
            }
        }
    }

    /// The first `enough` runs of a machine after this place, those started last first.
    async fn started(
        &self,
        machine: &str,
        status: Option<ExecutionStatus>,
        after: Option<&Place>,
        enough: usize,
    ) -> Result<Vec<Place>, WorkflowError> {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let list = self.store.aws.sfn().list_executions().state_machine_arn(machine).max_results(1000);
            let page = match list.set_status_filter(status.clone()).set_next_token(token).send().await {
                Ok(page) => page,
                Err(error) if error.as_service_error().is_some_and(|told| told.is_state_machine_does_not_exist()) => {
                    return Ok(found);
                }
                Err(error) => return Err(failed(CallError::of("states:ListExecutions", machine, &error))),
            };
            let places = page.executions.into_iter().map(started_at);
            found.extend(places.filter(|place| after.is_none_or(|after| place < after)));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() || found.len() >= enough {
                return Ok(found);
            }
        }
    }
}

fn started_at(item: ExecutionListItem) -> Place {
    (item.start_date.to_millis().unwrap_or_default(), item.name)
}

fn place(text: &str) -> Result<Place, WorkflowError> {
    let read = text.split_once('/').and_then(|(at, name)| Some((at.parse().ok()?, name.to_owned())));
    read.ok_or_else(|| {
        WorkflowError::Unusable("that is no place in a list of runs: pass `next` of the page before".into())
    })
}

/// What Step Functions calls those that stand there; `None` for all.
fn statuses(status: Option<RunStatus>) -> Vec<Option<ExecutionStatus>> {
    match status {
        None => vec![None],
        // Only the children of a map are pending, and to ask for them by a machine is refused.
        Some(RunStatus::Running) => vec![Some(ExecutionStatus::Running)],
        Some(RunStatus::Succeeded) => vec![Some(ExecutionStatus::Succeeded)],
        Some(RunStatus::Failed) => vec![Some(ExecutionStatus::Failed), Some(ExecutionStatus::TimedOut)],
        Some(RunStatus::Stopped) => vec![Some(ExecutionStatus::Aborted)],
    }
}
