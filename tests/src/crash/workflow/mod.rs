//! The crash test of workflows: a process that carries out a workflow with every kind of step, and that dies by its own hand at
//! one exact place of each run, the next place at the next run.
//!
//! The child (bin `workflow_crash_child`) runs [`WorkflowChild`]; the parent is `tests/suite/workflow_crash.rs`. Whatever a run is
//! to leave behind outside of the data folder is counted in the parent, which no kill reaches.

mod child;
mod death;
mod ports;
mod seed;
mod senders;

pub use child::{Work, WorkflowChild};
use death::Death;
pub use seed::seed;
use sendoff_workflows::Plan;

/// The workflow that has every kind of step.
pub const DEFINITION: &str = include_str!("every_kind.yaml");
/// The connection to the system that is called over HTTP.
pub const HTTP_CONNECTION: &str = "crm";
/// The connection to the database.
pub const DATABASE_CONNECTION: &str = "stock";
/// Whose it all is.
pub const TENANT: &str = "acme";
/// The app whose workflow it is.
pub const APP: &str = "orders";
/// The app that submissions are made in.
pub const OTHER_APP: &str = "purchases";
/// The person whom everything goes to.
pub const USER: &str = "ada";
/// The step that asks for an approval.
pub const APPROVAL: &str = "ask";

/// The plan of the workflow.
///
/// # Panics
///
/// When the definition is wrong.
#[must_use]
pub fn plan() -> Plan {
    Plan::read(DEFINITION).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What a run of the number `n` is called.
#[must_use]
pub fn run_name(n: u64) -> String {
    format!("run-{n}")
}

/// The file, in the data folder, that says where the process died in a run of this name.
#[must_use]
pub fn death_of(run: &str) -> String {
    format!("death-of-{run}")
}
