//! Workflow runs as executions of a Step Functions state machine.

mod history;
mod stored;

use std::sync::Arc;

use aws_sdk_sfn::{error::SdkError, operation::describe_execution::DescribeExecutionOutput, types::ExecutionStatus};
use sendoff_consumers::{NewRun, Run, RunStatus, RunStep, Started, WorkflowError, Workflows};
use sendoff_events::{BoxFuture, Timestamp};

use crate::{CallError, Store};

/// [`Workflows`] over one standard state machine: an execution per run, under the run's name.
///
/// While a run goes on, Step Functions answers a start of the same name and input as it answered the first
/// (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>), so a repeated start is told
/// [`Started::New`] until the run has ended. Names are free again 90 days after their run has ended.
///
/// A start is one call, and one more when the name is taken; `get` is two, and one more per thousand events of the run;
/// `stop` is two.
pub(crate) struct SfnWorkflows {
    store: Store,
}

impl Store {
    /// Workflow runs.
    #[must_use]
    pub fn workflows(&self) -> Arc<dyn Workflows> {
        Arc::new(SfnWorkflows { store: self.clone() })
    }
}

impl Workflows for SfnWorkflows {
    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        Box::pin(async move {
            let machine = &self.store.resources.runs_arn;
            let start = self.store.aws.sfn().start_execution().state_machine_arn(machine).name(&run.name);
            match start.input(stored::input(run)).send().await {
                Ok(_) => Ok(Started::New),
                Err(SdkError::ServiceError(told)) if told.err().is_execution_already_exists() => {
                    let found = self.describe(&run.name).await?;
                    // Descriptions lag behind starts.
                    let found = found.ok_or_else(|| unavailable(format!("run `{}` can't be read yet", run.name)))?;
                    if stored::is_same(run, found.input().unwrap_or_default()) {
                        Ok(Started::Already)
                    } else {
                        Err(WorkflowError::Conflict { name: run.name.clone() })
                    }
                }
                Err(error) => Err(unavailable(CallError::of("states:StartExecution", machine, &error))),
            }
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        Box::pin(async move {
            let Some(found) = self.describe(name).await? else { return Ok(None) };
            let started = stored::run(name, found.input().unwrap_or_default())
                .map_err(|error| unavailable(format!("run `{name}` has an input of somebody else's: {error}")))?;
            let started_at = moment(found.start_date());
            let taken = self.taken(found.execution_arn()).await?;
            Ok(Some(Run { started, started_at, status: status(found.status()), taken }))
        })
    }

    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async move {
            let runs = |found: &DescribeExecutionOutput| status(found.status()) == RunStatus::Running;
            let Some(found) = self.describe(name).await?.filter(runs) else { return Ok(false) };
            let arn = found.execution_arn();
            let stopped = self.store.aws.sfn().stop_execution().execution_arn(arn).send().await;
            let Err(error) = stopped else { return Ok(true) };
            // It may have come to its end in between.
            if self.describe(name).await?.is_none_or(|found| !runs(&found)) {
                return Ok(false);
            }
            Err(unavailable(CallError::of("states:StopExecution", arn, &error)))
        })
    }
}

impl SfnWorkflows {
    async fn describe(&self, name: &str) -> Result<Option<DescribeExecutionOutput>, WorkflowError> {
        let Some(arn) = execution_arn(&self.store.resources.runs_arn, name) else { return Ok(None) };
        match self.store.aws.sfn().describe_execution().execution_arn(&arn).send().await {
            Ok(found) => Ok(Some(found)),
            Err(SdkError::ServiceError(told)) if told.err().is_execution_does_not_exist() => Ok(None),
            Err(error) => Err(unavailable(CallError::of("states:DescribeExecution", arn, &error))),
        }
    }

    /// The steps that the run has taken, by one call per thousand events.
    async fn taken(&self, arn: &str) -> Result<Vec<RunStep>, WorkflowError> {
        let mut taken = Vec::new();
        let mut next = None;
        loop {
            let page = self.store.aws.sfn().get_execution_history().execution_arn(arn).max_results(1000);
            let page = page.include_execution_data(true).set_next_token(next).send().await;
            let page = page.map_err(|error| unavailable(CallError::of("states:GetExecutionHistory", arn, &error)))?;
            taken.extend(page.events().iter().filter_map(history::step));
            next = page.next_token;
            if next.is_none() {
                return Ok(taken);
            }
        }
    }
}

/// The ARN of the run's execution; `None` for what is no name of a run.
fn execution_arn(machine: &str, name: &str) -> Option<String> {
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    // arn:aws:states:REGION:ACCOUNT:stateMachine:NAME, and a version or an alias after it.
    let mut parts = machine.split(':');
    let prefix: Vec<&str> = parts.by_ref().take(5).collect();
    let machine = parts.nth(1)?;
    ((1..=80).contains(&name.len()) && is_name).then(|| format!("{}:execution:{machine}:{name}", prefix.join(":")))
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

fn unavailable(why: impl ToString) -> WorkflowError {
    WorkflowError::Unavailable(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_execution_is_found_by_its_name_whatever_version_started_it() {
        let expected = Some("arn:aws:states:eu-central-1:1:execution:runs:r-1".to_owned());
        for machine in ["runs", "runs:7", "runs:live"] {
            let arn = format!("arn:aws:states:eu-central-1:1:stateMachine:{machine}");
            assert_eq!(execution_arn(&arn, "r-1"), expected);
        }
        for name in ["", "a b", "a:b", "ü", &"x".repeat(81)] {
            assert_eq!(execution_arn("arn:aws:states:eu-central-1:1:stateMachine:runs", name), None, "{name}");
        }
        assert_eq!(execution_arn("no ARN", "r-1"), None);
    }

    #[test]
    fn a_run_that_waits_to_be_redriven_is_not_over() {
        assert_eq!(status(&ExecutionStatus::PendingRedrive), RunStatus::Running);
        assert_eq!(status(&ExecutionStatus::TimedOut), RunStatus::Failed);
        assert_eq!(status(&ExecutionStatus::Aborted), RunStatus::Stopped);
    }
}
