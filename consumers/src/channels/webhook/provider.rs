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
    guard::{Checked, Target, Unchecked},
    sign::webhook_id,
};
use crate::{
    Doubt, NotSent, SendOutcome,
    channels::{
        Provider,
        http::{HttpClient, HttpRequest, HttpSettings, HttpSettingsError},
    },
};

/// How much of an answer is read, in bytes. Nothing in it matters but the status.
const MAX_ANSWER: usize = 2048;

/// Calls endpoints as Standard Webhooks prescribes, and only those that the [`Guard`] lets through.
///
/// Don't put a circuit around it: each endpoint is another system, and one that is down says nothing about the others.
pub struct WebhookProvider {
    guard: Guard,
    client: HttpClient,
    /// For those that the rules don't hold for.
    exempt: HttpClient,
}

impl WebhookProvider {
    /// Calls what `guard` allows, at the addresses that `lookup` finds.
    ///
    /// # Errors
    ///
    /// [`HttpSettingsError`] when a root certificate can't be read.
    pub fn new(guard: Guard, lookup: Arc<dyn Lookup>, settings: &HttpSettings) -> Result<Self, HttpSettingsError> {
        Self::checked_by(guard, Checked::new(Arc::clone(&lookup)), lookup, settings)
    }

    pub(super) fn checked_by(
        guard: Guard,
        checked: Checked,
        lookup: Arc<dyn Lookup>,
        settings: &HttpSettings,
    ) -> Result<Self, HttpSettingsError> {
        let settings = HttpSettings { max_answer: MAX_ANSWER.min(settings.max_answer), ..settings.clone() };
        let client = HttpClient::resolving(&settings, checked)?;
        let exempt = HttpClient::resolving(&settings, Unchecked(lookup))?;
        Ok(Self { guard, client, exempt })
    }

    async fn call(&self, call: &Webhook) -> SendOutcome {
        let permanent = |reason: String| SendOutcome::NotSent(NotSent::Permanent { reason });
        let Target { url, exempt } = match self.guard.target(&call.url) {
            Ok(target) => target,
            Err(refusal) => return permanent(refusal.to_string()),
        };
        let id = webhook_id(&call.idempotency_key);
        let request = match signed(call, url.into(), &id) {
            Ok(request) => request,
            Err(reason) => return permanent(reason),
        };
        let client = if exempt { &self.exempt } else { &self.client };
        classify(id, client.send(request).await)
    }
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
        f.debug_struct("WebhookProvider").field("guard", &self.guard).finish_non_exhaustive()
    }
}
