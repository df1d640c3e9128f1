//! The function `sms`: tells people by text message.

use std::sync::Arc;

use sendoff_consumers::{
    action::MessageActions,
    handlers::{BySms, with_sms},
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
    let parts = Parts::of_consumer(&[Need::Sms])?;
    let provider = parts.providers().sms().map_err(FunctionError::start)?;
    let desk = parts.desk("sms").await?;
    let actions =
        MessageActions::new(parts.router_ports(), desk.clone(), Arc::new(BySms { provider: provider.clone() }));
    let function = ConsumerFunction::new("sms", parts, |router| with_sms(router, desk, provider))?;
    Ok(function.with_actions(Arc::new(actions)))
}
