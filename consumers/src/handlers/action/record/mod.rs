//! Submissions that a workflow makes, or changes, in another app or its own.

mod call;
mod change;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use sendoff_events::BoxFuture;
use sendoff_producers::Records;
use serde_json::{Map, Value, json};

pub(super) use self::call::RecordCall;
use super::{
    ActionError, ActionResult, Actions,
    asking::{Reach, ask, policy},
    outcome::Telling,
    perform::perform,
};
use crate::{Context, Effect, Limits, RouterPorts};

/// The action's name, and the actor of its changes.
pub(super) const RECORD: &str = "record";
/// Through how many runs of workflows a chain may go: apps whose workflows write to each other would go on for ever.
pub const MAX_HOPS: u32 = 8;
/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Makes and changes the submissions that calls ask for, and publishes that they were, in one commit.
///
/// It may be repeated: what is made has an id that follows from the call, and the call's key is the request key of the commit.
pub struct RecordActions {
    ports: RouterPorts,
    records: Arc<dyn Records>,
}

impl RecordActions {
    /// Writes to `records`, through the inbox of `ports`.
    #[must_use]
    pub fn new(ports: RouterPorts, records: Arc<dyn Records>) -> Self {
        Self { ports, records }
    }
}

impl Actions for RecordActions {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let call = &RecordCall::read(call)?;
            let job = |cx: Arc<Context>| async move {
                let context = &cx;
                ask(context, RECORD, Reach::Inside, |_| async move { self.change(call, context).await }).await
            };
            let telling = Telling::Outputs(outputs(Value::Null, Value::Null));
            perform(&self.ports, policy(Effect::Repeatable, TIMEOUT), &call.head, telling, limits, job).await
        })
    }
}

/// What the step's result has beside its status.
fn outputs(submission: Value, revision: Value) -> Map<String, Value> {
    match json!({ "submission": submission, "revision": revision }) {
        Value::Object(outputs) => outputs,
        _ => Map::new(),
    }
}
