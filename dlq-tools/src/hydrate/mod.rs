//! What stream pointers point to, while it is there: Lambda tells a queue only where in a DynamoDB stream a batch stood that it
//! gave up on, and the stream forgets after a day. An S3 destination is given the records, too.
//!
//! A record that has changed since is superseded: to do again what its change asked for would bring back what is over.

pub mod gather;
pub mod item;
pub mod pointer;
pub mod s3;
pub mod standing;
pub mod stream;

pub use item::StreamChange;
pub use pointer::StreamPointer;
use sendoff_events::Timestamp;
use serde::Serialize;
use serde_json::Value;
pub use standing::Standing;

/// A change that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hydrated {
    /// Where it was found: `letter`, `s3`, `stream`.
    pub from: &'static str,
    /// The dead letter that tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The object in the failure bucket that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// When the stream forgets it; `None` where it is kept elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it is still the last word about its record.
    pub standing: Standing,
    /// The change.
    #[serde(flatten)]
    pub change: Shown,
    /// The stream and the item, as long as it isn't compared.
    #[serde(skip)]
    source: Option<(String, StreamChange)>,
}

impl Hydrated {
    /// A change of a record of ours that a reaction has put aside.
    #[must_use]
    pub fn parked(message_id: &str, change: Shown, standing: Standing) -> Self {
        let message_id = Some(message_id.to_owned());
        Self { from: "letter", message_id, object: None, expires_at: None, standing, change, source: None }
    }
}

/// A change, whoever tells of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// Its place in its shard or stream.
    pub place: String,
    /// What was done: `insert`, `modify`, `remove`.
    pub operation: String,
    /// Which record.
    pub keys: Value,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The version that the write gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What it held before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What it held then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// A pointer whose records are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Where its records stood.
    pub pointer: StreamPointer,
    /// Why they can't be had.
    pub why: String,
    /// Whether they are gone for good: otherwise asking again may help.
    pub for_good: bool,
}
