//! What providers tell of messages after they took them: on their way, delivered, read, or given up.

use std::{fmt, str::FromStr, time::Duration};

use sendoff_events::{BoxFuture, EventId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Class, IdempotencyKey, InboxRecord, KeyError, Resolution, Step, StepState, moments};

/// By how much news may seem to be older than the message that they are about: clocks differ, and news may overtake the answer
/// to the call that sent it.
const TOLERANCE: Duration = Duration::from_secs(60);

/// The provider of news of mails.
pub(crate) const SES: &str = "ses";

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

    /// Whether it has arrived: then they were told, by whichever of several messages it was.
    pub(crate) const fn has_arrived(self) -> bool {
        matches!(self, Self::Delivered | Self::Read | Self::Complained)
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

/// What is known of a message from its provider: the furthest of its news, by [`DeliveryStatus::rank`].
pub type DeliveryRecord = DeliveryNews;

/// What is known after the news: `None` when they change nothing. The rule of every backend.
///
/// News belong to one message, and under one delivery id there may have been several: what was in doubt is sent again when a
/// person says so, what has failed when it is replayed. `since` is when the present one was begun.
///
/// | what is known | the news count |
/// |---|---|
/// | of the same message, by its provider's id | when they bring it further |
/// | of another one, or of nobody knows which, told before `since` | always |
/// | of nobody knows which, or the news are | when they bring it further |
/// | of another one | when they are of a message that came further: the one that was given up is behind every other |
///
/// Of two messages that were both given up the one that was told of last is kept.
#[must_use]
pub fn merge(known: Option<&DeliveryRecord>, news: &DeliveryNews, since: Timestamp) -> Option<DeliveryRecord> {
    known.is_none_or(|known| news.replace(known, since)).then(|| news.clone())
}

impl DeliveryNews {
    fn replace(&self, known: &DeliveryRecord, since: Timestamp) -> bool {
        let is_further = self.status.rank() > known.status.rank();
        match (&self.provider_id, &known.provider_id) {
            (Some(new), Some(old)) if new == old => is_further,
            _ if known.at < since => true,
            (Some(_), Some(_)) if !known.status.proves_sent() => true,
            (Some(_), Some(_)) => is_further && self.status.proves_sent(),
            _ => is_further,
        }
    }

    /// Whether they are of the message that the step stands for now, and not of one that went before it. Its provider's id
    /// says so; where one of them has none, the time does.
    pub(crate) fn is_of(&self, step: &Step) -> bool {
        self.names(step).unwrap_or_else(|| self.at >= counts_since(step))
    }

    /// Whether they are of another message than the step stands for, by its provider's id.
    pub(crate) fn is_of_another(&self, step: &Step) -> bool {
        self.names(step) == Some(false)
    }

    /// Whether they name the step's message, where both have an id. SES has other ids than the servers that mail is handed to.
    fn names(&self, step: &Step) -> Option<bool> {
        let ids = self.provider_id.as_ref().zip(step.provider_id.as_ref());
        ids.filter(|_| self.provider != SES).map(|(theirs, ours)| theirs == ours)
    }

    /// What they mean for a step of `record` that isn't settled yet: nothing where they are of an earlier message, or may be.
    pub(crate) fn settle(&self, record: &InboxRecord, step: &Step) -> Option<Resolution> {
        match step.state {
            StepState::Done | StepState::Skipped | StepState::Failed => None,
            _ if !self.is_of(step) => None,
            _ if self.status.proves_sent() => Some(Resolution::Sent { provider_id: self.provider_id.clone() }),
            StepState::Pending => None,
            StepState::InDoubt | StepState::Sending if is_one_of_several(record, step) => None,
            StepState::InDoubt | StepState::Sending => Some(Resolution::Failed),
        }
    }
}

/// Since when news count for the message that the step stands for, where nothing names it.
pub(crate) fn counts_since(step: &Step) -> Timestamp {
    moments::earlier(step.at, TOLERANCE)
}

/// Whether there may be an earlier message beside the one that is in doubt: somebody had it sent again, or an earlier doubt was
/// found out to be none. Then nobody knows whose failure it is.
fn is_one_of_several(record: &InboxRecord, step: &Step) -> bool {
    record.history.iter().any(|attempt| match attempt.class {
        Class::Resolved => true,
        Class::InDoubt => attempt.at < step.at,
        _ => false,
    })
}

/// The delivery records couldn't be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the delivery records can't be reached: {0}")]
pub struct DeliveriesError(pub String);

/// The store of delivery records. They are kept for as long as the inbox remembers.
pub trait Deliveries: Send + Sync {
    /// Takes the news in, by the rule of [`merge`], atomically. Gives whether they changed what is known. Telling the news of one
    /// message twice is the same as once, and their order doesn't matter. What was told of another message before `since` is
    /// put aside.
    fn tell<'a>(
        &'a self,
        id: &'a DeliveryId,
        news: &'a DeliveryNews,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<bool, DeliveriesError>>;

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

    use DeliveryStatus::{Accepted, Delivered, Read, Sent, Undelivered};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// News of the message of this name, told at this second.
    fn news(name: Option<&str>, status: DeliveryStatus, second: i64) -> DeliveryNews {
        let provider_id = name.map(str::to_owned);
        DeliveryNews { status, provider: "twilio".into(), provider_id, reason: None, at: at(second) }
    }

    /// What is known after all of these, of a message that was begun at second 100.
    fn after(told: &[DeliveryNews]) -> DeliveryRecord {
        let known = told.iter().fold(None, |known, news| merge(known.as_ref(), news, at(100)).or(known));
        known.unwrap()
    }

    #[test]
    fn news_in_any_order_come_to_the_same() {
        for (told, known) in [
            (vec![Sent, Delivered, Sent, Delivered], Delivered),
            (vec![Delivered, Sent, Accepted], Delivered),
            (vec![Undelivered, Sent], Undelivered),
            (vec![Undelivered, Delivered, Undelivered], Delivered),
            (vec![Read, Delivered], Read),
        ] {
            for name in [None, Some("A")] {
                let told: Vec<_> = told.iter().map(|status| news(name, *status, 100)).collect();
                assert_eq!(after(&told).status, known, "{told:?}");
            }
        }
    }

    #[test]
    fn news_of_one_message_are_not_taken_for_news_of_another() {
        let (a, b) = (Some("A"), Some("B"));
        for (told, known) in [
            // A was given up before B was begun.
            (vec![news(a, Undelivered, 9), news(b, Sent, 100)], news(b, Sent, 100)),
            (vec![news(a, Undelivered, 9), news(b, Undelivered, 100)], news(b, Undelivered, 100)),
            (vec![news(None, Undelivered, 9), news(b, Accepted, 100)], news(b, Accepted, 100)),
            (vec![news(a, Undelivered, 9), news(None, Sent, 100)], news(None, Sent, 100)),
            // That is told again later, and changes nothing.
            (vec![news(a, Undelivered, 9), news(a, Undelivered, 101)], news(a, Undelivered, 9)),
            (vec![news(a, Undelivered, 9), news(b, Sent, 100), news(a, Undelivered, 101)], news(b, Sent, 100)),
            // A was given up meanwhile.
            (vec![news(a, Undelivered, 101), news(b, Accepted, 102)], news(b, Accepted, 102)),
            (vec![news(b, Accepted, 102), news(a, Undelivered, 103)], news(b, Accepted, 102)),
            (vec![news(a, Undelivered, 101), news(b, Undelivered, 102)], news(b, Undelivered, 102)),
            // Each message comes further by itself.
            (vec![news(b, Sent, 101), news(b, Undelivered, 102)], news(b, Undelivered, 102)),
            // Whichever arrived, they have it.
            (vec![news(b, Sent, 101), news(a, Delivered, 102)], news(a, Delivered, 102)),
            (vec![news(a, Delivered, 101), news(b, Undelivered, 102)], news(a, Delivered, 101)),
        ] {
            assert_eq!(after(&told), known, "{told:?}");
        }
    }
}
