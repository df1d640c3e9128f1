//! By the HTTP API, as any caller would.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_NONE_MATCH},
};
use sendoff_consumers::channels::http::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpSettings};
use sendoff_events::{Clock, EventId, TenantId, UserId};
use sendoff_producers::api::{SigningKey, mint};
use serde_json::json;

use super::{Sent, descriptors, misplaced, refused};
use crate::{
    RunId,
    report::plain,
    target::{Accepted, Parcel, Request, SendError, TargetError},
};

/// How long one request may take. What takes longer isn't known to have arrived.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection waits for another request. Servers and load balancers close idle ones after a minute.
const IDLE: Duration = Duration::from_secs(20);

/// How long a token is good for.
const LIFE: Duration = Duration::from_secs(3600);

/// For how many seconds it is used.
const USED: i64 = 1800;

const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");

/// What requests prove themselves with.
pub(in crate::targets) enum Credential {
    /// Tokens that are made for each user.
    Minted(Box<SigningKey>),
    /// One for all: the requests are those of its tenant and user, whatever they say.
    Given(String),
}

type Minted = HashMap<(TenantId, UserId), (String, i64)>;

/// The API of the system under test.
pub(in crate::targets) struct Api {
    http: HttpClient,
    base: String,
    credential: Credential,
    clock: Arc<dyn Clock>,
    tokens: Mutex<Minted>,
}

