//! Workflow runs on Step Functions that failed, and starting them again from where they did.
//!
//! A run can be redriven for 14 days after its end, under the definition that it was started with
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>). Its steps that succeeded are not taken again.

mod list;
mod redrive;

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
pub use list::{Wanted, list, machine, machines};
pub use redrive::{Outcome, redrive};
use sendoff_consumers::fingerprint;
use sendoff_events::Timestamp;
use serde::Serialize;

/// For so long after its end can a run be redriven.
pub const REDRIVABLE: Duration = Duration::from_secs(14 * 24 * 3600);

/// A run that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Execution {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// How it ended: `FAILED`, `TIMED_OUT`, `ABORTED`.
    pub status: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Until when it can be redriven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrivable_until: Option<Timestamp>,
    /// The name of its error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is said about it, without addresses and phone numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Why it can't be redriven; `None` when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_redrivable: Option<String>,
    /// How often it was redriven before.
    pub redrives: u32,
}

impl Execution {
    /// Whether somebody stopped it, so that it didn't fail.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.status == ExecutionStatus::Aborted.as_str()
    }

    /// The same for runs that failed of the same.
    #[must_use]
    pub fn group(&self) -> String {
        fingerprint(self.error.as_deref().unwrap_or(&self.status), self.cause.as_deref().unwrap_or_default())
    }
}

/// Runs that failed of the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The same for all of them.
    pub group: String,
    /// How many there are.
    pub count: usize,
    /// How many of them can be redriven.
    pub redrivable: usize,
    /// The name of their error.
    pub error: String,
    /// What is said about one of them.
    pub cause: String,
    /// When the first of them ended.
    pub first_at: Option<Timestamp>,
    /// When the last of them ended.
    pub last_at: Option<Timestamp>,
}

/// Groups of runs, the largest first.
#[must_use]
pub fn groups(executions: &[Execution]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for execution in executions {
        let group = execution.group();
        let place = groups.iter().position(|known| known.group == group).unwrap_or_else(|| {
            groups.push(Group {
                group,
                count: 0,
                redrivable: 0,
                error: execution.error.clone().unwrap_or_else(|| execution.status.clone()),
                cause: execution.cause.clone().unwrap_or_default(),
                first_at: None,
                last_at: None,
            });
            groups.len() - 1
        });
        let known = &mut groups[place];
        known.count += 1;
        known.redrivable += usize::from(execution.not_redrivable.is_none());
        let at = execution.stopped_at;
        known.first_at = [known.first_at, at].into_iter().flatten().min();
        known.last_at = [known.last_at, at].into_iter().flatten().max();
    }
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.group.cmp(&b.group)));
    groups
}

/// The end of a run that can be asked for.
///
/// # Errors
///
/// For what is no such end.
pub fn status(text: &str) -> Result<ExecutionStatus, String> {
    match text.to_ascii_uppercase().replace('-', "_").as_str() {
        "FAILED" => Ok(ExecutionStatus::Failed),
        "TIMED_OUT" => Ok(ExecutionStatus::TimedOut),
        "ABORTED" => Ok(ExecutionStatus::Aborted),
        _ => Err("use FAILED, TIMED_OUT or ABORTED: runs that ended otherwise have nothing to redrive".into()),
    }
}
