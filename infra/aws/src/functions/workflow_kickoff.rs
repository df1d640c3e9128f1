//! The function `workflow-kickoff`: starts the workflow of an app for each new submission.

use sendoff_consumers::handlers::WorkflowKickoff;

use super::{consumer::ConsumerFunction, parts::Parts};
use crate::{
    lambda::{FunctionError, run},
    settings::Need,
};

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

async fn make() -> Result<ConsumerFunction, FunctionError> {
    let parts = Parts::of(&[Need::Table, Need::InboxTable, Need::Queues, Need::Schedules, Need::Bucket, Need::Runs])?;
    let kickoff = WorkflowKickoff {
        records: parts.lookup("workflow-kickoff").await,
        authoritative: parts.store.records(),
        workflows: parts.store.workflows(),
    };
    ConsumerFunction::new("workflow-kickoff", parts, |router| router.with(kickoff))
}
