//! Calls an endpoint: checked, signed, once.

use std::{fmt, sync::Arc};

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderName},
};
use sendoff_events::BoxFuture;

use super::{
    Guard, Lookup, SigningSecret, Webhook,
    classify::{NAME, classify},
    guard::GuardedClient,
    sign::webhook_id,
};
use crate::{
    Doubt, NotSent, SendOutcome,
    channels::{
        Provider,
        http::{HttpRequest, HttpSettings, HttpSettingsError},
    },
};

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 2048;

/// Calls endpoints as Standard Webhooks prescribes, and only those that the [`Guard`] lets through.
///
/// Don't put a circuit around it: each endpoint is another system, and one that is down says nothing about the others.
pub struct WebhookProvider {
    client: GuardedClient,
}

impl WebhookProvider {
    /// Calls what `guard` allows, at the addresses that `lookup` finds.
    ///
    /// # Errors
    ///
    /// [`HttpSettingsError`] when a root certificate can't be read.
    pub fn new(guard: Guard, lookup: Arc<dyn Lookup>, settings: &HttpSettings) -> Result<Self, HttpSettingsError> {
        Ok(Self { client: GuardedClient::new(guard, lookup, &for_status(settings))? })
    }

    #[cfg(test)]
    pub(super) fn checked_by(
        guard: Guard,
        checked: super::guard::Checked,
        lookup: Arc<dyn Lookup>,
        settings: &HttpSettings,
    ) -> Result<Self, HttpSettingsError> {
        Ok(Self { client: GuardedClient::checked_by(guard, checked, lookup, &for_status(settings))? })
    }

    async fn call(&self, call: &Webhook) -> SendOutcome {
        let permanent = |reason: String| SendOutcome::NotSent(NotSent::Permanent { reason });
        let target = match self.client.guard().target(&call.url) {
            Ok(target) => target,
            Err(refusal) => return permanent(refusal.to_string()),
        };
        let id = webhook_id(&call.idempotency_key);
        let request = match signed(call, target.url.to_string(), &id) {
            Ok(request) => request,
            Err(reason) => return permanent(reason),
        };
        classify(id, self.client.send_to(target, request).await)
    }
}

/// Nothing in an answer matters but its status.
fn for_status(settings: &HttpSettings) -> HttpSettings {
    HttpSettings { max_answer: MAX_ANSWER.min(settings.max_answer), ..settings.clone() }
}

/// The request, with a signature of each secret.
fn signed(call: &Webhook, url: String, id: &str) -> Result<HttpRequest, String> {
    if call.secrets.is_empty() {
        return Err("the endpoint has no secret to sign calls with".into());
    }
    let signatures: Result<Vec<String>, _> =
        call.secrets.iter().map(|secret| Ok(SigningSecret::parse(secret)?.sign(id, call.at, &call.body))).collect();
    let signatures = signatures.map_err(|error: super::SigningSecretError| error.to_string())?;
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (HeaderName::from_static("webhook-id"), id),
        (HeaderName::from_static("webhook-timestamp"), &*call.at.as_second().to_string()),
        (HeaderName::from_static("webhook-signature"), &*signatures.join(" ")),
    ];
    let request = HttpRequest::new(Method::POST, url).body(call.body.clone());
    let request = headers.into_iter().try_fold(request, |request, (name, value)| request.header(name, value, false));
    request.map_err(|name| format!("the header {name} can't be made"))
}

impl Provider<Webhook> for WebhookProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send<'a>(&'a self, call: &'a Webhook, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.call(call))
    }
}

impl fmt::Debug for WebhookProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookProvider").field("guard", self.client.guard()).finish_non_exhaustive()
    }
}
