//! A caller of the API, like any other: HTTP and a bearer token.

use sendoff_host::SystemClock;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName},
};
use sendoff_consumers::channels::http::{HttpClient, HttpRequest, HttpResponse, HttpSettings};
use sendoff_events::{EventId, TenantId, UserId};
use sendoff_producers::api::{DevelopmentKey, SigningKey, mint};
use serde_json::Value;

use sendoff_embedded::program::Stopped;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How large an answer may be, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Calls the API, and remembers which events its answers have told of.
pub(super) struct Client {
    http: HttpClient,
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
        let settings = HttpSettings { timeout: TIMEOUT, max_answer: MAX_ANSWER, ..HttpSettings::default() };
        let http = HttpClient::new(&settings).map_err(Stopped::failed)?;
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
            self.changed(app);
        }
        if let Some(ids) = answer.headers.get("sendoff-event-id") {
            let ids = ids.to_str().map_err(Stopped::failed)?;
            for id in ids.split(',') {
                self.events.push(id.trim().parse().map_err(Stopped::failed)?);
            }
        }
        if answer.body.is_empty() { Ok(Value::Null) } else { json(&answer) }
    }

    /// Counts a change of an app, or of something in it.
    pub(super) fn changed(&mut self, app: &str) {
        *self.app_changes.entry(app.to_owned()).or_default() += 1;
    }

    /// Reads something.
    pub(super) async fn read(&self, path: &str) -> Result<Value, Stopped> {
        json(&self.send("admin", Method::GET, path, None).await?)
    }

    async fn send(&self, user: &str, method: Method, path: &str, body: Option<Value>) -> Result<HttpResponse, Stopped> {
        let user: UserId = user.parse().map_err(Stopped::failed)?;
        let token = mint(&self.key, &self.tenant, &user, TIMEOUT, &SystemClock).map_err(Stopped::failed)?;
        let request = HttpRequest::new(method.clone(), format!("{}{path}", self.base));
        let mut request = header(request.header(AUTHORIZATION, &format!("Bearer {token}"), true))?;
        if let Some(body) = body {
            request = header(request.header(CONTENT_TYPE, "application/json", false))?.body(body.to_string());
        }
        let answer = self.http.send(request).await.map_err(Stopped::failed)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let (status, problem) = (answer.status, String::from_utf8_lossy(&answer.body));
        Err(Stopped::failed(format_args!("{method} {path} was answered with {status}: {problem}")))
    }
}

fn header(made: Result<HttpRequest, HeaderName>) -> Result<HttpRequest, Stopped> {
    made.map_err(|name| Stopped::failed(format_args!("the header `{name}` can't be made")))
}

fn json(answer: &HttpResponse) -> Result<Value, Stopped> {
    serde_json::from_slice(&answer.body).map_err(Stopped::failed)
}
