//! The CloudEvents 1.0 envelope, JSON, structured mode:
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.

use bytes::Bytes;
use serde::{Serialize, ser::Error as _};
use serde_json::value::RawValue;

use crate::{
    Clock, EncodeError, Event, EventId, EventType, MAX_BODY_BYTES, Outgoing, Rng, TenantId, Timestamp, TraceParent,
    at_millis,
};

/// An event and its context. `T` is the event's struct, or raw JSON in an [`AnyEnvelope`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<T> {
    /// The context attributes.
    pub header: Header,
    /// The event itself.
    pub data: T,
}

/// An envelope whose event hasn't been decoded: the data is a slice of the message body, not a copy.
pub type AnyEnvelope<'a> = Envelope<&'a RawValue>;

/// The CloudEvents context attributes, and our extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The event's identity; with `source` it is unique.
    pub id: EventId,
    /// What published it, a URI reference: `/sendoff/api`.
    pub source: String,
    /// Its type and version.
    pub event_type: EventType,
    /// What it is about.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// Extension `tenantid`: whose event it is.
    pub tenant: TenantId,
    /// Extension `correlationid`: the event at the root of the chain, or the request; the same for all that follows from it.
    pub correlation: String,
    /// Extension `causationid`: the event that directly caused this one.
    pub causation: Option<EventId>,
    /// Extension `traceparent`: W3C Trace Context.
    pub traceparent: Option<TraceParent>,
    /// Extension `firstpublished`: when the event was first published. Never changes, also not on replay.
    pub first_published: Timestamp,
    /// Extension `sequence`: the event's number within its subject, from 1; zero-padded on the wire so that it sorts as text.
    pub sequence: Option<u64>,
    /// Extension `hops`: through how many runs of workflows the chain went to get here, so that workflows which start each other
    /// come to an end. 0 where a person or another system began it, and then it isn't written. At most [`MAX_HOPS`].
    pub hops: u32,
}

/// The largest number of hops that an envelope can carry: integers of CloudEvents have 32 bits and a sign
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system>).
pub const MAX_HOPS: u32 = i32::MAX as u32;

/// What the correlation id of an event of a load test begins with; the name of the test and a number follow. Whatever the event
/// causes inherits it, so no message of the whole chain goes to a real provider.
pub const LOAD_PREFIX: &str = "load/";

/// Where a new event comes from: what [`Envelope::new`] can't know by itself.
#[derive(Debug, Clone)]
pub struct Origin {
    /// What publishes it, a URI reference.
    pub source: String,
    /// Whose event it is.
    pub tenant: TenantId,
    /// The correlation id; without one the event's own id starts a chain.
    pub correlation: Option<String>,
    /// The event that caused it.
    pub causation: Option<EventId>,
    /// The trace it belongs to.
    pub traceparent: Option<TraceParent>,
    /// Through how many runs of workflows the chain went to get here: 0 where a person or another system began it.
    pub hops: u32,
}

impl<E: Event> Envelope<E> {
    /// A new event, timed by `clock`, with a fresh id.
    #[must_use]
    pub fn new(data: E, origin: Origin, sequence: Option<u64>, clock: &dyn Clock, rng: &dyn Rng) -> Self {
        let id = EventId::generate(clock, rng);
        let now = at_millis(clock.now());
        let header = Header {
            id,
            source: origin.source,
            event_type: EventType::of::<E>(),
            subject: data.subject(),
            time: now,
            tenant: origin.tenant,
            correlation: origin.correlation.unwrap_or_else(|| id.to_string()),
            causation: origin.causation,
            traceparent: origin.traceparent,
            first_published: now,
            sequence,
            hops: origin.hops,
        };
        Self { header, data }
    }

