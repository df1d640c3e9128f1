//! Handlers that do nothing, once and repeatedly.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use sendoff_consumers::{Context, Effect, Handler, HandlerError, Policy, SendOutcome, Stop, Stopper};
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

/// How many messages were handled, and at how many it is enough.
#[derive(Default)]
pub(crate) struct Count {
    handled: AtomicU64,
    enough: AtomicU64,
    stopper: Mutex<Option<Stopper>>,
}

impl Count {
    /// Counts from nothing. The stop is requested at so many.
    pub(crate) fn until(&self, enough: u64) -> Stop {
        let (stopper, stop) = Stop::pair();
        self.handled.store(0, Ordering::Relaxed);
        self.enough.store(enough, Ordering::Relaxed);
        *self.stopper.lock().unwrap() = Some(stopper);
        stop
    }

    pub(crate) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }
}

/// Its effect may be repeated, and it counts them.
pub(crate) struct Counted(pub(crate) Arc<Count>);

impl Handler for Counted {
    type Event = SubmissionUpdated;
    const NAME: &'static str = "race";

    async fn handle(&self, _: &Envelope<SubmissionUpdated>, _: &Context) -> Result<(), HandlerError> {
        if self.0.handled.fetch_add(1, Ordering::Relaxed) + 1 == self.0.enough.load(Ordering::Relaxed)
            && let Some(stopper) = self.0.stopper.lock().unwrap().take()
        {
            stopper.stop();
        }
        Ok(())
    }
}
