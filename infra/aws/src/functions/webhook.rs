//! The function `webhook`: calls the webhooks of apps.

use std::sync::Arc;

use sendoff_consumers::{action::WebhookActions, handlers::with_webhook};

use super::{consumer::ConsumerFunction, parts::Parts};
use crate::lambda::{FunctionError, run};

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

async fn make() -> Result<ConsumerFunction, FunctionError> {
    let parts = Parts::of_consumer(&[])?;
    let provider = parts.providers().webhook().map_err(FunctionError::start)?;
    let desk = parts.desk("webhook").await?;
    let actions = WebhookActions::new(parts.router_ports(), desk.clone(), provider.clone());
    let function = ConsumerFunction::new("webhook", parts, |router| with_webhook(router, desk, provider))?;
    Ok(function.with_actions(Arc::new(actions)))
}
