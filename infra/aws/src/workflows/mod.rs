//! Workflow runs as executions of Step Functions: a state machine for each workflow, and a version of it for each of ours.

mod decide;
mod fits;
mod history;
mod list;
mod machine;
mod publish;
mod register;
mod room;
mod stored;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_sfn::{
    error::SdkError,
    operation::{
        describe_execution::DescribeExecutionOutput, redrive_execution::RedriveExecutionError,
        start_execution::StartExecutionError,
    },
    types::{ExecutionRedriveStatus, ExecutionStatus},
};
use sendoff_consumers::{
    Decided, HistoryPage, NewRun, Run, RunFailure, RunFilter, RunPage, RunStatus, Started, WorkflowError, Workflows,
};
use sendoff_events::{BoxFuture, TenantId, Timestamp};
use sendoff_workflows::Published;

use crate::{CallError, Cause, Store};
pub(crate) use fits::fits;
use register::{Entry, Put, Register};

/// [`Workflows`] over standard state machines: an execution per run, under the run's name.
///
/// An item beside the inbox records tells whose run a name is, and one which version of a machine is which of ours
/// (`docs/adr/0025-a-state-machine-per-workflow.md`). A name is free again 480 days after its run was started.
///
/// A start is a write and a call, and a read more where a version is started for the first time; `get` is a read and a call,
/// `stop` and `redrive` are a read and two.
pub(crate) struct SfnWorkflows {
    store: Store,
    /// The ARNs of versions that were found published, by machine and number. They never change.
    known: Mutex<HashMap<(String, u32), String>>,
}

impl Store {
    /// Workflow runs.
    #[must_use]
    pub fn workflows(&self) -> Arc<dyn Workflows> {
        Arc::new(SfnWorkflows { store: self.clone(), known: Mutex::default() })
    }
}

impl Workflows for SfnWorkflows {
    fn publish<'a>(
        &'a self,
        tenant: &'a TenantId,
        published: &'a Published,
    ) -> BoxFuture<'a, Result<(), WorkflowError>> {
        Box::pin(self.publish_version(tenant, published))
    }

    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        Box::pin(self.begin(run))
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        Box::pin(self.find(name))
    }

    fn history<'a>(
        &'a self,
        name: &'a str,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<HistoryPage, WorkflowError>> {
        Box::pin(self.told(name, after, limit))
    }

    fn list<'a>(
        &'a self,
        filter: &'a RunFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<RunPage, WorkflowError>> {
        Box::pin(self.page(filter, after, limit))
    }

    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async move {
            let stands = self.describe(name).await?.filter(|(_, found)| is(found, RunStatus::Running));
            let Some((_, found)) = stands else { return Ok(false) };
            let arn = found.execution_arn();
            let stopped = self.store.aws.sfn().stop_execution().execution_arn(arn).send().await;
            let Err(error) = stopped else { return Ok(true) };
            // It may have come to its end in between.
            if self.describe(name).await?.is_none_or(|(_, found)| !is(&found, RunStatus::Running)) {
                return Ok(false);
            }
            Err(failed(CallError::of("states:StopExecution", arn, &error)))
        })
    }

    fn redrive<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async move {
            let stands = self.describe(name).await?.filter(|(_, found)| is(found, RunStatus::Failed));
            let Some((_, found)) = stands else { return Ok(false) };
            if found.redrive_status() == Some(&ExecutionRedriveStatus::NotRedrivable) {
                return Err(too_late(name, found.redrive_status_reason()));
            }
            let arn = found.execution_arn();
            let redriven = self.store.aws.sfn().redrive_execution().execution_arn(arn).send().await;
            let Err(error) = redriven else { return Ok(true) };
            if let Some(RedriveExecutionError::ExecutionNotRedrivable(told)) = error.as_service_error() {
                // Somebody else may have taken it up in between.
                let failed = self.describe(name).await?.is_some_and(|(_, found)| is(&found, RunStatus::Failed));
                return if failed { Err(too_late(name, told.message())) } else { Ok(false) };
            }
            Err(failed(CallError::of("states:RedriveExecution", arn, &error)))
        })
    }

    fn decide<'a>(&'a self, decided: &'a Decided) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(self.tell(decided))
    }
}

