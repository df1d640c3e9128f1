//! What providers tell of messages after they took them: on their way, delivered, read, or given up.

use std::{fmt, str::FromStr};

use sendoff_events::{BoxFuture, EventId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{IdempotencyKey, KeyError};

/// One message to one recipient: the idempotency key `consumer/event-id/step` that it was sent under. It travels in the
/// callback's URL, so that news of a message find it even if its provider never answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The job that it belongs to.
    pub key: IdempotencyKey,
    /// The step of that job: who it goes to.
    pub step: String,
}

/// The text is no delivery id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("delivery id `{0}` is not valid: it reads `consumer/event-id/step`")]
pub struct DeliveryIdError(String);

impl DeliveryId {
    /// The most that a step's name may hold, in bytes.
    const MAX_STEP: usize = 300;

    /// The step `step` of `key`.
    #[must_use]
    pub fn new(key: IdempotencyKey, step: impl Into<String>) -> Self {
        Self { key, step: step.into() }
    }

    /// The event that the message is about.
    #[must_use]
    pub fn event(&self) -> Option<EventId> {
        self.key.as_str().rsplit('/').next().and_then(|id| id.parse().ok())
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.key, self.step)
    }
}

impl FromStr for DeliveryId {
    type Err = DeliveryIdError;

    fn from_str(text: &str) -> Result<Self, DeliveryIdError> {
        let error = || DeliveryIdError(text.chars().take(120).collect());
        let end = text.match_indices('/').nth(1).map(|(at, _)| at).ok_or_else(error)?;
        let key: IdempotencyKey = text[..end].parse().map_err(|_: KeyError| error())?;
        let step = &text[end + 1..];
        if step.is_empty() || step.len() > Self::MAX_STEP || step.chars().any(char::is_control) {
            return Err(error());
        }
        Ok(Self { key, step: step.to_owned() })
    }
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryStatus {
    /// The provider has it, and has done nothing yet.
    Accepted,
    /// The provider has handed it on: to the network, to the recipient's mail server.
    Sent,
    /// The provider gave it up, or the network did: it never arrived.
    Undelivered,
    /// It has arrived.
    Delivered,
    /// It was opened.
    Read,
    /// It has arrived, and the recipient complained about it.
    Complained,
}

impl DeliveryStatus {
    /// News only ever bring a message further: what is older than what is known changes nothing. That it has arrived is
    /// stronger than that it was given up.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Sent => 1,
            Self::Undelivered => 2,
            Self::Delivered => 3,
            Self::Read => 4,
            Self::Complained => 5,
        }
    }

    /// Whether the provider must have had the message: then it was sent, whatever our own attempt knew of it.
    #[must_use]
    pub const fn proves_sent(self) -> bool {
        !matches!(self, Self::Undelivered)
    }

    /// Its word, as it stands in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Undelivered => "undelivered",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Complained => "complained",
        }
    }
}

/// News of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryNews {
    /// How far it has come.
    pub status: DeliveryStatus,
    /// Who says so: `twilio`, `meta`, `ses`.
    pub provider: String,
    /// The provider's name for the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The provider's code and words for what went wrong, without personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was told.
    pub at: Timestamp,
}

/// What is known of a message from its provider: the latest of the news, by [`DeliveryStatus::rank`].
pub type DeliveryRecord = DeliveryNews;

/// What is known after the news: `None` when they change nothing. The rule of every backend.
#[must_use]
pub fn merge(known: Option<&DeliveryRecord>, news: &DeliveryNews) -> Option<DeliveryRecord> {
    match known {
        Some(known) if known.status.rank() >= news.status.rank() => None,
        _ => Some(news.clone()),
    }
}

/// The delivery records couldn't be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the delivery records can't be reached: {0}")]
pub struct DeliveriesError(pub String);

/// The store of delivery records. They are kept for as long as the inbox remembers.
pub trait Deliveries: Send + Sync {
    /// Takes the news in, by the rule of [`merge`], atomically. Gives whether they changed what is known. Telling the same news
    /// twice is the same as once, and their order doesn't matter.
    fn tell<'a>(&'a self, id: &'a DeliveryId, news: &'a DeliveryNews) -> BoxFuture<'a, Result<bool, DeliveriesError>>;

    /// What is known of a message, if there were any news.
    fn get<'a>(&'a self, id: &'a DeliveryId) -> BoxFuture<'a, Result<Option<DeliveryRecord>, DeliveriesError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_a_step_may_hold_slashes() {
        for text in [
            "sms/01938d1e-7b2c-7000-8000-000000000000/ada",
            "webhook/01938d1e-7b2c-7000-8000-000000000000/apps/crm/hook-1",
        ] {
            assert_eq!(text.parse::<DeliveryId>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "sms",
            "sms/01938d1e-7b2c-7000-8000-000000000000",
            "sms/x/ada",
            "/01938d1e-7b2c-7000-8000-000000000000/a",
        ] {
            assert!(wrong.parse::<DeliveryId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn news_in_any_order_come_to_the_same() {
        use DeliveryStatus::{Accepted, Delivered, Read, Sent, Undelivered};
        let news = |status| DeliveryNews {
            status,
            provider: "twilio".into(),
            provider_id: None,
            reason: None,
            at: Timestamp::UNIX_EPOCH,
        };
        for (told, known) in [
            (vec![Sent, Delivered, Sent, Delivered], Delivered),
            (vec![Delivered, Sent, Accepted], Delivered),
            (vec![Undelivered, Sent], Undelivered),
            (vec![Undelivered, Delivered, Undelivered], Delivered),
            (vec![Read, Delivered], Read),
        ] {
            let mut record = None;
            for status in &told {
                if let Some(newer) = merge(record.as_ref(), &news(*status)) {
                    record = Some(newer);
                }
            }
            assert_eq!(record.unwrap().status, known, "{told:?}");
        }
    }
}
