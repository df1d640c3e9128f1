//! An encoded event on its way out.

use std::fmt;

use bytes::Bytes;

use crate::{AnyEnvelope, EventId, EventType, TenantId};

/// An event encoded once, with the few facts that brokers route by. The body is never re-encoded on its way.
///
/// [`Envelope::encode`](crate::Envelope::encode) makes it, of a typed event, so that the facts are those that stand in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub(crate) id: EventId,
    pub(crate) event_type: EventType,
    pub(crate) tenant: TenantId,
    pub(crate) subject: String,
    pub(crate) body: Bytes,
}

impl Outgoing {
    /// An event as a store gives it back, for backends: what stands there was made by an
    /// [`Envelope`](crate::Envelope::encode) before, or is damaged and told of by whoever reads it. A commit refuses it where
    /// [`check`](Self::check) does.
    #[must_use]
    pub fn stored(id: EventId, event_type: EventType, tenant: TenantId, subject: String, body: Bytes) -> Self {
        Self { id, event_type, tenant, subject, body }
    }

    /// The same event with another body: the one that a store had put aside, or one that a test of load has made larger. It is
    /// not looked at here, but by [`check`](Self::check).
    #[must_use]
    pub fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The event's type: message attribute `type`.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// Whose event it is: message attribute `tenant`, and the message group.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The envelope as JSON.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The envelope as JSON, without the rest.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// Whether its consumers will read in the body what brokers route it by.
    ///
    /// # Errors
    ///
    /// [`OutgoingError`] when the body is no envelope, or is that of another event, type, tenant or subject.
    pub fn check(&self) -> Result<(), OutgoingError> {
        let failed = |why: String| Err(OutgoingError { event: self.id, event_type: self.event_type.clone(), why });
        let header = match AnyEnvelope::decode(&self.body) {
            Ok(envelope) => envelope.header,
            Err(error) => return failed(format!("its body can't be read by any consumer: {error}")),
        };
        let differs = |name: &str, body: &dyn fmt::Display, own: &dyn fmt::Display| {
            failed(format!("its body has the {name} `{body}` and its attributes have `{own}`"))
        };
        match header {
            header if header.id != self.id => differs("id", &header.id, &self.id),
            header if header.event_type != self.event_type => differs("type", &header.event_type, &self.event_type),
            header if header.tenant != self.tenant => differs("tenant", &header.tenant, &self.tenant),
            header if header.subject != self.subject => differs("subject", &header.subject, &self.subject),
            _ => Ok(()),
        }
    }
}

/// An event whose body isn't what its attributes say.
#[derive(Debug, thiserror::Error)]
#[error("event {event} of type `{event_type}`: {why}; make it with `Envelope::encode`, which can't get that wrong")]
pub struct OutgoingError {
    /// The event's id, as its attributes have it.
    pub event: EventId,
    /// Its type, as its attributes have it.
    pub event_type: EventType,
    /// What is wrong.
    pub why: String,
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
