//! What Meta's notifications look like, as far as it is of use here.
//!
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components>

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{DeliveryStatus, channels::whatsapp::meta::is_gone};

/// A notification: what has happened to one or more accounts.
#[derive(Deserialize)]
pub(super) struct Notification {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    value: Parts,
}

/// What has happened to one number of an account. Its statuses and messages aren't read yet: one that can't be must not take
/// the others with it.
#[derive(Default, Deserialize)]
pub(super) struct Parts {
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    pub(super) statuses: Vec<Value>,
    #[serde(default)]
    pub(super) messages: Vec<Value>,
}

impl Notification {
    /// What it tells, by number.
    pub(super) fn parts(self) -> impl Iterator<Item = Parts> {
        self.entry.into_iter().flat_map(|entry| entry.changes).map(|change| change.value)
    }
}

impl Parts {
    /// Whether it is about the number with this id. An app may have several, and tells of all of them at one address.
    pub(super) fn is_of(&self, number: Option<&str>) -> bool {
        let named = self.metadata["phone_number_id"].as_str();
        number.zip(named).is_none_or(|(ours, named)| ours == named)
    }
}

/// One part, if it looks as it should.
pub(super) fn read<T: DeserializeOwned>(part: Value) -> Option<T> {
    let read = serde_json::from_value(part);
    if read.is_err() {
        // Not the error: it quotes what it met.
        tracing::warn!(part = std::any::type_name::<T>(), "Meta tells something in a form that isn't known");
    }
    read.ok()
}

/// What became of a message.
#[derive(Deserialize)]
pub(super) struct Status {
    /// Meta's name for the message: `wamid.…`.
    #[serde(default)]
    pub(super) id: Option<String>,
    status: String,
    /// The delivery id that it was sent with.
    #[serde(default, rename = "biz_opaque_callback_data")]
    pub(super) delivery: Option<String>,
    /// Whom it was for.
    #[serde(default, rename = "recipient_id")]
    recipient: Value,
    /// When it happened, in seconds since 1970.
    #[serde(default)]
    timestamp: Value,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    title: String,
}

impl Status {
    /// How far it has come. `None` for what isn't about that.
    pub(super) fn status(&self) -> Option<DeliveryStatus> {
        match self.status.as_str() {
            "sent" => Some(DeliveryStatus::Sent),
            "delivered" => Some(DeliveryStatus::Delivered),
            "read" | "played" => Some(DeliveryStatus::Read),
            "failed" => Some(DeliveryStatus::Undelivered),
            _ => None,
        }
    }

    /// Whose phone it was that doesn't want our messages, if that is why it failed.
    pub(super) fn refused_by(&self) -> Option<&str> {
        let mut codes = self.errors.iter().filter_map(|problem| u32::try_from(problem.code.as_u64()?).ok());
        self.recipient.as_str().filter(|_| codes.any(is_gone))
    }

    /// When it happened, in seconds since 1970.
    pub(super) fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_str()
    }

    /// Why it went wrong, in one line.
    pub(super) fn reason(&self) -> Option<String> {
        self.errors.first().map(|problem| format!("{} {}", problem.code, problem.title).trim_end().to_owned())
    }
}

/// What somebody has written to us.
#[derive(Deserialize)]
pub(super) struct Message {
    /// Their phone number.
    pub(super) from: String,
    /// Meta's name for it: `wamid.…`.
    #[serde(default)]
    id: Value,
    /// When, in seconds since 1970.
    #[serde(default)]
    pub(super) timestamp: Option<String>,
    #[serde(default)]
    text: Option<Text>,
    #[serde(default)]
    button: Option<Button>,
}

#[derive(Deserialize)]
struct Text {
    body: String,
}

/// A button below a template of ours that was pressed.
#[derive(Deserialize)]
struct Button {
    text: String,
}

impl Message {
    /// Meta's name for it.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_str()
    }

    /// Its words, where it has any.
    pub(super) fn text(&self) -> Option<&str> {
        let written = self.text.as_ref().map(|text| text.body.as_str());
        written.or_else(|| self.button.as_ref().map(|button| button.text.as_str()))
    }
}
