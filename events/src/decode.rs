//! Reading what comes from outside: every byte is hostile, no input panics, and each refusal has a stable reason.
//!
//! Unknown attributes and fields are ignored. An attribute (or a field of the present version) that stands twice is
//! refused, because two readers could each believe another one; unknown ones may stand twice, nobody reads them.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use serde::{
    Deserialize,
    de::{Error as _, IgnoredAny},
};
use serde_json::value::RawValue;

use crate::{AnyEnvelope, DecodeError, Envelope, Event, Header, MAX_HOPS};

/// The largest body that is read: 1 MiB, the limit of an SQS message. Larger events travel as a claim check.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Text that is borrowed from the body unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A number as JSON has it, or as the decimal text that bindings of CloudEvents to headers make of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count<'a> {
    Number(u64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Other(IgnoredAny),
}

impl Count<'_> {
    /// Loops are cut by this number, so that one which can't be understood isn't taken for none.
    fn hops(&self) -> Result<u32, DecodeError> {
        let number = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => decimal(text),
            Self::Other(_) => None,
        };
        let hops = number.and_then(|number| u32::try_from(number).ok()).filter(|hops| *hops <= MAX_HOPS);
        hops.ok_or_else(|| wrong(format!("hops is not a whole number from 0 to {MAX_HOPS}")))
    }
}

/// All attributes are text at first, so that a refusal can name the one that is wrong.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    specversion: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    source: String,
    #[serde(borrow)]
    r#type: Text<'a>,
    subject: String,
    #[serde(borrow)]
    time: Text<'a>,
    #[serde(borrow)]
    datacontenttype: Option<Text<'a>>,
    #[serde(borrow)]
    tenantid: Text<'a>,
    correlationid: String,
    #[serde(borrow)]
    causationid: Option<Text<'a>>,
    #[serde(borrow)]
    traceparent: Option<Text<'a>>,
    #[serde(borrow)]
    firstpublished: Text<'a>,
    #[serde(borrow)]
    sequence: Option<Text<'a>>,
    #[serde(borrow)]
    hops: Option<Count<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<IgnoredAny>,
}

impl Text<'_> {
    fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, DecodeError> {
        self.0.parse().map_err(|e: T::Err| wrong(format!("{name}: {}", cut(&e.to_string(), 200))))
    }

    fn must_be(&self, name: &str, value: &str) -> Result<(), DecodeError> {
        if self.0 == value { Ok(()) } else { Err(wrong(format!("{name} is `{}`, not `{value}`", cut(&self.0, 40)))) }
    }
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
        if !is_object(text) {
            let json = serde_json::from_str::<IgnoredAny>(text).map_err(DecodeError::NotJson);
            return json.and_then(|_| Err(wrong("it is not a JSON object".into())));
        }
        let wire: Wire<'a> = match serde_json::from_str(text) {
            Ok(wire) => wire,
            Err(e) if e.is_data() => return Err(wrong(concise(e).to_string())),
            Err(e) => return Err(DecodeError::NotJson(e)),
        };
        wire.specversion.must_be("specversion", "1.0")?;
        wire.datacontenttype.map_or(Ok(()), |text| text.must_be("datacontenttype", "application/json"))?;
        let data = match (wire.data, wire.data_base64) {
            (Some(data), None) => data,
            (_, Some(_)) => return Err(wrong("data_base64 is not supported: events carry JSON in `data`".into())),
            (None, None) => return Err(wrong("missing field `data`".into())),
        };
        let header = Header {
            id: wire.id.parse("id")?,
            source: wire.source,
            event_type: wire.r#type.parse("type")?,
            subject: wire.subject,
            time: wire.time.parse("time")?,
            tenant: wire.tenantid.parse("tenantid")?,
            correlation: wire.correlationid,
            causation: wire.causationid.map(|text| text.parse("causationid")).transpose()?,
            // W3C Trace Context: a malformed parent is ignored. It must not cost the event.
            traceparent: wire.traceparent.and_then(|text| text.0.parse().ok()),
            first_published: wire.firstpublished.parse("firstpublished")?,
            sequence: wire.sequence.map(|text| number(&text.0)).transpose()?,
            hops: wire.hops.map_or(Ok(0), |count| count.hops())?,
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

fn number(text: &str) -> Result<u64, DecodeError> {
    decimal(text).ok_or_else(|| wrong("sequence is not a decimal number of at most 64 bits".into()))
}

fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

const fn wrong(why: String) -> DecodeError {
    DecodeError::NotAnEnvelope { why }
}

/// serde quotes the value it met, in full; a megabyte of it helps nobody.
fn concise(error: serde_json::Error) -> serde_json::Error {
    let text = error.to_string();
    let short = cut(&text, 200);
    if short.len() == text.len() { error } else { serde_json::Error::custom(format_args!("{short}… (cut)")) }
}

/// The first `limit` characters of a text that may be hostile.
fn cut(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}
