//! The function `email`: tells people by email.

use std::sync::Arc;

use sendoff_consumers::{
    handlers::{EmailDesk, with_email},
    templates::Templates,
};

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
    let desk = EmailDesk {
        records: parts.lookup("email").await,
        authoritative: parts.store.records(),
        provider: Arc::new(SecretEmail::new(fetch(url, &parts.store))),
        templates: Arc::new(Templates::standard().map_err(FunctionError::start)?),
        from,
    };
    ConsumerFunction::new("email", parts, |router| with_email(router, desk))
}
