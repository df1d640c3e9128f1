//! Meta's WhatsApp Cloud API: what becomes of messages, and what recipients answer.
//!
//! <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>

mod payload;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt as _, future::ready, stream};
use payload::{Message, Notification, Status, read};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::Timestamp;
use sendoff_producers::model::Channel;

use super::{
    CallbackState, META, Secrets,
    answer::Refusal,
    body,
    keywords::{Wish, wish},
    suppressions::When,
};
use crate::DeliveryId;

/// How Meta's callbacks are recognised.
#[derive(Debug, Clone)]
pub struct MetaCallbacks {
    /// The app's secret, which notifications are signed with.
    pub app_secret: Secrets,
    /// The word that was chosen when the endpoint was entered at Meta.
    pub verify_token: Secrets,
    /// The id of our phone number. What is said to another number of the same app is no wish that concerns us. Without it all
    /// of the app's numbers are ours.
    pub phone_number_id: Option<String>,
}

/// The most that one notification may hold, in bytes: what Meta says of its own.
const LIMIT: usize = 3 * 1024 * 1024;

/// How many statuses of a notification are taken in at once: Meta waits, and a notification may hold a thousand.
const AT_ONCE: usize = 16;

/// `GET /callbacks/meta`: Meta asks whether the endpoint is ours.
pub(super) async fn verify(State(state): State<Arc<CallbackState>>, uri: Uri) -> Result<Response, Refusal> {
    let meta = state.meta.as_ref().ok_or(Refusal::NotConfigured)?;
    let query = body::fields(uri.query().unwrap_or_default().as_bytes())?;
    let value = |name| body::value(&query, name).unwrap_or_default();
    let tokens = meta.verify_token.get().await?;
    if value("hub.mode") != "subscribe" || !tokens.iter().any(|token| same(token, value("hub.verify_token"))) {
        return Err(Refusal::Forged(META, "its verify token isn't ours"));
    }
    let challenge = value("hub.challenge");
    if challenge.len() > 256 || !challenge.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Garbled("the challenge from Meta isn't one"));
    }
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, challenge.to_owned()).into_response())
}

/// `POST /callbacks/meta`: news.
pub(super) async fn news(
    State(state): State<Arc<CallbackState>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let meta = state.meta.as_ref().ok_or(Refusal::NotConfigured)?;
    let signature = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok()?.strip_prefix("sha256="));
    let signature = signature.and_then(body::from_hex);
    let signature = signature.ok_or(Refusal::Forged(META, "there is no X-Hub-Signature-256"))?;
    let body = body::read(body, LIMIT).await?;
    let signed = |secret: &SecretString| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        hmac::verify(&key, &body, &signature).is_ok()
    };
    if !meta.app_secret.get().await?.iter().any(signed) {
        return Err(Refusal::Forged(META, "its signature isn't that of our app"));
    }
    let Ok(notification) = serde_json::from_slice::<Notification>(&body) else {
        return Err(Refusal::Garbled("the body from Meta isn't a notification"));
    };
    let (mut statuses, mut messages) = (Vec::new(), Vec::new());
    for part in notification.parts() {
        let is_ours = part.is_of(meta.phone_number_id.as_deref());
        statuses.extend(part.statuses.into_iter().map(|status| (status, is_ours)));
        messages.extend(part.messages.into_iter().filter(|_| is_ours));
    }
    // In any order: news of the same message come to the same.
    let statuses = statuses.into_iter().filter_map(|(status, is_ours)| Some((read::<Status>(status)?, is_ours)));
    let told = stream::iter(statuses).map(|(status, is_ours)| told(&state, status, is_ours)).buffer_unordered(AT_ONCE);
    // What can't be taken in now comes again with all the rest, and holds none of it up.
    let told = told.fold(Ok(()), |all, one| ready(all.and(one))).await;
    // In their order: the last wish counts.
    for message in messages.into_iter().filter_map(read::<Message>) {
        answered(&state, &message).await?;
    }
    told.map(|()| StatusCode::OK)
}

async fn told(state: &CallbackState, status: Status, is_ours: bool) -> Result<(), Refusal> {
    if let Some(recipient) = status.refused_by().filter(|_| is_ours) {
        let when = status.timestamp().and_then(second);
        let when = when.map_or(When::Arrived(status.id.as_deref()), When::At);
        state.wished(Wish::Stop, Channel::Whatsapp, &phone(recipient), "meta", when).await?;
    }
    // The number may be used by others as well, who have ids of their own, or none.
    let Some(Ok(id)) = status.delivery.as_deref().map(str::parse::<DeliveryId>) else { return Ok(()) };
    let Some(known) = status.status() else { return Ok(()) };
    let news = state.told(known, "meta", status.id.as_deref(), status.reason());
    state.take_in(&id, news).await
}

async fn answered(state: &CallbackState, message: &Message) -> Result<(), Refusal> {
    let Some(wish) = message.text().and_then(wish) else { return Ok(()) };
    let when = message.timestamp.as_deref().and_then(second);
    let when = when.map_or(When::Arrived(message.id()), When::At);
    state.wished(wish, Channel::Whatsapp, &phone(&message.from), "meta", when).await
}

/// A time as Meta writes it: in seconds since 1970.
fn second(text: &str) -> Option<Timestamp> {
    Timestamp::from_second(text.parse().ok()?).ok()
}

/// A phone number. Meta writes them without their plus.
fn phone(number: &str) -> String {
    format!("+{}", number.trim_start_matches('+'))
}

/// Whether `given` is the secret, found out in the same time for every wrong one of its length.
fn same(secret: &SecretString, given: &str) -> bool {
    let secret = secret.expose_secret().as_bytes();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, given.as_bytes(), hmac::sign(&key, secret).as_ref()).is_ok()
}
