//! Which handlers each channel has.

use std::sync::Arc;

use sendoff_events::{AppAssigned, AppUnassigned, SubmissionCreated, SubmissionUpdated};

use super::{ByEmail, ByPush, BySms, ByWhatsapp, CallWebhooks, Desk, Tell, Way};
use crate::{
    Router, RouterError,
    channels::{
        Provider,
        email::{Mail, Sender},
        push::Push,
        sms::Sms,
        webhook::Webhook,
        whatsapp::Whatsapp,
    },
};

/// The router with the consumer `email`.
///
/// # Errors
///
/// [`RouterError`] when that consumer has a handler for the same events already.
pub fn with_email(
    router: Router,
    desk: Arc<Desk>,
    provider: Arc<dyn Provider<Mail>>,
    from: Sender,
) -> Result<Router, RouterError> {
    with(router, desk, ByEmail { provider, from })
}

/// The router with the consumer `sms`.
///
/// # Errors
///
/// [`RouterError`] when that consumer has a handler for the same events already.
pub fn with_sms(router: Router, desk: Arc<Desk>, provider: Arc<dyn Provider<Sms>>) -> Result<Router, RouterError> {
    with(router, desk, BySms { provider })
}

/// The router with the consumer `whatsapp`.
///
/// # Errors
///
/// [`RouterError`] when that consumer has a handler for the same events already.
pub fn with_whatsapp(
    router: Router,
    desk: Arc<Desk>,
    provider: Arc<dyn Provider<Whatsapp>>,
) -> Result<Router, RouterError> {
    with(router, desk, ByWhatsapp { provider })
}

/// The router with the consumer `push`.
///
/// # Errors
///
/// [`RouterError`] when that consumer has a handler for the same events already.
pub fn with_push(router: Router, desk: Arc<Desk>, provider: Arc<dyn Provider<Push>>) -> Result<Router, RouterError> {
    with(router, desk, ByPush { provider })
}

/// The router with the consumer `webhook`.
///
/// # Errors
///
/// [`RouterError`] when that consumer has a handler for the same events already.
pub fn with_webhook(
    router: Router,
    desk: Arc<Desk>,
    provider: Arc<dyn Provider<Webhook>>,
) -> Result<Router, RouterError> {
    router
        .with(CallWebhooks::<AppAssigned>::new(desk.clone(), provider.clone()))?
        .with(CallWebhooks::<AppUnassigned>::new(desk.clone(), provider.clone()))?
        .with(CallWebhooks::<SubmissionCreated>::new(desk.clone(), provider.clone()))?
        .with(CallWebhooks::<SubmissionUpdated>::new(desk, provider))
}

/// The events that people are told of, by one channel.
fn with<W: Way>(router: Router, desk: Arc<Desk>, way: W) -> Result<Router, RouterError> {
    let way = Arc::new(way);
    router
        .with(Tell::<AppAssigned, W>::new(desk.clone(), way.clone()))?
        .with(Tell::<SubmissionCreated, W>::new(desk, way))
}
