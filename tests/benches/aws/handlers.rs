//! Handlers that do nothing, once and repeatedly.

use sendoff_consumers::{Context, Effect, Handler, HandlerError, Policy, SendOutcome};
use sendoff_events::{Envelope, SubmissionUpdated};

/// Its effect may be repeated: two writes to the inbox.
pub(crate) struct Repeatable;

impl Handler for Repeatable {
    type Event = SubmissionUpdated;
    const NAME: &'static str = "repeatable";

    async fn handle(&self, _: &Envelope<SubmissionUpdated>, _: &Context) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Somebody would notice its effect twice: the inbox is told before it begins.
pub(crate) struct Once;

impl Handler for Once {
    type Event = SubmissionUpdated;
    const NAME: &'static str = "once";
    const POLICY: Policy = Policy { effect: Effect::Once, ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<SubmissionUpdated>, context: &Context) -> Result<(), HandlerError> {
        context.once("ada", |_| async { SendOutcome::Sent { provider: None, provider_id: None } }).await?;
        Ok(())
    }
}
