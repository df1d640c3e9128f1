//! Webhooks as callers send and see them.

use schemars::JsonSchema;
use sendoff_events::{AppId, Personal, WebhookId, catalogue};
use serde::Serialize;
use serde_json::{Value, json};

use super::secrets;
use crate::{
    api::{
        ApiState,
        fields::{self, Fields},
        problem::Problem,
        webhook_address,
    },
    model::WebhookEndpoint,
};

/// A webhook to be stored.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Webhook", deny_unknown_fields)]
pub(super) struct Wanted {
    /// Where to post to: an https address on the public internet, at port 443 or above 1023.
    #[schemars(length(max = 2000), regex(pattern = "^https://"))]
    url: String,
    /// The names of the events that it wants (`submission.created`); all when there are none.
    #[serde(default)]
    #[schemars(length(max = 50))]
    events: Vec<String>,
    /// The secrets that calls are signed with, `whsec_` and the base64 of 24 to 64 bytes: the newest first, two while one replaces
    /// the other. Left out, the present ones stay; a new webhook gets one, which its answer shows, and no other.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2))]
    pub(super) secrets: Option<Vec<String>>,
    /// Why it is called no more: it said that it is gone. Left out, it is called again.
    #[serde(default)]
    disabled: Option<String>,
}

/// A webhook with its id. Its secrets aren't shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookWithId")]
pub(super) struct View {
    /// The app's id.
    app_id: AppId,
    /// The webhook's id.
    webhook_id: WebhookId,
    /// Where calls are posted to.
    url: String,
    /// The names of the events that it wants; all when there are none.
    events: Vec<String>,
    /// Why it is called no more: it said that it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<String>,
    /// The secret that was made for it: keep it, it is shown in this answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl View {
    pub(super) fn of(
        (app_id, webhook_id): (AppId, WebhookId),
        endpoint: WebhookEndpoint,
        secret: Option<String>,
    ) -> Self {
        let WebhookEndpoint { url, events, disabled, .. } = endpoint;
        Self { app_id, webhook_id, url, events, disabled, secret }
    }
}

/// The endpoint as it is to be stored.
pub(super) fn endpoint(wanted: &Wanted, stored: Option<&WebhookEndpoint>, made: Option<&str>) -> WebhookEndpoint {
    let given = wanted.secrets.as_ref().map(|secrets| secrets.iter().cloned().map(Personal::new).collect());
    let kept = || stored.map(|stored| stored.secrets.clone());
    let made = || made.map(|secret| vec![Personal::new(secret.to_owned())]);
    WebhookEndpoint {
        url: wanted.url.clone(),
        events: wanted.events.clone(),
        secrets: given.or_else(kept).or_else(made).unwrap_or_default(),
        // Nobody but the endpoint itself says that it is gone.
        disabled: stored.and_then(|stored| stored.disabled.clone()).filter(|_| wanted.disabled.is_some()),
    }
}

pub(super) fn read(api: &ApiState, body: Value, (app_id, webhook_id): &(AppId, WebhookId)) -> Result<Wanted, Problem> {
    let mut fields = Fields::of(body)?;
    fields.same_id("app_id", app_id.as_str());
    fields.same_id("webhook_id", webhook_id.as_str());
    let url = fields.required("url", fields::string).map(|url| (api.takes_webhooks_at(&url), url));
    let url = url.and_then(|(exempt, url)| match exempt {
        true => Some(url),
        false => fields.parse(&["url"], url.into(), webhook_address::address),
    });
    let events = fields.list("events", 50, event);
    if fields.is_empty_list("secrets") {
        fields.blame(&["secrets"], "needs one or two: leave it out to keep those there are".into());
    }
    let given = fields.has("secrets");
    let secrets = fields.list("secrets", 2, secrets::secret);
    let disabled = fields.optional("disabled", fields::line::<1, 1000>);
    fields.finish(|| Some(Wanted { url: url?, events, secrets: given.then_some(secrets), disabled }))
}

fn event(value: Value) -> Result<String, String> {
    let name = fields::string(value)?;
    let names = catalogue::TOLD;
    if names.contains(&name.as_str()) { Ok(name) } else { Err(format!("is not one of {}", names.join(", "))) }
}

pub(super) fn sample() -> Value {
    json!({ "url": "https://hooks.example.org/sendoff", "events": ["submission.created"] })
}

pub(super) fn sample_view(new: bool) -> Value {
    let mut view = sample();
    view["app_id"] = json!("expenses");
    view["webhook_id"] = json!("crm");
    if new {
        view["secret"] = json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }
    view
}
