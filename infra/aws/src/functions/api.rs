//! The function `api`: the HTTP API behind API Gateway. What it commits it publishes right away; what fails then is left to
//! the relay.

use axum::{Router, http::StatusCode};
use sendoff_consumers::templates;
use sendoff_producers::api::{ApiState, Limits, router};
use serde_json::value::RawValue;

use super::{
    http_answer::{ask, http_answer},
    parts::Parts,
};
use crate::{
    lambda::{Function, FunctionError, Invocation, run},
    renewed::{Renewed, fetch},
    settings::Need,
    workflows::fits,
};

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

/// The largest request body, in bytes: what it holds goes into one item of the table, which DynamoDB limits to 400 KB.
const BODY_LIMIT: usize = 300 * 1024;

struct Api {
    parts: Parts,
    /// The router, with the keys that it checks tokens with.
    router: Renewed<Router>,
}

async fn make() -> Result<Api, FunctionError> {
    let parts = Parts::of(&[Need::Table, Need::Topic, Need::Bucket, Need::AuthKeys])?;
    let (store, clock, rng) = (parts.store.clone(), parts.clock.clone(), parts.rng.clone());
    let publisher = parts.publisher("api");
    let keys = parts.settings.auth_keys().map_err(FunctionError::start)?;
    let allowed: Vec<String> = parts.settings.webhook_allow.iter().flatten().map(ToString::to_string).collect();
    let load_tests = parts.settings.load_tests;
    // Those that this process has a provider for say nothing: it has none.
    let channels = parts.settings.channels.clone();
    let make = move |text: &str| {
        let keys = crate::auth_keys::keys_of(text)?;
        let state = ApiState::new(store.records(), keys, clock.clone(), rng.clone())
            .with_fast_path(store.outbox(), publisher.clone())
            .with_limits(Limits { body_bytes: BODY_LIMIT, ..Limits::default() })
            .with_load_tests(load_tests)
            .with_mail_flaws(templates::flaws)
            .with_workflow_check(fits)
            .with_plain_webhooks(allowed.iter().cloned());
        Ok(router(match &channels {
            Some(channels) => state.with_channels(channels.clone()),
            None => state,
        }))
    };
    Ok(Api { router: Renewed::new(fetch(keys, &parts.store), Box::new(make)), parts })
}

impl Function for Api {
    async fn handle(&self, event: &RawValue, _: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let router = self.router.get().await.map_err(FunctionError::Backend)?;
        let mut response = ask(&router, event).await?;
        // Its key may be one that was added since. The refused request has done nothing, so it can be asked again.
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(newer) = self.router.instead_of(&router).await
        {
            response = ask(&newer, event).await?;
        }
        http_answer(response).await
    }

    fn flush(&self) {
        self.parts.flush();
    }
}
