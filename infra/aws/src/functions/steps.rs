//! The function `steps`: what workflows ask of Sendoff itself. It makes and changes submissions, asks people for decisions, and
//! reckons times of the day.

use std::sync::Arc;

use sendoff_consumers::{
    action::{ApprovalActions, MessageActions, RecordActions},
    handlers::ByEmail,
};

use super::{
    actions::{ActionFunction, Several},
    moment::{MOMENT, Moments},
    parts::Parts,
};
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

async fn make() -> Result<ActionFunction, FunctionError> {
    let parts = Parts::of(&[Need::Table, Need::InboxTable, Need::Bucket, Need::Mail, Need::Links])?;
    let (from, provider) = parts.providers().mail().map_err(FunctionError::start)?;
    let desk = parts.desk("steps").await?;
    let (ports, records, links) = (parts.router_ports(), parts.store.records(), desk.links.clone());
    let mails = MessageActions::new(ports.clone(), desk, Arc::new(ByEmail { provider, from }));
    let actions = Several::default()
        .with("record", RecordActions::new(ports.clone(), records.clone()))
        .with("approval", ApprovalActions::new(ports, records, Arc::new(mails), links))
        .with(MOMENT, Moments);
    Ok(ActionFunction::new(parts, Arc::new(actions)))
}
