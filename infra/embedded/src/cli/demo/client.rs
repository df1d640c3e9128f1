//! A caller of the API, like any other: HTTP and a bearer token.

use sendoff_host::SystemClock;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use reqwest::{Method, Response};
use sendoff_events::{EventId, TenantId, UserId};
use sendoff_producers::api::{DevelopmentKey, SigningKey, mint};
use serde_json::Value;

use sendoff_embedded::program::Stopped;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Calls the API, and remembers which events its answers have told of.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    key: SigningKey,
    pub(super) tenant: TenantId,
    /// The events that were committed, as the answers say, in order.
    pub(super) events: Vec<EventId>,
    /// How many requests have changed something.
    pub(super) changes: usize,
    /// How many of them each app, or something in it.
    pub(super) app_changes: BTreeMap<String, usize>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr, tenant: TenantId) -> Result<Self, Stopped> {
        // No proxy: it talks to its own process.
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(Stopped::failed)?;
        let key = DevelopmentKey::loopback(address).map_err(Stopped::failed)?.signing();
        Ok(Self {
            http,
            base: format!("http://{address}"),
            key,
            tenant,
            events: Vec::new(),
            changes: 0,
            app_changes: BTreeMap::new(),
        })
    }

    /// Changes something as `user`. Gives the answer's body.
    pub(super) async fn change(
        &mut self,
        user: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Stopped> {
        let answer = self.send(user, method, path, body).await?;
        self.changes += 1;
        if let Some(app) = path.strip_prefix("/v1/apps/").and_then(|rest| rest.split('/').next()) {
            *self.app_changes.entry(app.to_owned()).or_default() += 1;
        }
        if let Some(ids) = answer.headers().get("sendoff-event-id") {
            let ids = ids.to_str().map_err(Stopped::failed)?;
            for id in ids.split(',') {
                self.events.push(id.trim().parse().map_err(Stopped::failed)?);
            }
        }
        let text = answer.text().await.map_err(Stopped::failed)?;
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).map_err(Stopped::failed) }
    }

    /// Reads something.
    pub(super) async fn read(&self, path: &str) -> Result<Value, Stopped> {
        self.send("admin", Method::GET, path, None).await?.json().await.map_err(Stopped::failed)
    }

    async fn send(&self, user: &str, method: Method, path: &str, body: Option<Value>) -> Result<Response, Stopped> {
        let user: UserId = user.parse().map_err(Stopped::failed)?;
        let token = mint(&self.key, &self.tenant, &user, TIMEOUT, &SystemClock).map_err(Stopped::failed)?;
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(Stopped::failed)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, problem) = (answer.status(), answer.text().await.unwrap_or_default());
        Err(Stopped::failed(format_args!("{method} {path} was answered with {status}: {problem}")))
    }
}
