//! Which runs there are, and what each failed of.

use aws_sdk_sfn::{
    Client,
    operation::describe_execution::DescribeExecutionOutput,
    types::{ExecutionListItem, ExecutionRedriveStatus, ExecutionStatus},
};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use sendoff_aws::CallError;
use sendoff_consumers::scrub;
use sendoff_events::Timestamp;

use super::{Execution, REDRIVABLE};

/// So many are asked about at a time.
const AT_ONCE: usize = 8;

/// Which runs are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How they ended.
    pub statuses: Vec<ExecutionStatus>,
    /// Those that ended at or after this moment.
    pub since: Option<Timestamp>,
    /// Those whose error or cause holds this text.
    pub with_error: Option<String>,
    /// No more than these, and only such as can be redriven, those that can be the least long first.
    pub limit: Option<usize>,
}

/// The ARN of a state machine without the version or alias behind it: runs are listed for all of them.
#[must_use]
pub fn machine(arn: &str) -> String {
    arn.splitn(8, ':').take(7).collect::<Vec<_>>().join(":")
}

/// The ARNs of the state machines whose names begin with `{prefix}-`: those of a deployment's workflows.
///
/// # Errors
///
/// [`CallError`].
pub async fn machines(client: &Client, prefix: &str) -> Result<Vec<String>, CallError> {
    let (mut found, mut next, beginning) = (Vec::new(), None, format!("{prefix}-"));
    loop {
        let page = client.list_state_machines().max_results(1000).set_next_token(next).send().await;
        let page = page.map_err(|error| CallError::of("states:ListStateMachines", &*beginning, &error))?;
        let ours = page.state_machines.into_iter().filter(|machine| machine.name.starts_with(&beginning));
        found.extend(ours.map(|machine| machine.state_machine_arn));
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// The runs of machines that are wanted, those that can be redriven the least long first.
///
/// # Errors
///
/// [`CallError`].
pub async fn list(client: &Client, machines: &[String], wanted: &Wanted) -> Result<Vec<Execution>, CallError> {
    let mut found = Vec::new();
    let all = machines.iter().flat_map(|machine| wanted.statuses.iter().map(move |status| (machine, status)));
    for (machine, status) in all {
        let mut next = None;
        loop {
            let page = client.list_executions().state_machine_arn(machine).status_filter(status.clone());
            let page = page.max_results(1000).set_next_token(next).send().await;
            let page = page.map_err(|error| CallError::of("states:ListExecutions", machine.as_str(), &error))?;
            found.extend(page.executions.into_iter().filter(|item| is_recent(item, wanted.since)));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
    }
    // The oldest first; the name makes the order the same each time.
    found.sort_by(|a, b| (ended(a), &a.name).cmp(&(ended(b), &b.name)));
    let asked = stream::iter(found).map(|item| async move {
        let arn = item.execution_arn;
        let told = client.describe_execution().execution_arn(&arn).send().await;
        told.map_err(|error| CallError::of("states:DescribeExecution", arn, &error))
    });
    // A text that is looked for stands only in what each of them tells.
    let fits = |execution: &Execution, hidden: &str| {
        wanted.with_error.as_deref().is_none_or(|text| {
            execution.error.as_deref().is_some_and(|error| error.contains(text)) || hidden.contains(text)
        })
    };
    let matching = asked.buffered(AT_ONCE).try_filter_map(async |told| {
        let cause = told.cause.clone().unwrap_or_default();
        // It may have been redriven since it was listed.
        let is_over = wanted.statuses.contains(&told.status);
        let execution = execution(told);
        // What can't be redriven takes no place from what can.
        let counts = wanted.limit.is_none() || execution.not_redrivable.is_none();
        Ok((is_over && counts && fits(&execution, &cause)).then_some(execution))
    });
    matching.take(wanted.limit.unwrap_or(usize::MAX)).try_collect().await
}

fn ended(item: &ExecutionListItem) -> Option<Timestamp> {
    item.stop_date.as_ref().map(moment)
}

fn is_recent(item: &ExecutionListItem, since: Option<Timestamp>) -> bool {
    since.is_none_or(|since| ended(item).is_none_or(|at| at >= since))
}

fn execution(told: DescribeExecutionOutput) -> Execution {
    let stopped_at = told.stop_date.as_ref().map(moment);
    let said = told.redrive_status_reason.filter(|reason| !reason.is_empty());
    let not_redrivable = match told.redrive_status {
        Some(ExecutionRedriveStatus::Redrivable) => None,
        Some(ExecutionRedriveStatus::RedrivableByMapRun) => {
            Some("it is a child of a map run: redrive its parent".to_owned())
        }
        Some(_) => Some(said.unwrap_or_else(|| "the service doesn't say why".to_owned())),
        None => Some("the service doesn't say whether it can be".to_owned()),
    };
    Execution {
        name: told.name.unwrap_or_default(),
        status: told.status.as_str().to_owned(),
        started_at: moment(&told.start_date),
        stopped_at,
        redrivable_until: stopped_at.and_then(|at| at.checked_add(REDRIVABLE).ok()),
        error: told.error.filter(|error| !error.is_empty()),
        cause: told.cause.map(|cause| scrub(&cause)).filter(|cause| !cause.is_empty()),
        not_redrivable,
        redrives: told.redrive_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        arn: told.execution_arn,
    }
}

/// The moment in milliseconds, the precision that Step Functions keeps.
fn moment(at: &aws_sdk_sfn::primitives::DateTime) -> Timestamp {
    at.to_millis().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::machine;

    #[test]
    fn runs_are_listed_for_all_versions_of_a_machine() {
        let plain = "arn:aws:states:eu-central-1:1:stateMachine:runs";
        for arn in [plain.to_owned(), format!("{plain}:7"), format!("{plain}:live")] {
            assert_eq!(machine(&arn), plain);
        }
    }
}
