//! Received text messages, WhatsApp messages, notifications and webhook calls, one file each.

use std::{path::Path, str::FromStr};

use sendoff_events::{Rng, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::shelf::{Shelf, ShelfError, fresh_id, time_of};

/// The messages that the sinks of a data folder have received over HTTP: `messages/{id}.json`, readable by their owner only.
/// Ids are UUIDs that sort by time.
#[derive(Debug, Clone)]
pub struct Messages {
    shelf: Shelf,
}

/// What a message went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkChannel {
    /// A text message.
    Sms,
    /// A WhatsApp message.
    Whatsapp,
    /// A notification.
    Push,
    /// A call of an endpoint.
    Webhook,
}

/// The text is no channel of the sinks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no channel: one of `sms`, `whatsapp`, `push` and `webhook` is")]
pub struct NoSuchChannel(String);

impl SinkChannel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sms, Self::Whatsapp, Self::Push, Self::Webhook];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
            Self::Push => "push",
            Self::Webhook => "webhook",
        }
    }
}

impl FromStr for SinkChannel {
    type Err = NoSuchChannel;

    fn from_str(text: &str) -> Result<Self, NoSuchChannel> {
        let found = Self::ALL.into_iter().find(|channel| channel.word() == text);
        found.ok_or_else(|| NoSuchChannel(text.chars().take(40).collect()))
    }
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedMessage {
    /// Its name in the data folder.
    pub id: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// What it went through.
    pub channel: SinkChannel,
    /// Whose API it came by: `twilio`, `meta`, `fcm`, `webhook`.
    pub provider: String,
    /// What that provider calls it: the answer said so.
    pub provider_id: String,
    /// Who gets it: a number, a device's token, an endpoint's path.
    pub to: String,
    /// Who it is from, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it says, for people.
    pub text: String,
    /// The delivery id that it came with (`consumer/event-id/step`), where it came with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// The whole request as it was understood.
    pub request: Value,
}

/// A message that is about to be kept.
pub(super) struct NewMessage {
    pub(super) channel: SinkChannel,
    pub(super) provider: &'static str,
    pub(super) provider_id: String,
    pub(super) to: String,
    pub(super) from: Option<String>,
    pub(super) text: String,
    pub(super) delivery: Option<String>,
    pub(super) request: Value,
}

impl Messages {
    /// The messages of a data folder. Their own folder is made when the first one comes.
    #[must_use]
    pub fn of(data_folder: &Path) -> Self {
        Self { shelf: Shelf::new(data_folder.join("messages"), "json", "message", "sendoff messages ls") }
    }

    /// All messages, or those of one channel, the oldest first.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Io`].
    pub fn list(&self, channel: Option<SinkChannel>) -> Result<Vec<ReceivedMessage>, ShelfError> {
        let all: Result<Vec<_>, _> = self.shelf.ids()?.iter().map(|id| self.load(*id)).collect();
        let mut all = all?;
        all.retain(|message| channel.is_none_or(|channel| message.channel == channel));
        Ok(all)
    }

    /// The message with this id, or with the only id that begins so.
    ///
    /// # Errors
    ///
    /// [`ShelfError`].
    pub fn read(&self, id: &str) -> Result<ReceivedMessage, ShelfError> {
        self.load(self.shelf.find(id)?)
    }

    /// Keeps a message. When it has returned, the message survives a crash; before that, nobody sees any of it.
    pub(super) fn store(&self, new: NewMessage, at: Timestamp, rng: &dyn Rng) -> Result<(), ShelfError> {
        let id = fresh_id(at, rng);
        let NewMessage { channel, provider, provider_id, to, from, text, delivery, request } = new;
        let message = ReceivedMessage {
            id: id.to_string(),
            received_at: at,
            channel,
            provider: provider.into(),
            provider_id,
            to,
            from,
            text,
            delivery,
            request,
        };
        let io = |error: serde_json::Error| ShelfError::Io { path: self.shelf.path(id), source: error.into() };
        let mut json = serde_json::to_vec_pretty(&message).map_err(io)?;
        json.push(b'\n');
        self.shelf.store(id, &[&json])
    }

    fn load(&self, id: Uuid) -> Result<ReceivedMessage, ShelfError> {
        let bytes = self.shelf.load(id)?;
        let damaged = |error: serde_json::Error| ShelfError::Io { path: self.shelf.path(id), source: error.into() };
        let message: ReceivedMessage = serde_json::from_slice(&bytes).map_err(damaged)?;
        // The name counts, whatever stands in the file.
        Ok(ReceivedMessage { id: id.to_string(), received_at: time_of(id), ..message })
    }
}
