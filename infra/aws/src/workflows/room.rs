//! Room for one more version: Step Functions keeps 1,000 of a machine, and deletes none by itself
//! (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_PublishStateMachineVersion.html>).

use std::time::Duration;

use aws_sdk_sfn::{error::SdkError, types::ExecutionStatus};
use sendoff_consumers::WorkflowError;
use sendoff_events::Timestamp;

use super::{SfnWorkflows, failed, moment};
use crate::CallError;

/// So many are deleted at a time, so that not every version that is published has to look for one that can go.
const AT_ONCE: usize = 10;
/// So many of the oldest are looked at. Each costs three calls at least.
const LOOKED_AT: usize = 100;
/// How long a run that failed can be taken up again
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>), and a day for clocks and late news.
const REDRIVABLE: Duration = Duration::from_secs(15 * 86_400);

impl SfnWorkflows {
    /// Deletes the oldest versions of the machine that no run goes on with, or could be taken up again with. A run that starts in
    /// between has its definition already, or finds its version gone and has it made again, as ever.
    pub(super) async fn make_room(&self, machine: &str) -> Result<(), WorkflowError> {
        let mut versions = self.versions(machine).await?;
        versions.sort_unstable();
        // The newest is the one that is switched on.
        versions.pop();
        let mut deleted = 0;
        for (number, version) in versions.iter().take(LOOKED_AT) {
            if self.is_needed(version).await? {
                continue;
            }
            let delete = self.store.aws.sfn().delete_state_machine_version().state_machine_version_arn(version);
            if let Err(error) = delete.send().await {
                return Err(failed(CallError::of("states:DeleteStateMachineVersion", version, &error)));
            }
            tracing::info!(machine, number, "an old version of a state machine was deleted: no run needs it");
            deleted += 1;
            if deleted == AT_ONCE {
                break;
            }
        }
        if deleted > 0 {
            return Ok(());
        }
        Err(WorkflowError::Unusable(format!(
            "state machine `{machine}` has as many versions as Step Functions keeps, and each of the oldest {} is needed by a run that \
             goes on or failed in the last 14 days: stop some of these, or publish the workflow under another name",
            versions.len().min(LOOKED_AT)
        )))
    }

    /// The versions of a machine with their numbers.
    async fn versions(&self, machine: &str) -> Result<Vec<(u64, String)>, WorkflowError> {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let list = self.store.aws.sfn().list_state_machine_versions().state_machine_arn(machine).max_results(1000);
            let page = list.set_next_token(token).send().await;
            let page =
                page.map_err(|error| failed(CallError::of("states:ListStateMachineVersions", machine, &error)))?;
            let arns = page.state_machine_versions.into_iter().map(|version| version.state_machine_version_arn);
            found.extend(arns.filter_map(|arn| Some((arn.rsplit(':').next()?.parse().ok()?, arn))));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    async fn is_needed(&self, version: &str) -> Result<bool, WorkflowError> {
        let since = self.store.clock.now().checked_sub(REDRIVABLE).unwrap_or(Timestamp::MIN);
        for status in [ExecutionStatus::Running, ExecutionStatus::Failed, ExecutionStatus::TimedOut] {
            if self.has_run(version, &status, since).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a run of this version stands so, and has since this moment or still does.
    async fn has_run(&self, version: &str, status: &ExecutionStatus, since: Timestamp) -> Result<bool, WorkflowError> {
        let mut token = None;
        loop {
            let list = self.store.aws.sfn().list_executions().state_machine_arn(version).max_results(1000);
            let page = match list.status_filter(status.clone()).set_next_token(token).send().await {
                Ok(page) => page,
                // Somebody else has deleted it.
                Err(SdkError::ServiceError(told)) if told.err().is_state_machine_does_not_exist() => return Ok(false),
                Err(error) => return Err(failed(CallError::of("states:ListExecutions", version, &error))),
            };
            if page.executions.iter().any(|run| run.stop_date().is_none_or(|end| moment(end) >= since)) {
                return Ok(true);
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(false);
            }
        }
    }
}
