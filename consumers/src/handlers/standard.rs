//! Which handlers there are.

use std::sync::Arc;

use super::{EmailAppAssigned, EmailDesk, EmailSubmissionCreated, WorkflowKickoff};
use crate::{Router, RouterError};

/// The router with all the handlers of this module: the consumers `email` and `workflow-kickoff`.
///
/// # Errors
///
/// [`RouterError`] when one of their consumers has a handler for the same events already.
pub fn standard(router: Router, desk: EmailDesk, kickoff: WorkflowKickoff) -> Result<Router, RouterError> {
    with_email(router, desk)?.with(kickoff)
}

/// The router with the handlers of the consumer `email` alone.
///
/// # Errors
///
/// [`RouterError`] when that consumer has a handler for the same events already.
pub fn with_email(router: Router, desk: EmailDesk) -> Result<Router, RouterError> {
    let desk = Arc::new(desk);
    router.with(EmailAppAssigned(Arc::clone(&desk)))?.with(EmailSubmissionCreated(desk))
}
