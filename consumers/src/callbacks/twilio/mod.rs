//! Twilio: what becomes of messages, and what recipients answer.

mod signature;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use sendoff_producers::model::Channel;
use serde_json::Value;
use url::Url;

use super::{
    CallbackState, Secrets, TWILIO_INBOUND, TWILIO_STATUS,
    answer::Refusal,
    body::{self, NOTIFICATION},
    keywords::{Wish, wish},
    suppressions::When,
};
use crate::{
    DeliveryId,
    channels::twilio::{self, describe, is_gone},
};

/// How Twilio's callbacks are recognised.
#[derive(Debug, Clone)]
pub struct TwilioCallbacks {
    /// The account's auth token; while it is being replaced, the secondary one too.
    pub auth_tokens: Secrets,
    /// The address that Twilio was told, of which its signatures are made: our public one, whatever a proxy makes of it. The
    /// endpoints' paths follow it.
    pub public_url: Url,
}

/// The parameters of a request.
type Parameters = Vec<(String, String)>;

/// `POST /callbacks/twilio?delivery=…`
pub(super) async fn status(
    State(state): State<Arc<CallbackState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let parameters = parameters(&state, TWILIO_STATUS, &uri, &headers, body).await?;
    let value = |name| body::value(&parameters, name);
    let query = body::fields(uri.query().unwrap_or_default().as_bytes())?;
    let code = value("ErrorCode").filter(|code| !matches!(*code, "" | "0"));
    let message = value("MessageSid").or_else(|| value("SmsSid"));
    // Twilio keeps a list of those who have sent STOP, and this one is on it.
    if code.and_then(|code| code.parse().ok()).is_some_and(is_gone)
        && let Some(to) = value("To")
    {
        let (channel, phone) = channel(to);
        state.wished(Wish::Stop, channel, phone, "twilio", When::Arrived(message)).await?;
    }
    match body::value(&query, "delivery").map(str::parse::<DeliveryId>) {
        Some(Ok(id)) => {
            let word = value("MessageStatus").or_else(|| value("SmsStatus")).unwrap_or_default();
            if let Some(status) = twilio::status(word) {
                let reason = code.map(|code| reason(code, value("ErrorMessage")));
                let news = state.told(status, "twilio", message, reason);
                state.take_in(&id, news).await?;
            }
        }
        _ => tracing::warn!("Twilio tells of a message without a delivery id: it isn't ours, or its address was cut"),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /callbacks/twilio/inbound`
pub(super) async fn inbound(
    State(state): State<Arc<CallbackState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let parameters = parameters(&state, TWILIO_INBOUND, &uri, &headers, body).await?;
    let value = |name| body::value(&parameters, name);
    // With Advanced Opt-Out it is Twilio who knows the words, in every language.
    let wish = value("OptOutType").and_then(wish).or_else(|| value("Body").and_then(wish));
    if let (Some(wish), Some(from)) = (wish, value("From")) {
        let (channel, phone) = channel(from);
        let message = value("MessageSid").or_else(|| value("SmsSid"));
        state.wished(wish, channel, phone, "twilio", When::Arrived(message)).await?;
    }
    // No answer of ours: Twilio confirms STOP and START by itself.
    let nothing = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";
    Ok(([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], nothing).into_response())
}

/// The parameters of a request that is proven to be Twilio's.
async fn parameters(
    state: &CallbackState,
    path: &'static str,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Parameters, Refusal> {
    let twilio = state.twilio.as_ref().ok_or(Refusal::NotConfigured)?;
    let forged = |why| Refusal::Forged(path, why);
    let signature = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok());
    let signature = signature.ok_or(forged("there is no X-Twilio-Signature"))?;
    let body = body::read(body, NOTIFICATION).await?;
    let form = is_form(headers);
    let signed = if form { body::fields(&body)? } else { Parameters::new() };
    let urls = signature::urls(&twilio.public_url, path, uri.query());
    if !signature::is_valid(&twilio.auth_tokens.get().await?, &urls, &signed, signature) {
        return Err(forged("its signature isn't that of our auth token for this address and these parameters"));
    }
    if form {
        return Ok(signed);
    }
    // The signature covers the address alone, and the address a hash of the body.
    let query = body::fields(uri.query().unwrap_or_default().as_bytes())?;
    if !body::value(&query, "bodySHA256").is_some_and(|hash| signature::is_hash_of(hash, &body)) {
        return Err(forged("its body isn't the one whose hash was signed"));
    }
    from_json(&body)
}

/// Why it went wrong, in one line.
fn reason(code: &str, message: Option<&str>) -> String {
    let known = code.parse().ok().and_then(describe).unwrap_or_default();
    format!("{code} {}", message.unwrap_or(known)).trim_end().to_owned()
}

/// The texts and numbers of a JSON object.
fn from_json(body: &[u8]) -> Result<Parameters, Refusal> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return Err(Refusal::Garbled("the body from Twilio is neither a form nor a JSON object"));
    };
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Ok(object.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The channel of an address at Twilio, and the phone number in it.
fn channel(address: &str) -> (Channel, &str) {
    match address.strip_prefix("whatsapp:") {
        Some(phone) => (Channel::Whatsapp, phone),
        None => (Channel::Sms, address),
    }
}
