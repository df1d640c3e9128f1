//! Reading what comes from outside: every byte is hostile, no input panics, and each refusal has a stable reason.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{AnyEnvelope, Envelope, Event, EventId, EventType, Header, TenantId, Timestamp, TraceParent, UpcastError};

/// The largest body that is read: 1 MiB, the limit of an SQS message. Larger events travel as a claim check.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Why a body couldn't be read as the event that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is larger than [`MAX_BODY_BYTES`].
    #[error("the body has {bytes} bytes, more than the limit of {MAX_BODY_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It isn't UTF-8.
    #[error("the body is not UTF-8: byte {at} starts no valid character")]
    NotUtf8 {
        /// The offset of the first wrong byte.
        at: usize,
    },
    /// It isn't JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON, but not a CloudEvents 1.0 envelope as we use it.
    #[error("the body is not a CloudEvents 1.0 envelope: {why}")]
    NotAnEnvelope {
        /// Which attribute is missing or wrong.
        why: String,
    },
    /// Nobody here knows the event type.
    #[error("event type `{found}` is not known here")]
    UnknownType {
        /// The type in the envelope.
        found: EventType,
    },
    /// The event type is known, but this version is newer than this code.
    #[error("version {} of `{}` is newer than version {newest}, the newest known here: deploy the newer consumer first", found.version(), found.name())]
    UnknownVersion {
        /// The type in the envelope.
        found: EventType,
        /// The newest version known here.
        newest: u32,
    },
    /// The data doesn't fit the event's struct.
    #[error("the data of `{event_type}` doesn't fit: {source}")]
    BadData {
        /// The type in the envelope.
        event_type: EventType,
        /// What serde found.
        source: serde_json::Error,
    },
    /// The data of an old version couldn't be upcast.
    #[error("the data of `{event_type}` doesn't fit")]
    Upcast {
        /// The type in the envelope.
        event_type: EventType,
        /// What the upcaster found.
        source: UpcastError,
    },
}

impl DecodeError {
    /// The reason as a stable word, the same for every message that fails this way: it names dead letters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "body-too-large",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::NotJson(_) => "not-json",
            Self::NotAnEnvelope { .. } => "not-an-envelope",
            Self::UnknownType { .. } => "unknown-type",
            Self::UnknownVersion { .. } => "unknown-version",
            Self::BadData { .. } | Self::Upcast { .. } => "bad-data",
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: EventId,
    source: String,
    r#type: EventType,
    subject: String,
    time: Timestamp,
    #[serde(borrow, default)]
    datacontenttype: Option<Cow<'a, str>>,
    tenantid: TenantId,
    correlationid: String,
    #[serde(default)]
    causationid: Option<EventId>,
    #[serde(default)]
    traceparent: Option<TraceParent>,
    firstpublished: Timestamp,
    #[serde(borrow, default)]
    sequence: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'a> AnyEnvelope<'a> {
    /// Reads the context attributes of a body and leaves the data as a slice of it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: too large, not UTF-8, not JSON or not an envelope.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(DecodeError::TooLarge { bytes: body.len() });
        }
        let text = std::str::from_utf8(body).map_err(|e| DecodeError::NotUtf8 { at: e.valid_up_to() })?;
        let wire: Wire<'a> = serde_json::from_str(text).map_err(|e| {
            if e.is_data() { DecodeError::NotAnEnvelope { why: e.to_string() } } else { DecodeError::NotJson(e) }
        })?;
        let wrong = |why: String| Err(DecodeError::NotAnEnvelope { why });
        if wire.specversion != "1.0" {
            return wrong(format!("specversion is `{}`, not `1.0`", short(&wire.specversion)));
        }
        if wire.source.is_empty() || wire.subject.is_empty() {
            return wrong("source and subject must not be empty".into());
        }
        match wire.datacontenttype.as_deref() {
            None | Some("application/json") => {}
            Some(other) => return wrong(format!("datacontenttype is `{}`, not `application/json`", short(other))),
        }
        let sequence = match wire.sequence.as_deref().map(str::parse) {
            None => None,
            Some(Ok(number)) => Some(number),
            Some(Err(_)) => return wrong("sequence is not a decimal number".into()),
        };
        let header = Header {
            id: wire.id,
            source: wire.source,
            event_type: wire.r#type,
            subject: wire.subject,
            time: wire.time,
            tenant: wire.tenantid,
            correlation: wire.correlationid,
            causation: wire.causationid,
            traceparent: wire.traceparent,
            first_published: wire.firstpublished,
            sequence,
        };
        Ok(Envelope { header, data: wire.data })
    }

    /// Decodes the data as the event `E`, upcasting from older versions.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: another type, a version newer than `E`'s, or data that doesn't fit.
    pub fn into_event<E: Event>(self) -> Result<Envelope<E>, DecodeError> {
        let Header { event_type, .. } = &self.header;
        if event_type.name() != E::TYPE {
            return Err(DecodeError::UnknownType { found: event_type.clone() });
        }
        if event_type.version() > E::VERSION {
            return Err(DecodeError::UnknownVersion { found: event_type.clone(), newest: E::VERSION });
        }
        let bad = |source| DecodeError::BadData { event_type: event_type.clone(), source };
        let data = if event_type.version() == E::VERSION {
            serde_json::from_str(self.data.get()).map_err(bad)?
        } else {
            let mut old = serde_json::from_str(self.data.get()).map_err(bad)?;
            for from in event_type.version()..E::VERSION {
                old = E::upcast(from, old)
                    .map_err(|source| DecodeError::Upcast { event_type: event_type.clone(), source })?;
            }
            serde_json::from_value(old).map_err(bad)?
        };
        Ok(Envelope { header: self.header, data })
    }
}

/// Hostile text cut for a message.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
