//! Where providers tell what became of messages, and recipients say that they want no more.

use std::sync::Arc;

use axum::Router;
use sendoff_consumers::{
    EngineWorkflows,
    callbacks::{self, CallbackState, MetaCallbacks, Secrets, TwilioCallbacks},
    links::Links,
};
use sendoff_events::{Clock, Rng};
use url::Url;

use crate::{Store, config::Config};

/// The endpoints for callbacks, next to those of the API; none without an address that they can be reached at.
pub(super) fn router(
    config: &Config,
    store: &Store,
    workflows: Arc<EngineWorkflows>,
    links: Option<Links>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Router {
    let public_url = config.settings.public_url.as_ref().and_then(|text| text.parse::<Url>().ok());
    if public_url.is_none() && links.is_none() {
        return Router::new();
    }
    let given = &config.channels.callbacks;
    let twilio = given
        .twilio_auth_token
        .clone()
        .zip(public_url)
        .map(|(token, public_url)| TwilioCallbacks { auth_tokens: Secrets::fixed([token]), public_url });
    let meta = given.meta.clone().map(|meta| MetaCallbacks {
        app_secret: Secrets::fixed([meta.app_secret]),
        verify_token: Secrets::fixed([meta.verify_token]),
        phone_number_id: meta.phone_number_id,
    });
    callbacks::router(CallbackState {
        records: store.records(),
        inbox: store.inbox(),
        deliveries: store.deliveries(),
        workflows,
        clock,
        rng,
        links,
        twilio,
        meta,
        ses: None,
    })
}
