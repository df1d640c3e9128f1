//! The function `whatsapp`: tells people by WhatsApp.

use std::sync::Arc;

use sendoff_consumers::{
    action::MessageActions,
    handlers::{ByWhatsapp, with_whatsapp},
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
    let parts = Parts::of_consumer(&[Need::Whatsapp])?;
    let provider = parts.providers().whatsapp().map_err(FunctionError::start)?;
    let desk = parts.desk("whatsapp").await?;
    let actions =
        MessageActions::new(parts.router_ports(), desk.clone(), Arc::new(ByWhatsapp { provider: provider.clone() }));
    let function = ConsumerFunction::new("whatsapp", parts, |router| with_whatsapp(router, desk, provider))?;
    Ok(function.with_actions(Arc::new(actions)))
}
