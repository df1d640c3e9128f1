//! The function `callbacks`: what providers tell of messages, and what recipients answer, behind API Gateway and without an
//! authorizer: each request carries a proof of its own.

use std::sync::Arc;

use axum::Router;
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_consumers::{
    callbacks::{CallbackState, MetaCallbacks, Secrets, SesCallbacks, TwilioCallbacks, router},
    channels::http::{HttpClient, HttpSettings},
};
use serde_json::value::RawValue;

use super::{
    http_answer::{ask, http_answer},
    parts::Parts,
};
use crate::{
    Secret, Store,
    desk::links_of,
    lambda::{Function, FunctionError, Invocation, run},
    renewed::{Renewed, fetch},
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

struct Callbacks {
    parts: Parts,
    /// The router, with the secret of links.
    router: Renewed<Router>,
}

async fn make() -> Result<Callbacks, FunctionError> {
    let parts = Parts::of(&[Need::Table, Need::InboxTable, Need::Links])?;
    let (base, secret) = parts.settings.links().ok_or_else(|| FunctionError::start("there is no public address"))?;
    let public_url = base.parse().map_err(|error| FunctionError::start(format_args!("SENDOFF_PUBLIC_URL: {error}")))?;
    let twilio = parts.settings.twilio_token().ok().map(|token| secrets(token, &parts.store));
    let twilio = twilio.map(|auth_tokens| TwilioCallbacks { auth_tokens, public_url });
    let meta = parts.settings.meta_callbacks().map(|(app, verify)| MetaCallbacks {
        app_secret: secrets(app, &parts.store),
        verify_token: secrets(verify, &parts.store),
    });
    let http = Arc::new(HttpClient::new(&HttpSettings::default()).map_err(FunctionError::start)?);
    let topics = parts.settings.ses_topics.clone();
    let (store, keep, clock, rng) =
        (parts.store.clone(), parts.settings.inbox_keep, parts.clock.clone(), parts.rng.clone());
    let make = move |text: &str| {
        let links = links_of(&base, text).map_err(|error| error.to_string())?;
        let ses = topics.as_ref().map(|topics| SesCallbacks::new(topics, http.clone()));
        Ok(router(CallbackState {
            records: store.records(),
            inbox: store.inbox(),
            deliveries: store.deliveries(keep),
            clock: clock.clone(),
            rng: rng.clone(),
            links: Some(links),
            twilio: twilio.clone(),
            meta: meta.clone(),
            ses: ses.transpose().map_err(|error| error.to_string())?,
        }))
    };
    Ok(Callbacks { router: Renewed::new(fetch(secret, &parts.store), Box::new(make)), parts })
}

/// The secrets, read when they are needed. Where one replaces another both stand there, with white space between them.
fn secrets(secret: Secret, store: &Store) -> Secrets {
    let (aws, clock) = (store.aws().clone(), store.clock.clone());
    Secrets::lazy(move || {
        let (secret, aws, clock) = (secret.clone(), aws.clone(), clock.clone());
        Box::pin(async move {
            let text = secret.get(&aws, &*clock).await.map_err(|error| error.to_string())?;
            Ok(text.expose_secret().split_whitespace().map(SecretString::from).collect())
        })
    })
}

impl Function for Callbacks {
    async fn handle(&self, event: &RawValue, _: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let router = self.router.get().await.map_err(FunctionError::Backend)?;
        http_answer(ask(&router, event).await?).await
    }

    fn flush(&self) {
        self.parts.flush();
    }
}
