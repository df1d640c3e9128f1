//! What a shared cache keeps of a record.

use sendoff_events::Timestamp;
use sendoff_producers::{Record, RecordKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Change;

/// A record at one version, or the trace of its deletion. The trace is kept so that a slow reader can't put back what was
/// deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The record's version; a deletion has one, too.
    pub version: u64,
    /// What it held; `None` when it was deleted.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
    /// When it was written.
    pub(super) at: Timestamp,
}

/// `null` is data like any other, and told apart from no data by its absence.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Image {
    /// The image of a record as it stands.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { version: record.version, data: Some(record.data.clone()), at: record.updated_at }
    }

    /// The image that a change leaves behind.
    #[must_use]
    pub fn after(change: &Change) -> Self {
        Self { version: change.version, data: change.new.clone(), at: change.at }
    }

    /// The record, unless it was deleted.
    #[must_use]
    pub fn record(self, key: &RecordKey) -> Option<Record> {
        Some(Record { key: key.clone(), version: self.version, data: self.data?, updated_at: self.at })
    }
}
