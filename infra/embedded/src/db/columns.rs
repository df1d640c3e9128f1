//! Between Rust's types and those of the columns.

use std::time::Duration;

use rusqlite::types::Type;
use sendoff_events::{EventId, TenantId, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

/// A moment as it stands in a column.
pub(crate) fn millis(moment: Timestamp) -> i64 {
    moment.as_millisecond()
}

/// The moment in a column. What is beyond the calendar is cut to its ends.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The moment `duration` after `now`, as far as the calendar reaches.
pub(crate) fn later(now: i64, duration: Duration) -> i64 {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    now.saturating_add(millis).min(Timestamp::MAX.as_millisecond())
}

/// A count as it stands in a column.
pub(crate) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The count in a column.
pub(crate) fn count(int: i64) -> u64 {
    u64::try_from(int).unwrap_or(0)
}

/// A small count in a column.
pub(crate) fn small(int: i64) -> u32 {
    u32::try_from(int).unwrap_or(if int < 0 { 0 } else { u32::MAX })
}

/// The event id in a column.
pub(crate) fn event_id(bytes: [u8; 16]) -> EventId {
    EventId::from_bytes(bytes)
}

/// A value as JSON text.
pub(crate) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// The value in a column of JSON text.
pub(crate) fn from_json<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|e| damaged(column, e))
}

/// The tenant in a column.
pub(crate) fn tenant(column: usize, text: String) -> rusqlite::Result<TenantId> {
    TenantId::stored(&text).map_err(|e| damaged(column, e))
}

/// The error of a column that holds what was never written there.
pub(crate) fn damaged(column: usize, why: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(why))
}
