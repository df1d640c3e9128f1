//! `projects.messages.send` (<https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages>).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{FcmDevice, FcmStub, PROJECT, fcm_error, invalid, problem};
use crate::servers::{Answer, Asked};

/// The most that title, text and data may hold.
const MAX_PAYLOAD: usize = 4096;
/// The most that an `apns-collapse-id` may hold.
const MAX_COLLAPSE_ID: usize = 64;

/// A notification as it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FcmMessage {
    /// The device's token.
    pub token: String,
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// What the app is told.
    pub data: BTreeMap<String, String>,
    /// What a later one replaces it by.
    pub tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    message: Message,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    token: Option<String>,
    notification: Option<Notification>,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    android: Android,
    #[serde(default)]
    apns: Apns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification {
    title: String,
    body: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Android {
    notification: AndroidNotification,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct AndroidNotification {
    tag: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Apns {
    headers: BTreeMap<String, String>,
    payload: Map<String, Value>,
}

impl FcmStub {
    pub(super) fn send(&self, asked: &Asked) -> Answer {
        let now = self.clock.now();
        let bearer = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let mut state = self.state();
        if bearer.and_then(|token| state.granted.get(token)).is_none_or(|until| *until <= now) {
            let message = "Request had invalid authentication credentials. Expected OAuth 2 access token.";
            return problem(401, "UNAUTHENTICATED", message, json!([]));
        }
        let notified = match check(asked) {
            Ok(notified) => notified,
            Err(refusal) => return refusal,
        };
        match state.devices.get(&notified.token) {
            None => invalid("message.token", "The registration token is not a valid FCM registration token"),
            Some(FcmDevice::Unregistered) => {
                let message = "Requested entity was not found.";
                problem(404, "NOT_FOUND", message, json!([fcm_error("UNREGISTERED")]))
            }
            Some(FcmDevice::OfAnotherProject) => {
                let message = "SenderId mismatch";
                problem(403, "PERMISSION_DENIED", message, json!([fcm_error("SENDER_ID_MISMATCH")]))
            }
            Some(FcmDevice::RefusedByApple) => {
                let message = "Auth error from APNS or Web Push Service";
                problem(401, "UNAUTHENTICATED", message, json!([fcm_error("THIRD_PARTY_AUTH_ERROR")]))
            }
            Some(FcmDevice::Registered) => {
                state.notified.push(notified);
                let name = format!("projects/{PROJECT}/messages/0:{}", state.notified.len());
                Answer::json(200, &json!({ "name": name }))
            }
        }
    }
}

/// The message, if FCM would take it.
fn check(asked: &Asked) -> Result<FcmMessage, Answer> {
    if asked.header("content-type") != Some("application/json") {
        return Err(invalid("", "The content type is not application/json."));
    }
    let request: Request = serde_json::from_slice(&asked.body)
        .map_err(|error| invalid("message", &format!("Invalid JSON payload received. {error}")))?;
    let Message { token, notification, data, android, apns } = request.message;
    let token = token.filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| invalid("message", "Recipient of the message is not set."))?;
    let Some(Notification { title, body }) = notification else {
        return Err(invalid("message.notification", "A notification without title and text is not shown."));
    };
    let reserved = |name: &&String| {
        matches!(&***name, "from" | "message_type") || name.starts_with("google") || name.starts_with("gcm")
    };
    if let Some(name) = data.keys().find(reserved) {
        return Err(invalid("message.data", &format!("Invalid data payload key: {name}")));
    }
    let size: usize = data.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size + title.len() + body.len() + "titlebody".len() > MAX_PAYLOAD {
        return Err(problem(
            400,
            "INVALID_ARGUMENT",
            "Android message is too big",
            json!([fcm_error("INVALID_ARGUMENT")]),
        ));
    }
    if !apns.payload.is_empty() {
        return Err(invalid("message.apns.payload", "Nothing of ours sets that."));
    }
    for (name, value) in &apns.headers {
        if name != "apns-collapse-id" || value.len() > MAX_COLLAPSE_ID || value.is_empty() {
            return Err(invalid("message.apns.headers", &format!("Invalid APNs header: {name}")));
        }
    }
    let tag = android.notification.tag;
    if tag.as_ref() != apns.headers.get("apns-collapse-id") {
        return Err(invalid("message", "Android and Apple devices would replace different notifications."));
    }
    Ok(FcmMessage { token, title, body, data, tag })
}