impl Api {
    /// The API at `base`, a URL without a path.
    pub(in crate::targets) fn new(
        base: &str,
        credential: Credential,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TargetError> {
        descriptors::raise();
        let settings = HttpSettings { timeout: TIMEOUT, keep_alive: Some(IDLE), ..HttpSettings::default() };
        let http = HttpClient::new(&settings).map_err(|e| TargetError::unusable("opening the API", e))?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http, base, credential, clock, tokens: Mutex::default() })
    }

    /// Checks that somebody answers there, and takes load tests.
    pub(super) async fn answers(&self) -> Result<(), TargetError> {
        let what = format!("asking the API at {}", self.base);
        let asked = self.http.send(HttpRequest::new(Method::GET, format!("{}/health", self.base))).await;
        match asked {
            Ok(answer) if answer.status.is_server_error() => {
                Err(TargetError::unreachable(what, format!("it answers {}", answer.status)))
            }
            // What is made there would be real: mails to whoever owns the app, and all that hangs on it.
            Ok(answer) if !takes_load_tests(&answer) => Err(TargetError::forbidden(
                what,
                "it doesn't say that it takes load tests, so that their messages would be real. Whoever operates it allows them with \
                 `api.load_tests = true` (SENDOFF_API_LOAD_TESTS; on AWS the template's parameter LoadTests), and then they go nowhere",
            )),
            Ok(_) => Ok(()),
            Err(error) => {
                let why = format!("{error}: no server is there. Give the right address with --api");
                Err(TargetError::unreachable(what, why))
            }
        }
    }

    /// Checks that the API takes what requests prove themselves with. Without that nothing of the run would be accepted.
    pub(super) async fn knows(&self, tenant: &TenantId, user: &UserId) -> Result<(), TargetError> {
        const WHAT: &str = "trying the token of the API";
        let token = self.token(tenant, user).map_err(|why| TargetError::unusable(WHAT, why))?;
        let asked = HttpRequest::new(Method::GET, format!("{}/v1/apps/load", self.base))
            .header(AUTHORIZATION, &format!("Bearer {token}"), true)
            .map_err(|name| TargetError::unusable(WHAT, format!("the header `{name}` can't be made")))?;
        let answer = self.http.send(asked).await.map_err(|e| TargetError::unreachable(WHAT, e))?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let why = format!("it is answered with {}: give one that the API takes with --token-file", answer.status);
            return Err(TargetError::unusable(WHAT, why));
        }
        Ok(())
    }

    /// Makes the submission that the parcel asks for.
    pub(super) async fn send(&self, parcel: &Parcel) -> Sent {
        let Parcel::Request(request) = parcel else { return misplaced("API") };
        let made = match self.request(request) {
            Ok(made) => made,
            Err(why) => return refused(&why),
        };
        match self.http.send(made).await {
            Ok(answer) => accepted(&answer),
            Err(HttpError::NotSent(why)) => refused(&descriptors::explain(why)),
            Err(error @ HttpError::Invalid(_)) => refused(&error.to_string()),
            Err(error @ HttpError::Unknown(_)) => Err(SendError::Unknown(error.to_string())),
        }
    }

    /// Whether requests are those of whoever the token names.
    pub(super) const fn is_of_another_tenant(&self) -> bool {
        matches!(self.credential, Credential::Given(_))
    }

    /// Makes the app if there is none of this id.
    pub(super) async fn make_app(&self, app: &str, name: &str) -> Result<(), TargetError> {
        let Credential::Given(token) = &self.credential else { return Ok(()) };
        let what = format!("making the app `{app}` of the run by the API");
        let made = HttpRequest::new(Method::PUT, format!("{}/v1/apps/{app}", self.base))
            .header(AUTHORIZATION, &format!("Bearer {token}"), true)
            .and_then(|made| made.header(CONTENT_TYPE, "application/json", false))
            .and_then(|made| made.header(IF_NONE_MATCH, "*", false))
            .map_err(|name| TargetError::unusable(&*what, format!("the header `{name}` can't be made")))?;
        let made = made.body(json!({ "name": name }).to_string());
        let answer = self.http.send(made).await.map_err(|e| TargetError::unreachable(&*what, e))?;
        match answer.status {
            status if status.is_success() || status == StatusCode::PRECONDITION_FAILED => Ok(()),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(TargetError::unreachable(what, said(&answer)))
            }
            _ => Err(TargetError::unusable(what, said(&answer))),
        }
    }

    fn request(&self, request: &Request) -> Result<HttpRequest, String> {
        let tenant = &request.tenant;
        let run = RunId::of_name(tenant.as_str()).ok_or_else(|| format!("`{tenant}` is no tenant of a load test"))?;
        let correlation = run.correlation(request.number);
        let token = self.token(tenant, &request.user)?;
        let url = format!("{}/v1/apps/{}/submissions", self.base, request.app);
        let made = HttpRequest::new(Method::POST, url)
            .header(AUTHORIZATION, &format!("Bearer {token}"), true)
            .and_then(|made| made.header(CONTENT_TYPE, "application/json", false))
            .and_then(|made| made.header(IDEMPOTENCY, &format!("\"{correlation}\""), false))
            .and_then(|made| made.header(CORRELATION, &correlation, false));
        let made = made.map_err(|name| format!("the header `{name}` can't be made"))?;
        Ok(made.body(json!({ "fields": request.fields }).to_string()))
    }

    fn token(&self, tenant: &TenantId, user: &UserId) -> Result<String, String> {
        let key = match &self.credential {
            Credential::Given(token) => return Ok(token.clone()),
            Credential::Minted(key) => key,
        };
        let now = self.clock.now().as_second();
        let who = (tenant.clone(), user.clone());
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until)) = tokens.get(&who)
            && *until > now
        {
            return Ok(token.clone());
        }
        let token = mint(key, tenant, user, LIFE, &*self.clock).map_err(|e| e.to_string())?;
        tokens.insert(who, (token.clone(), now + USED));
        Ok(token)
    }
}

/// Whether the API says that it takes load tests.
fn takes_load_tests(health: &HttpResponse) -> bool {
    serde_json::from_slice::<serde_json::Value>(&health.body).is_ok_and(|health| health["load_tests"] == true)
}

/// What the API has answered, as much of it as a reader has patience for.
fn said(answer: &HttpResponse) -> String {
    format!("{}: {}", answer.status, plain(&String::from_utf8_lossy(&answer.body), 300))
}

fn accepted(answer: &HttpResponse) -> Sent {
    let status = answer.status;
    if status.is_success() {
        let ids = answer.headers.get("sendoff-event-id").and_then(|ids| ids.to_str().ok()).unwrap_or_default();
        let events: Vec<EventId> = ids.split(',').filter_map(|id| id.trim().parse().ok()).collect();
        return if events.is_empty() {
            Err(SendError::Unknown(format!("the answer {status} names no event")))
        } else {
            Ok(Accepted { events })
        };
    }
    let why = said(answer);
    // A server that failed, or a proxy before it, may have committed nevertheless.
    Err(if status.is_server_error() { SendError::Unknown(why) } else { SendError::Refused(why) })
}
