//! What a dead letter is about, whoever put it there: its shape, its event, why it failed, and what its consumer has recorded.

mod body;
mod decode;
mod failure;
mod origin;
mod original;
mod read;
mod wrap;

use std::collections::BTreeMap;

use bytes::Bytes;
use sendoff_consumers::{Attempt, Class, DeadLetter, InboxRecord, REOPENED, Status, Step};
use sendoff_events::{EventId, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::{
    decode::decode,
    original::{Original, original},
    read::{ledger_key, look, read, restore},
};

/// What the letters are grouped by of which nobody said why they failed.
pub const UNKNOWN_GROUP: &str = "unknown";

/// Who put a dead letter there, which decides how its body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A consumer of ours, with its failure beside it.
    Own,
    /// SQS, by the redrive policy of the source queue: as it was, without a cause.
    Redriven,
    /// SNS, which could not deliver it to the queue, with raw delivery: body and attributes as they were published.
    Undelivered,
    /// The same without raw delivery: a notification with the message inside.
    Notification,
    /// Lambda, of an event that it was invoked with asynchronously: the event as it was, and three attributes.
    LambdaAsync,
    /// Lambda, by an on-failure destination: request, response, and why.
    LambdaDestination,
    /// Lambda, of a batch of a DynamoDB stream: only where its records stand.
    StreamPointer,
    /// A reaction of ours, of a changed record.
    Change,
    /// Nothing that is known here.
    Unknown,
}

/// The event that a letter carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFacts {
    /// Its id.
    pub id: EventId,
    /// Its type and version.
    pub r#type: String,
    /// Whose it is.
    pub tenant: String,
    /// What it is about.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// What it belongs to.
    pub correlation: String,
    /// What caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<EventId>,
    /// When it was first published.
    pub first_published: Timestamp,
    /// Its number within its subject: the version of the record that it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// Why a letter failed, as far as anybody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureFacts {
    /// A stable word.
    pub reason: String,
    /// What kind of end it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The same for equal errors.
    pub fingerprint: String,
    /// How many attempts it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When the first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at: Option<Timestamp>,
    /// When the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// The error in words.
    pub error: String,
}

/// What is known of a letter from the letter alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Who put it there.
    pub shape: Shape,
    /// The consumer that it failed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// The consumer that its failure names, where the queue says that it is another's. Whoever can write a letter can claim that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
    /// The event; `None` when it carries none that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventFacts>,
    /// Why there is no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Why it failed; `None` when nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureFacts>,
    /// How often it was replayed before.
    #[serde(default)]
    pub replays: u32,
    /// Where its body stands, when it is a claim check: `bucket/key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_check: Option<String>,
    /// When it was first put into its consumer's queue, as far as is known.
    pub first_sent_at: Timestamp,
}

/// What its consumer has recorded of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerFacts {
    /// Where it stands.
    pub status: Status,
    /// Attempts that count.
    pub attempts: u32,
    /// The replay count of the message that was claimed last.
    pub replay: u32,
    /// The steps that have begun.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, Step>,
    /// The last attempts that failed, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Attempt>,
    /// When it was first claimed.
    pub first_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Whether a step may have had its effect without our knowing.
    #[serde(default)]
    pub doubted: bool,
}

impl From<&InboxRecord> for LedgerFacts {
    fn from(record: &InboxRecord) -> Self {
        Self {
            status: record.status,
            attempts: record.attempts,
            replay: record.replay,
            // What came of a step may be personal, and decides nothing here.
            steps: record
                .steps
                .iter()
                .map(|(name, step)| (name.clone(), Step { result: None, ..step.clone() }))
                .collect(),
            history: record.history.clone(),
            first_at: record.first_at,
            updated_at: record.updated_at,
            doubted: record.is_doubted(),
        }
    }
}

impl LedgerFacts {
    /// Whether its effect has happened: also of what was opened to run once more, until it does.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let is_reopened = || self.history.last().is_some_and(|last| last.reason == REOPENED);
        self.status == Status::Done || (self.status == Status::Failed && is_reopened())
    }
}

/// A change that a person wants of a letter's event: a new fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The new event's id.
    pub event: EventId,
    /// The whole new envelope.
    pub body: String,
    /// Who changed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What was done, as it was typed: `--set data.app=crm`.
    pub how: Vec<String>,
}

/// A dead letter in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The message.
    pub message: DeadLetter,
    /// What is known of it.
    pub facts: Facts,
    /// The envelope that it carries, where that isn't the body as it stands: unwrapped, or fetched from where the claim check points.
    pub payload: Option<Bytes>,
    /// What its consumer has recorded; `None` when there is no record.
    pub ledger: Option<LedgerFacts>,
    /// How it is to be changed.
    pub edit: Option<Edit>,
}

impl Letter {
    /// The envelope's bytes, or whatever else the letter carries.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or(&self.message.body)
    }

    /// How many bytes it takes in memory, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let edit = self.edit.as_ref().map_or(0, |edit| edit.body.len());
        self.message.body.len() + self.payload.as_ref().map_or(0, bytes::Bytes::len) + edit
    }

    /// Whether it is the message that it was made of, but for its failure: its body is the event, and nothing of it was wrapped or put
    /// aside. One whose body stands elsewhere isn't: whether that is still there has to be looked at before it is sent.
    #[must_use]
    pub fn stands_as(&self, original: &Original) -> bool {
        let Self { message, facts, payload, .. } = self;
        let is_whole = facts.event.is_some() && payload.is_none() && facts.claim_check.is_none();
        is_whole && *original == Original::as_it_stands(message.clone())
    }

    /// What the letter is grouped by: the fingerprint of its failure, or the word for why its event can't be read.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        let Facts { failure, unreadable, .. } = &self.facts;
        let failure = failure.as_ref().map(|failure| &*failure.fingerprint);
        failure.or(unreadable.as_deref()).unwrap_or(UNKNOWN_GROUP)
    }
}
