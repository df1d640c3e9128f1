//! The function `push`: tells people on their phones.

use std::sync::Arc;

use sendoff_consumers::{
    action::MessageActions,
    handlers::{ByPush, with_push},
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
    let parts = Parts::of_consumer(&[Need::Push])?;
    let provider = parts.providers().push().map_err(FunctionError::start)?;
    let desk = parts.desk("push").await?;
    let actions =
        MessageActions::new(parts.router_ports(), desk.clone(), Arc::new(ByPush { provider: provider.clone() }));
    let function = ConsumerFunction::new("push", parts, |router| with_push(router, desk, provider))?;
    Ok(function.with_actions(Arc::new(actions)))
}
