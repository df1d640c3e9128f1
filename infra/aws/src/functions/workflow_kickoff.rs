//! The function `workflow-kickoff`: starts runs of workflows.

use sendoff_consumers::{Kickoff, WORKFLOW_KICKOFF, with_workflows};

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
    let store = &parts.store;
    let kickoff = Kickoff::new(store.records(), store.workflows(), store.schedules());
    ConsumerFunction::new(WORKFLOW_KICKOFF, parts, |router| with_workflows(router, kickoff))
}
