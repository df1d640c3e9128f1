//! Google's OAuth endpoint for service accounts
//! (<https://developers.google.com/identity/protocols/oauth2/service-account#httprest>) and Firebase Cloud Messaging's HTTP API
//! (<https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>).

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Desk, NewMessage, SinkChannel, bears, content_type};

/// The project that the sink's service account belongs to.
const PROJECT: &str = "sendoff-sink";
const ACCOUNT: &str = "sink@sendoff-sink.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The sink's key pair. Everybody knows it, and it opens nothing but the sink of one's own process.
const PRIVATE_KEY: &str = include_str!("known_to_everybody.pem");
const PUBLIC_KEY: &str = include_str!("known_to_everybody.pub.pem");

/// The most that a notification may hold, in bytes.
const MAX_MESSAGE: usize = 4096;

/// The service account of the sink at `base_url`, as Google's console would give it out.
pub(super) fn service_account(base_url: &str) -> String {
    json!({
        "type": "service_account", "project_id": PROJECT, "private_key_id": "known-to-everybody",
        "private_key": PRIVATE_KEY, "client_email": ACCOUNT, "client_id": "1",
        "token_uri": format!("{base_url}/token"),
    })
    .to_string()
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    scope: String,
    iat: u64,
    exp: u64,
}

/// `POST /token`: an access token for a signed assertion.
pub(super) async fn token(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let refused = |error: &str, why: String| {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": error, "error_description": why }))).into_response()
    };
    if content_type(&headers) != "application/x-www-form-urlencoded" {
        return refused("invalid_request", "the body must be a form".into());
    }
    let fields: BTreeMap<_, _> = form_urlencoded::parse(&body).into_owned().collect();
    if fields.get("grant_type").map(String::as_str) != Some(GRANT) {
        return refused("unsupported_grant_type", format!("grant_type must be {GRANT}"));
    }
    let assertion = fields.get("assertion").map(String::as_str).unwrap_or_default();
    match assert(&desk, assertion) {
        Ok(()) => {
            let token = desk.fcm_token.expose_secret();
            Json(json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" })).into_response()
        }
        Err(why) => refused("invalid_grant", why),
    }
}

fn assert(desk: &Desk, assertion: &str) -> Result<(), String> {
    let key = DecodingKey::from_rsa_pem(PUBLIC_KEY.as_bytes()).map_err(|e| e.to_string())?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[format!("{}/token", desk.accounts.base_url)]);
    // By the sink's own clock, below.
    rules.validate_exp = false;
    let claims: Claims = jsonwebtoken::decode(assertion, &key, &rules).map_err(|e| format!("Invalid JWT: {e}"))?.claims;
    let now = u64::try_from(desk.now().as_second()).unwrap_or(0);
    if claims.exp <= now || claims.iat > now + 300 || claims.exp > claims.iat + 3600 {
        return Err("Invalid JWT: it must be a short-lived token (60 minutes) and in a reasonable timeframe".into());
    }
    if claims.iss != ACCOUNT || claims.scope != SCOPE {
        return Err(format!("Invalid JWT: iss must be {ACCOUNT}, and scope {SCOPE}"));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    message: Message,
    #[serde(default)]
    validate_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    token: String,
    #[serde(default)]
    notification: Option<Notification>,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default, rename = "android")]
    _android: Option<Value>,
    #[serde(default, rename = "apns")]
    _apns: Option<Value>,
    #[serde(default, rename = "webpush")]
    _webpush: Option<Value>,
    #[serde(default, rename = "fcm_options")]
    _options: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification {
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default, rename = "image")]
    _image: Option<String>,
}

fn refusal(status: StatusCode, word: &str, why: impl std::fmt::Display) -> Response {
    let details = json!([{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": word }]);
    let word = if word == "UNREGISTERED" { "NOT_FOUND" } else { word };
    let error = json!({ "code": status.as_u16(), "message": why.to_string(), "status": word, "details": details });
    (status, Json(json!({ "error": error }))).into_response()
}

/// `POST /v1/projects/{project}/messages:send`. A device whose token begins with `unregistered` is one that has gone.
pub(super) async fn take(
    State(desk): State<Arc<Desk>>,
    Path((project, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let invalid = |why: String| refusal(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", why);
    if method != "messages:send" {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !bears(&headers, &desk.fcm_token) {
        return refusal(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
    }
    if project != PROJECT {
        return refusal(StatusCode::FORBIDDEN, "SENDER_ID_MISMATCH", "SenderId mismatch");
    }
    if content_type(&headers) != "application/json" {
        return invalid("the body must be application/json".into());
    }
    let request: Value = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return invalid(error.to_string()),
    };
    let Request { message, validate_only } = match serde_json::from_value(request.clone()) {
        Ok(request) => request,
        Err(error) => return invalid(error.to_string()),
    };
    if message.token.is_empty() || message.token.starts_with("invalid") {
        return invalid("The registration token is not a valid FCM registration token".into());
    }
    if message.token.starts_with("unregistered") {
        return refusal(StatusCode::NOT_FOUND, "UNREGISTERED", "Requested entity was not found.");
    }
    let reserved = |name: &String| name == "from" || name.starts_with("google") || name.starts_with("gcm");
    if let Some(name) = message.data.keys().find(|name| reserved(name)) {
        return invalid(format!("Invalid data payload key: {name}"));
    }
    let size = request["message"]["notification"].to_string().len() + request["message"]["data"].to_string().len();
    if size > MAX_MESSAGE {
        return invalid("Android message is too big".into());
    }
    let name = format!("projects/{project}/messages/{}", desk.provider_id());
    if !validate_only && let Err(response) = desk.keep(kept(&name, message, request)).await {
        return response;
    }
    Json(json!({ "name": name })).into_response()
}

fn kept(name: &str, message: Message, request: Value) -> NewMessage {
    let Message { token, notification, .. } = message;
    let text = notification.map(|n| format!("{}: {}", n.title, n.body)).unwrap_or_default();
    NewMessage {
        channel: SinkChannel::Push,
        provider: "fcm",
        provider_id: name.to_owned(),
        to: token,
        from: None,
        text,
        // What it carries of it is a hash.
        delivery: None,
        request,
    }
}
