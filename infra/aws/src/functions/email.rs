//! The function `email`: tells people by email.

use std::sync::Arc;

use sendoff_consumers::{
    action::MessageActions,
    handlers::{ByEmail, with_email},
};

use super::{consumer::ConsumerFunction, parts::Parts};
use crate::{
    lambda::{FunctionError, run},
    settings::Need,
};

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

async fn make() -> Result<ConsumerFunction, FunctionError> {
    let parts = Parts::of_consumer(&[Need::Mail])?;
    let (from, provider) = parts.providers().mail().map_err(FunctionError::start)?;
    let desk = parts.desk("email").await?;
    let actions = MessageActions::new(
        parts.router_ports(),
        desk.clone(),
        Arc::new(ByEmail { provider: provider.clone(), from: from.clone() }),
    );
    let function = ConsumerFunction::new("email", parts, |router| with_email(router, desk, provider, from))?;
    Ok(function.with_actions(Arc::new(actions)))
}
