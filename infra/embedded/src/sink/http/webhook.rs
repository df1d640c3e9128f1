//! Endpoints that webhooks can be posted to, checked as Standard Webhooks asks receivers to
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::{Value, json};

use super::{Desk, NewMessage, SinkChannel, content_type, text_of};

/// The secret that the sink's endpoints check signatures with. Everybody knows it: give an endpoint that points at the sink
/// this one, and nothing else.
pub const WEBHOOK_SECRET: &str = "whsec_a25vd24gdG8gZXZlcnlib2R5LCBmb3IgdGhlIHNpbms=";

/// How far a call's time may be from ours, in seconds.
const TOLERANCE: i64 = 300;

/// `POST /webhooks/{endpoint}`. An endpoint whose name begins with `gone` answers that it is gone.
pub(super) async fn take(
    State(desk): State<Arc<Desk>>,
    Path(endpoint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refuse = |status: StatusCode, why: &str| (status, Json(json!({ "error": why }))).into_response();
    if endpoint.starts_with("gone") {
        return refuse(StatusCode::GONE, "this endpoint is gone");
    }
    if let Err(why) = verify(&headers, &body, desk.now().as_second()) {
        return refuse(StatusCode::UNAUTHORIZED, why);
    }
    if content_type(&headers) != "application/json" {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json");
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "the body is no JSON");
    };
    let message = NewMessage {
        channel: SinkChannel::Webhook,
        provider: "webhook",
        provider_id: text_of(&headers, "webhook-id").to_owned(),
        to: format!("/webhooks/{endpoint}"),
        from: None,
        text: request["type"].as_str().unwrap_or_default().to_owned(),
        // The call's id is made of it, and doesn't tell it.
        delivery: None,
        request,
    };
    match desk.keep(message).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(response) => response,
    }
}

/// Checks that the call comes from whoever knows the secret, and was made just now.
fn verify(headers: &HeaderMap, body: &[u8], now: i64) -> Result<(), &'static str> {
    let (id, at) = (text_of(headers, "webhook-id"), text_of(headers, "webhook-timestamp"));
    if id.is_empty() || id.contains('.') {
        return Err("webhook-id is missing, or has a dot in it");
    }
    let seconds: i64 = at.parse().map_err(|_| "webhook-timestamp is missing, or no number of seconds")?;
    if (now - seconds).abs() > TOLERANCE {
        return Err("webhook-timestamp is too far from now");
    }
    let secret = WEBHOOK_SECRET.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let mut signed = format!("{id}.{at}.").into_bytes();
    signed.extend_from_slice(body);
    let signatures = text_of(headers, "webhook-signature").split(' ');
    let mut given = signatures.filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    if given.any(|signature| hmac::verify(&key, &signed, &signature).is_ok()) {
        Ok(())
    } else {
        Err("no signature in webhook-signature is right")
    }
}
