//! A function that is one consumer.

use sendoff_consumers::{Router, RouterError};
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::lambda::{Function, FunctionError, Invocation, QueueEvent, SqsHost, answer};

/// Works batches of the consumer's queue.
pub(super) struct ConsumerFunction {
    parts: Parts,
    host: SqsHost,
}

impl ConsumerFunction {
    /// The function of the consumer `name`, with the handlers that `add` adds.
    pub(super) fn new(
        name: &'static str,
        parts: Parts,
        add: impl FnOnce(Router) -> Result<Router, RouterError>,
    ) -> Result<Self, FunctionError> {
        let router = add(Router::new(parts.router_ports())).map_err(FunctionError::start)?;
        let consumer = router.consumer(name).cloned();
        let consumer = consumer.ok_or_else(|| FunctionError::start(format_args!("no handler is named `{name}`")))?;
        let host = SqsHost::new(consumer, parts.store.queue(name), parts.clock.clone());
        Ok(Self { parts, host })
    }
}

impl Function for ConsumerFunction {
    async fn handle(&self, event: &RawValue, invocation: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let batch = QueueEvent::of(event, self.parts.clock.now())?;
        answer(&self.host.handle(batch, &invocation.deadline).await)
    }

    fn flush(&self) {
        self.parts.flush();
    }
}
