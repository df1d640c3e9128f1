//! The jobs that come with Sendoff. One file each: what it handles, how, and one `async fn`.

mod email;
mod email_app_assigned;
mod email_submission_created;
mod look_up;
mod standard;
mod workflow_kickoff;

#[cfg(test)]
pub(crate) mod doubles;
#[cfg(test)]
mod tests;

pub use email::EmailDesk;
pub use email_app_assigned::EmailAppAssigned;
pub use email_submission_created::EmailSubmissionCreated;
pub use standard::{standard, with_email};
pub use workflow_kickoff::WorkflowKickoff;
