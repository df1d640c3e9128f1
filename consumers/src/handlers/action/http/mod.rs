//! Calls of other systems over HTTP, through connections that the operator has configured.

mod call;
mod classify;
mod connection;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

pub use connection::{HttpConnection, HttpConnectionError, HttpConnectionSettings};
use sendoff_events::BoxFuture;
use serde_json::{Map, Value, json};

pub(super) use self::call::HttpCall;
use self::classify::classify;
use super::{
    ActionError, ActionResult, Actions, Connections,
    asking::{Reach, ask, policy},
    outcome::Telling,
    perform::perform,
};
use crate::{Context, Effect, Limits, RouterPorts};

/// The action's name.
pub(super) const HTTP: &str = "http";
/// What an attempt may take longer than its request: finding the host's address, and reading what came.
const MARGIN: Duration = Duration::from_secs(5);

/// Makes the requests that calls ask for.
///
/// What may be repeated, `GET`, `HEAD`, `PUT`, `DELETE` and what the call says is `idempotent`, is repeated when nobody knows
/// whether it arrived. Anything else isn't: then a person decides. Every request that may change something carries an
/// `Idempotency-Key`, the same for each attempt.
pub struct HttpActions {
    ports: RouterPorts,
    connections: Connections<HttpConnection>,
}

impl HttpActions {
    /// Calls through `connections`, and through the inbox of `ports`.
    #[must_use]
    pub const fn new(ports: RouterPorts, connections: Connections<HttpConnection>) -> Self {
        Self { ports, connections }
    }
}

impl Actions for HttpActions {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let call = &HttpCall::read(call)?;
            let connection = self.connections.find(&call.head.tenant, &call.connection)?;
            let url = connection.url(call)?;
            let effect = if call.is_repeatable() { Effect::Repeatable } else { Effect::Once };
            let policy = policy(effect, connection.timeout() + MARGIN);
            let sunk = || Reach::Outside(outputs(200.into(), call.response.blank()));
            let job = |cx: Arc<Context>| async move {
                ask(&cx, HTTP, sunk(), |_| async move { classify(call, connection.send(call, url).await) }).await
            };
            let telling = Telling::Outputs(outputs(Value::Null, call.response.blank()));
            perform(&self.ports, policy, &call.head, telling, limits, job).await
        })
    }
}

/// What the step's result has beside its status.
fn outputs(code: Value, response: Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([("code".to_owned(), code), ("response".to_owned(), json!(response))])
}
