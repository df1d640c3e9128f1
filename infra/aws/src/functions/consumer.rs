//! A function that is one consumer.

use std::sync::Arc;

use sendoff_consumers::{
    Router, RouterError,
    action::{Actions, is_action},
};
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::lambda::{ActionHost, Function, FunctionError, Invocation, QueueEvent, SqsHost, answer};

/// Works batches of the consumer's queue and, if its channel has them, actions that workflows call directly.
pub(super) struct ConsumerFunction {
    parts: Parts,
    host: SqsHost,
    actions: Option<ActionHost>,
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
        Ok(Self { parts, host, actions: None })
    }

    /// The same, answering calls of actions, too.
    pub(super) fn with_actions(self, actions: Arc<dyn Actions>) -> Self {
        let actions = ActionHost::new(actions, self.parts.clock.clone());
        Self { actions: Some(actions), ..self }
    }
}

impl Function for ConsumerFunction {
    async fn handle(&self, event: &RawValue, invocation: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        if let Some(actions) = self.actions.as_ref().filter(|_| is_action(event.get())) {
            return answer(&actions.handle(event, &invocation.deadline).await?);
        }
        let batch = QueueEvent::of(event, self.parts.clock.now())?;
        answer(&self.host.handle(batch, &invocation.deadline).await)
    }

    fn flush(&self) {
        self.parts.flush();
    }
}
