//! What is asked of the API: of a server elsewhere, or in this process over the data folder, by the same operations.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{self, Body},
    http::{Method, Request, header},
};
use sendoff_consumers::channels::http::{HttpClient, HttpRequest, HttpSettings};
use sendoff_embedded::{
    Store, StoreOptions,
    config::Config,
    program::{Exit, Stopped},
};
use sendoff_events::Rng as _;
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::api::{self, ApiState, Key, KeySet, Limits, SharedSecret, SigningKey, mint};
use serde_json::Value;
use tower::ServiceExt as _;
use url::Url;

use super::args::Asking;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes.
const MOST: usize = 4 * 1024 * 1024;
/// Who signs tokens in this process, and for whom.
const HERE: &str = "sendoff-workflow";

/// The API, with the token of who asks.
pub(super) struct Api {
    token: String,
    way: Way,
}

enum Way {
    Here(Router, Store),
    There(HttpClient, Url),
}

/// What the API has answered: well, with this status.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Value,
    /// The events that it has sent off.
    pub(super) events: Vec<String>,
}

impl Api {
    /// The API that is asked. `token` is that of a server elsewhere.
    pub(super) fn open(config: &Config, asking: &Asking, token: Option<String>) -> Result<Self, Stopped> {
        match &asking.url {
            None => Self::here(config, asking),
            Some(url) => {
                let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
                    Stopped::new(Exit::Usage, "--url: the server's token is missing: put it into SENDOFF_TOKEN")
                })?;
                let is_here = match url.host() {
                    Some(url::Host::Domain(name)) => name == "localhost",
                    Some(url::Host::Ipv4(address)) => address.is_loopback(),
                    Some(url::Host::Ipv6(address)) => address.is_loopback(),
                    None => false,
                };
                if url.scheme() != "https" && !is_here {
                    let why = "--url: others could read the token on its way: use https, except to this machine";
                    return Err(Stopped::new(Exit::Refused, why));
                }
                let settings = HttpSettings { timeout: PATIENCE, max_answer: MOST, ..HttpSettings::default() };
                let client = HttpClient::new(&settings).map_err(Stopped::failed)?;
                Ok(Self { token, way: Way::There(client, url.clone()) })
            }
        }
    }

    /// Beside the process that serves the folder, or without one. The key is made here, and nobody else ever has it.
    fn here(config: &Config, asking: &Asking) -> Result<Self, Stopped> {
        let store = Store::open_beside(&config.settings.data, StoreOptions::default())?;
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let secret: Vec<u8> = (0..4).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        let secret = SharedSecret::new(secret).map_err(Stopped::failed)?;
        let keys = KeySet::new().with(HERE, Key::hs256(HERE, HERE, &secret)).map_err(Stopped::failed)?;
        let signing = SigningKey::hs256(HERE, HERE, HERE, &secret);
        let token = mint(&signing, &asking.tenant, &asking.by, PATIENCE, &SystemClock).map_err(Stopped::failed)?;
        let limits = Limits { body_bytes: config.settings.max_body, ..Limits::default() };
        let state = ApiState::new(store.records(), keys, clock, rng).with_limits(limits);
        Ok(Self { token, way: Way::Here(api::router(state), store) })
    }

    /// Posts a JSON body.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answered, Stopped> {
        self.ask(Method::POST, path, body.to_string()).await
    }

    /// Deletes what is at this path.
    pub(super) async fn delete(&self, path: &str) -> Result<Answered, Stopped> {
        self.ask(Method::DELETE, path, String::new()).await
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Answered, Stopped> {
        let bearer = format!("Bearer {}", self.token);
        let (status, events, text) = match &self.way {
            Way::Here(router, _) => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::AUTHORIZATION, bearer)
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Body::from(body))
                    .map_err(Stopped::failed)?;
                let Ok(answer) = router.clone().oneshot(request).await;
                let (status, events) = (answer.status().as_u16(), event_ids(answer.headers()));
                (status, events, body::to_bytes(answer.into_body(), MOST).await.map_err(Stopped::failed)?)
            }
            Way::There(client, url) => {
                let url = format!("{}{path}", url.as_str().trim_end_matches('/'));
                let request = HttpRequest::new(method, url)
                    .header(header::AUTHORIZATION, &bearer, true)
                    .and_then(|request| request.header(header::CONTENT_TYPE, "application/json", false))
                    .map_err(|name| Stopped::new(Exit::Usage, format!("the header `{name}` can't be made")))?;
                let answer = client.send(request.body(body)).await;
                let answer = answer.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
                (answer.status.as_u16(), event_ids(&answer.headers), answer.body)
            }
        };
        let body: Value = serde_json::from_slice(&text).unwrap_or_default();
        if (200..300).contains(&status) { Ok(Answered { status, body, events }) } else { Err(refused(status, &body)) }
    }

    /// Gives the data folder back.
    pub(super) async fn close(self) {
        if let Way::Here(_, store) = self.way {
            store.shutdown().await;
        }
    }
}

fn event_ids(headers: &axum::http::HeaderMap) -> Vec<String> {
    let values = headers.get_all("sendoff-event-id").into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|id| id.trim().to_owned()).collect()
}

/// A problem of RFC 9457 as the end of the program.
fn refused(status: u16, body: &Value) -> Stopped {
    let exit = match status {
        400 | 401 | 415 | 422 => Exit::Usage,
        403 | 409 | 412 | 413 | 428 => Exit::Refused,
        404 => Exit::NothingMatched,
        429 | 500.. => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let said = |name: &str| body[name].as_str().map(str::to_owned);
    let mut why = said("detail").or_else(|| said("title")).unwrap_or_else(|| format!("the API answered {status}"));
    for flaw in body["errors"].as_array().into_iter().flatten() {
        let text = |name: &str| flaw[name].as_str().unwrap_or_default();
        why.push_str(&format!("\n{}: {}", text("pointer"), text("detail")));
    }
    Stopped::new(exit, why)
}
