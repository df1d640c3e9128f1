//! The function `external`: what workflows ask of other systems, over HTTP and in databases.

use std::sync::Arc;

use sendoff_consumers::{
    Limits, RouterPorts,
    action::{ActionError, ActionErrorKind, ActionResult, Actions, DatabaseActions, HttpActions},
};
use sendoff_events::BoxFuture;

use super::{
    actions::{ActionFunction, Several},
    connections::{fetch, make},
    parts::Parts,
};
use crate::{
    lambda::{FunctionError, run},
    renewed::Renewed,
    settings::Need,
};

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make_function)
}

async fn make_function() -> Result<ActionFunction, FunctionError> {
    let parts = Parts::of(&[Need::InboxTable])?;
    let settings = parts.settings.connections.clone().unwrap_or_default();
    // A call comes whole: there is no bucket that a body would be fetched from.
    let ports = RouterPorts { blobs: None, ..parts.router_ports() };
    let secrets = fetch(&settings, &parts.store);
    let actions = make(settings, move |opened| {
        Several::default()
            .with("http", HttpActions::new(ports.clone(), opened.http))
            .with("database", DatabaseActions::new(ports.clone(), opened.databases))
    });
    Ok(ActionFunction::new(parts, Arc::new(External { actions: Renewed::new(secrets, actions) })))
}

/// The actions, with connections whose secrets are no older than a few minutes.
struct External {
    actions: Renewed<Several>,
}

impl Actions for External {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let unusable = |message| {
                let (kind, reason) = (ActionErrorKind::Transient, "connections-unusable".to_owned());
                ActionError { kind, reason, message }
            };
            self.actions.get().await.map_err(unusable)?.act(call, limits).await
        })
    }
}
