//! Why a body was refused. Each refusal has a stable reason, which names its dead letters.

use crate::{EventType, MAX_BODY_BYTES, UpcastError};

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
    #[error("the data of `{event_type}` doesn't fit: {source}")]
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
