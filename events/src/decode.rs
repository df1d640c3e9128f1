//! Reading what comes from outside: every byte is hostile, no input panics, and each refusal has a stable reason.
//!
//! Unknown attributes and fields are ignored. An attribute (or a field of the present version) that stands twice is
//! refused, because two readers could each believe another one; unknown ones may stand twice, nobody reads them.

use std::borrow::Cow;

use serde::{
    Deserialize,
    de::{Error as _, IgnoredAny},
};
use serde_json::value::RawValue;

use crate::{AnyEnvelope, DecodeError, Envelope, Event, EventId, EventType, Header, TenantId, Timestamp, TraceParent};

/// The largest body that is read: 1 MiB, the limit of an SQS message. Larger events travel as a claim check.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

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
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    data_base64: Option<IgnoredAny>,
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
        let wrong = |why: String| DecodeError::NotAnEnvelope { why };
        if !is_object(text) {
            let json = serde_json::from_str::<IgnoredAny>(text).map_err(DecodeError::NotJson);
            return json.and_then(|_| Err(wrong("it is not a JSON object".into())));
        }
        let wire: Wire<'a> = match serde_json::from_str(text) {
            Ok(wire) => wire,
            Err(e) if e.is_data() => return Err(wrong(concise(e).to_string())),
            Err(e) => return Err(DecodeError::NotJson(e)),
        };
        if wire.specversion != "1.0" {
            return Err(wrong(format!("specversion is `{}`, not `1.0`", short(&wire.specversion))));
        }
        let data = match (wire.data, wire.data_base64) {
            (Some(data), None) => data,
            (_, Some(_)) => return Err(wrong("data_base64 is not supported: events carry JSON in `data`".into())),
            (None, None) => return Err(wrong("missing field `data`".into())),
        };
        match wire.datacontenttype.as_deref() {
            None | Some("application/json") => {}
            Some(other) => return Err(wrong(format!("datacontenttype is `{}`, not `application/json`", short(other)))),
        }
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let sequence = match wire.sequence.as_deref().map(digits) {
            None => None,
            Some(Some(number)) => Some(number),
            Some(None) => return Err(wrong("sequence is not a decimal number of at most 64 bits".into())),
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
        header.check().map_err(wrong)?;
        Ok(Envelope { header, data })
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
        let bad = |source| DecodeError::BadData { event_type: event_type.clone(), source: concise(source) };
        if !is_object(self.data.get()) {
            return Err(bad(serde_json::Error::custom("it is not a JSON object")));
        }
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

/// Whether the JSON in `text` can only be an object. Asked before serde is, which would take an array for a struct too.
fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}

/// serde quotes the value it met, in full; a megabyte of it helps nobody.
fn concise(error: serde_json::Error) -> serde_json::Error {
    let text = error.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => serde_json::Error::custom(format_args!("{}… (cut)", &text[..end])),
        None => error,
    }
}

/// Hostile text cut for a message.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
