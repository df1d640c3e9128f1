//! The function `email`: tells people by email.

use std::{collections::BTreeSet, sync::Arc};

use sendoff_consumers::{
    handlers::{Desk, with_email},
    routing::Routing,
    templates::Templates,
};
use sendoff_producers::model::Channel;

use super::{consumer::ConsumerFunction, parts::Parts};
use crate::{
    lambda::{FunctionError, run},
    mail::SecretEmail,
    renewed::fetch,
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
    let parts = Parts::of(&[Need::Table, Need::InboxTable, Need::Queues, Need::Schedules, Need::Bucket, Need::Mail])?;
    let (from, url) = parts.settings.mail().map_err(FunctionError::start)?;
    let templates = Templates::standard().map_err(FunctionError::start)?;
    let desk = Arc::new(Desk {
        records: parts.lookup("email").await,
        authoritative: parts.store.records(),
        inbox: parts.store.inbox(),
        deliveries: parts.store.deliveries(parts.settings.inbox_keep),
        routing: Arc::new(Routing::standard(&templates).map_err(FunctionError::start)?),
        templates: Arc::new(templates),
        links: None,
        channels: BTreeSet::from([Channel::Email]),
    });
    let provider = Arc::new(SecretEmail::new(fetch(url, &parts.store)));
    ConsumerFunction::new("email", parts, |router| with_email(router, desk, provider, from))
}
