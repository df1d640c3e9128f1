//! A handler: one short `async fn` per job.

use std::sync::Arc;

use sendoff_events::{AnyEnvelope, BoxFuture, DecodeError, Envelope, Event};

use crate::{Context, HandlerError, Policy};

/// A job that is done for each event of one type. Idempotency, retries, timeouts, dead-lettering and tracing come from the
/// [`Router`](crate::Router) around it; the same handler runs in a Lambda function, a worker, the embedded process, a test
/// and the simulation.
///
/// It reads no clock, environment or random numbers but through its [`Context`].
pub trait Handler: Send + Sync + 'static {
    /// The event it handles.
    type Event: Event;

    /// The consumer it belongs to: the name of its queue and the first part of its idempotency keys, so never change it.
    /// Handlers of several event types may share one.
    const NAME: &'static str;

    /// How it is run.
    const POLICY: Policy = Policy::DEFAULT;

    /// Does the job. Effects that must not be repeated go through [`Context::once`].
    ///
    /// # Errors
    ///
    /// A [`HandlerError`], whose class decides what happens to the message.
    fn handle(
        &self,
        event: &Envelope<Self::Event>,
        cx: &Context,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// A job whose event has been decoded, ready to run.
pub(crate) type Job<'h> = Box<dyn FnOnce(Arc<Context>) -> BoxFuture<'h, Result<(), HandlerError>> + Send + 'h>;

/// A handler whose event type has been erased.
pub(crate) trait AnyHandler: Send + Sync {
    fn event_name(&self) -> &'static str;
    fn policy(&self) -> Policy;
    fn prepare(&self, envelope: AnyEnvelope<'_>) -> Result<Job<'_>, DecodeError>;
}

impl<H: Handler> AnyHandler for H {
    fn event_name(&self) -> &'static str {
        H::Event::TYPE
    }

    fn policy(&self) -> Policy {
        H::POLICY
    }

    fn prepare(&self, envelope: AnyEnvelope<'_>) -> Result<Job<'_>, DecodeError> {
        let event = envelope.into_event::<H::Event>()?;
        Ok(Box::new(move |cx| Box::pin(async move { self.handle(&event, &cx).await })))
    }
}
