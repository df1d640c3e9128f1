//! An encoded event on its way out.

use bytes::Bytes;

use crate::{EventId, EventType, TenantId};

/// An event encoded once, with the few facts that brokers route by. The body is never re-encoded on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The event's id.
    pub id: EventId,
    /// The event's type: message attribute `type`.
    pub event_type: EventType,
    /// Whose event it is: message attribute `tenant`, and the message group.
    pub tenant: TenantId,
    /// What it is about.
    pub subject: String,
    /// The envelope as JSON.
    pub body: Bytes,
}

/// An event that can't be written, because it doesn't serialise or because no reader would accept it.
#[derive(Debug, thiserror::Error)]
#[error("event `{event_type}` can't be written: {source}")]
pub struct EncodeError {
    /// The event's type.
    pub event_type: EventType,
    /// What is wrong with it.
    pub source: serde_json::Error,
}