impl SfnWorkflows {
    async fn begin(&self, run: &NewRun) -> Result<Started, WorkflowError> {
        if !machine::is_run_name(&run.name) {
            let why = "is no name of a run: 1 to 80 of A-Z, a-z, 0-9, `-` and `_`";
            return Err(WorkflowError::Unusable(format!("`{}` {why}", run.name)));
        }
        let machine = self.store.machine_name(&run.tenant, &run.app, &run.workflow);
        // Before the name is taken, so that a run of what isn't published takes none.
        let version = self.version(run, &machine).await?;
        let claimed = Register::of(&self.store).claim(run, &machine, self.store.clock.now()).await?;
        let is_first = match claimed {
            Put::Ours => true,
            Put::Theirs(stands) if stands.hash == stored::hash(run) => false,
            Put::Theirs(_) => return Err(conflict(run)),
        };
        let start = self.store.aws.sfn().start_execution().state_machine_arn(&version).name(&run.name);
        let Err(error) = start.input(stored::text(&run.input)).send().await else {
            // It was claimed before by somebody who didn't come to start it, or by the same start that is repeated.
            return Ok(if is_first { Started::New } else { Started::Already });
        };
        match error.as_service_error() {
            Some(StartExecutionError::ExecutionAlreadyExists(_)) => {
                let found = self.describe(&run.name).await?;
                // Descriptions lag behind starts.
                let (_, found) = found.ok_or_else(|| unavailable(format!("run `{}` can't be read yet", run.name)))?;
                let is_same = parsed(&run.name, found.input())? == parsed(&run.name, Some(&stored::text(&run.input)))?;
                if !is_same {
                    return Err(conflict(run));
                }
                // An equal start overtook the one that took the name: Step Functions answers it as if it had come first, an
                // emulator says that the run is there.
                let is_overtaken = is_first && is(&found, RunStatus::Running);
                Ok(if is_overtaken { Started::New } else { Started::Already })
            }
            Some(StartExecutionError::StateMachineDoesNotExist(_)) => {
                self.known().remove(&(machine, run.version));
                Err(not_published(run))
            }
            _ => Err(failed(CallError::of("states:StartExecution", version, &error))),
        }
    }

    /// The ARN of the version that the run is of.
    async fn version(&self, run: &NewRun, machine: &str) -> Result<String, WorkflowError> {
        let key = (machine.to_owned(), run.version);
        let known = self.known().get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = Register::of(&self.store).version(machine, run.version).await?;
        let arn = found.ok_or_else(|| not_published(run))?.arn;
        self.known().insert(key, arn.clone());
        Ok(arn)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<(String, u32), String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find(&self, name: &str) -> Result<Option<Run>, WorkflowError> {
        let Some((entry, found)) = self.describe(name).await? else { return Ok(None) };
        let Entry { tenant, app, workflow, version, .. } = entry;
        let input = parsed(name, found.input())?;
        let started = NewRun { name: name.to_owned(), tenant, app, workflow, version, input };
        let ended_at = found.stop_date().map(moment);
        let failure = found
            .error()
            .filter(|_| is(&found, RunStatus::Failed))
            .map(|error| RunFailure { error: error.to_owned(), cause: found.cause().unwrap_or_default().to_owned() });
        let status = status(found.status());
        Ok(Some(Run { started, started_at: moment(found.start_date()), status, ended_at, failure }))
    }

    /// Whose the run is, and how it stands.
    async fn describe(&self, name: &str) -> Result<Option<(Entry, DescribeExecutionOutput)>, WorkflowError> {
        if !machine::is_run_name(name) {
            return Ok(None);
        }
        let Some(entry) = Register::of(&self.store).run(name).await? else { return Ok(None) };
        let arn = self.store.execution_arn(&entry.machine, name);
        match self.store.aws.sfn().describe_execution().execution_arn(&arn).send().await {
            Ok(found) => Ok(Some((entry, found))),
            Err(SdkError::ServiceError(told)) if told.err().is_execution_does_not_exist() => Ok(None),
            Err(error) => Err(failed(CallError::of("states:DescribeExecution", arn, &error))),
        }
    }
}

fn parsed(name: &str, input: Option<&str>) -> Result<serde_json::Value, WorkflowError> {
    serde_json::from_str(input.unwrap_or("null"))
        .map_err(|error| WorkflowError::Unusable(format!("run `{name}` has an input of somebody else's: {error}")))
}

fn is(found: &DescribeExecutionOutput, wanted: RunStatus) -> bool {
    status(found.status()) == wanted
}

fn status(status: &ExecutionStatus) -> RunStatus {
    match status {
        ExecutionStatus::Succeeded => RunStatus::Succeeded,
        ExecutionStatus::Aborted => RunStatus::Stopped,
        ExecutionStatus::Failed | ExecutionStatus::TimedOut => RunStatus::Failed,
        _ => RunStatus::Running,
    }
}

/// The moment in milliseconds, the precision that Step Functions keeps.
fn moment(at: &aws_smithy_types::DateTime) -> Timestamp {
    at.to_millis().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

fn conflict(run: &NewRun) -> WorkflowError {
    WorkflowError::Conflict { name: run.name.clone() }
}

fn not_published(run: &NewRun) -> WorkflowError {
    let NewRun { app, workflow, version, .. } = run;
    WorkflowError::NotPublished { app: app.clone(), workflow: workflow.clone(), version: *version }
}

fn too_late(name: &str, why: Option<&str>) -> WorkflowError {
    let why = why.unwrap_or("it doesn't say why");
    WorkflowError::Unusable(format!(
        "run `{name}` can't be taken up again, says Step Functions: {why}. That goes within 14 days after it has failed: start a \
         new run"
    ))
}

/// Codes of what passes: somebody else changes the same state machine, or it is still being deleted.
const PASSING: [&str; 2] = ["ConflictException", "StateMachineDeleting"];

/// What a call that failed is to whoever asked: a request that is wrong stays wrong.
fn failed(error: CallError) -> WorkflowError {
    let passes = error.code.as_deref().is_some_and(|code| PASSING.contains(&code));
    if error.cause == Cause::Refused && !passes {
        WorkflowError::Unusable(error.to_string())
    } else {
        unavailable(error)
    }
}

fn unavailable(why: impl ToString) -> WorkflowError {
    WorkflowError::Unavailable(why.to_string())
}
