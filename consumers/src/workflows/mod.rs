//! Runs of workflows: the port to whatever carries them out, and the engine that does so where no service does.
//!
//! [`Workflows`] is what everybody asks: to start a run, to look at it, to stop it. On AWS it is Step Functions. Elsewhere it
//! is the engine, over a store for its runs ([`Runs`]): the store keeps, in one step, what a run has come to and the messages
//! that carry it on, so that a process may vanish at any point and the next one goes on from there.

mod engine;
mod kickoff;
mod listing;
mod port;
mod run;
mod runs;
mod steps;

pub use engine::{EnginePorts, EngineWorkflows};
pub use kickoff::{KICKOFF as WORKFLOW_KICKOFF, Kickoff, with_workflows};
pub use listing::{RunFilter, RunPage, RunsOf};
pub use port::{Decided, NewRun, Started, WorkflowError, Workflows};
pub use run::{HistoryPage, Run, RunEntry};
pub use runs::{RunChange, Runs, RunsError, StepMessage, StoredRun, Stranded};
pub use sendoff_workflows::engine::{Failure as RunFailure, Status as RunStatus};
pub use steps::{STEPS as WORKFLOW_STEPS, WorkflowSteps, approval_call};

use sendoff_workflows::engine::Decision;

use crate::{Classify as _, HandlerError};

/// What an error of the runs means to a message.
fn judge<T>(result: Result<T, WorkflowError>) -> Result<T, HandlerError> {
    match result {
        Err(error @ WorkflowError::Unavailable(_)) => Err(error).or_snooze(),
        Err(error) => Err(error).or_reject("workflow-unusable"),
        Ok(value) => Ok(value),
    }
}

/// A decision, as runs are told it.
const fn decision(decision: sendoff_events::Decision) -> Decision {
    match decision {
        sendoff_events::Decision::Approved => Decision::Approved,
        sendoff_events::Decision::Rejected => Decision::Rejected,
    }
}
