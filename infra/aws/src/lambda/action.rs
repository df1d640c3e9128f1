//! The host of actions that a workflow calls directly.

use std::{pin::pin, sync::Arc};

use futures::future::{Either, select};
use sendoff_consumers::{
    Limits, Stop,
    action::{ActionResult, Actions},
};
use sendoff_events::Clock;
use serde_json::value::RawValue;

use super::{Deadline, FunctionError};

/// Does what calls ask for, within the time that the function has.
pub struct ActionHost {
    actions: Arc<dyn Actions>,
    clock: Arc<dyn Clock>,
}

impl ActionHost {
    /// A host for `actions`.
    #[must_use]
    pub fn new(actions: Arc<dyn Actions>, clock: Arc<dyn Clock>) -> Self {
        Self { actions, clock }
    }

    /// Does what the call asks for.
    ///
    /// # Errors
    ///
    /// [`FunctionError::Action`], whose kind the state machine goes by; [`FunctionError::Backend`] when there was no time left
    /// to say what became of it, which calling again finds out.
    pub async fn handle(&self, call: &RawValue, deadline: &Deadline) -> Result<ActionResult, FunctionError> {
        let limits = Limits { stop: Stop::never(), until: Some(deadline.interrupt) };
        let time_up = self.clock.sleep(Deadline::until(self.clock.now(), deadline.drop));
        match select(pin!(self.actions.act(call.get(), &limits)), time_up).await {
            Either::Left((done, _)) => done.map_err(FunctionError::Action),
            Either::Right(_) => Err(FunctionError::backend("there was no time left to say what became of the action")),
        }
    }
}