    /// The event encoded once: the body that topics, queues and consumers will see, byte for byte.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the event doesn't serialise (a map with keys that aren't text, say), or when no reader
    /// would accept it: data that is no JSON object (that of a struct without fields is `null`), a header text that is empty
    /// or has control characters, or more than [`MAX_BODY_BYTES`].
    pub fn encode(&self) -> Result<Outgoing, EncodeError> {
        let failed = |source| EncodeError { event_type: self.header.event_type.clone(), source };
        let refused = |why: String| failed(serde_json::Error::custom(why));
        self.header.check().map_err(refused)?;
        let body = escape_noncharacters(serde_json::to_vec(&Wire::of(self)).map_err(failed)?);
        // The data stands last, and only an object of its own ends with the envelope's so.
        if !body.ends_with(b"}}") {
            return Err(refused("its data is no JSON object: it needs a struct with named fields".into()));
        }
        if body.len() > MAX_BODY_BYTES {
            return Err(refused(format!("it has {} bytes, more than the limit of {MAX_BODY_BYTES}", body.len())));
        }
        Ok(Outgoing {
            id: self.header.id,
            event_type: self.header.event_type.clone(),
            tenant: self.header.tenant.clone(),
            subject: self.header.subject.clone(),
            body: Bytes::from(body),
        })
    }
}

/// The same JSON without U+FFFE and U+FFFF as they are: XML, and with it SNS and SQS, has no place for them, and a body that a
/// broker refuses would never leave the outbox.
fn escape_noncharacters(body: Vec<u8>) -> Vec<u8> {
    // What JSON allows outside of its texts is ASCII, so the bytes of such a character stand in a text.
    let is_one = |bytes: &[u8]| matches!(bytes, [0xef, 0xbf, 0xbe | 0xbf]);
    if !body.windows(3).any(is_one) {
        return body;
    }
    let mut escaped = Vec::with_capacity(body.len() + 12);
    let mut rest = &body[..];
    while let Some(at) = rest.windows(3).position(is_one) {
        escaped.extend_from_slice(&rest[..at]);
        escaped.extend_from_slice(if rest[at + 2] == 0xbe { b"\\ufffe" } else { b"\\uffff" });
        rest = &rest[at + 3..];
    }
    escaped.extend_from_slice(rest);
    escaped
}

impl Header {
    /// Whether the event belongs to a load test, or follows from one that does: its messages go nowhere.
    #[must_use]
    pub fn is_of_load_test(&self) -> bool {
        self.correlation.starts_with(LOAD_PREFIX)
    }

    /// The rules that both the writer and the reader hold: CloudEvents attributes have no control characters
    /// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system>), and ours aren't empty.
    pub(crate) fn check(&self) -> Result<(), String> {
        let texts = [("source", &self.source), ("subject", &self.subject), ("correlationid", &self.correlation)];
        for (name, text) in texts {
            if text.is_empty() {
                return Err(format!("{name} is empty"));
            }
            if text.chars().any(char::is_control) {
                return Err(format!("{name} has a control character"));
            }
        }
        if self.hops > MAX_HOPS {
            return Err(format!("hops is {}, more than the limit of {MAX_HOPS}", self.hops));
        }
        Ok(())
    }
}

/// The schema's address as it stands in `dataschema`.
pub(crate) fn data_schema(event_type: &EventType) -> String {
    format!("urn:sendoff:schema:{event_type}")
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct Wire<'a, T> {
    specversion: &'static str,
    id: EventId,
    source: &'a str,
    r#type: &'a EventType,
    subject: &'a str,
    time: Timestamp,
    datacontenttype: &'static str,
    dataschema: String,
    tenantid: &'a TenantId,
    correlationid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<TraceParent>,
    firstpublished: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    hops: u32,
    data: &'a T,
}

impl<'a, T> Wire<'a, T> {
    fn of(envelope: &'a Envelope<T>) -> Self {
        let header = &envelope.header;
        Self {
            specversion: "1.0",
            id: header.id,
            source: &header.source,
            r#type: &header.event_type,
            subject: &header.subject,
            time: header.time,
            datacontenttype: "application/json",
            dataschema: data_schema(&header.event_type),
            tenantid: &header.tenant,
            correlationid: &header.correlation,
            causationid: header.causation,
            traceparent: header.traceparent,
            firstpublished: header.first_published,
            sequence: header.sequence.map(|n| format!("{n:020}")),
            hops: header.hops,
            data: &envelope.data,
        }
    }
}
