//! What is sent when a letter is replayed: the message as it was before anybody put it aside.

use std::collections::BTreeMap;

use bytes::Bytes;
use sendoff_consumers::{Attributes, DeadLetter, FAILURE_ATTRIBUTE};
use sendoff_events::{BlobKey, EXTENDED_SIZE_ATTRIBUTE};

use super::{
    Facts, Shape,
    decode::{ASYNC_ATTRIBUTES, unreadable},
    origin,
    wrap::Inside,
};

/// What the key of a body begins with that our queue put aside, because it had no place beside the failure.
pub(super) const PUT_ASIDE: &str = "dead-letters/";

/// A message as it first was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its body: the envelope, or the claim check that it travelled as. To an inbox both are the same.
    pub body: Bytes,
    /// Its attributes, with the replay count of earlier replays and the trace header, and without a failure.
    pub attributes: Attributes,
    /// The types of those that aren't texts.
    pub types: BTreeMap<String, String>,
    /// Its group.
    pub group: Option<String>,
}

impl Original {
    /// A letter as it stands, without its failure.
    #[must_use]
    pub fn as_it_stands(letter: DeadLetter) -> Self {
        let DeadLetter { body, mut attributes, mut types, group, .. } = letter;
        attributes.remove(FAILURE_ATTRIBUTE);
        types.remove(FAILURE_ATTRIBUTE);
        Self { body, attributes, types, group }
    }
}

/// What has to be known of a letter to bring it back.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) shape: Shape,
    /// Whether it carries an event that can be read.
    pub(super) is_event: bool,
    pub(super) unreadable: Option<&'a str>,
    pub(super) claim_check: Option<&'a str>,
}

/// The message that a letter was made of: out of what SNS or Lambda wrapped it into, without its failure, with the attributes that
/// had to make room for that, and with a body that had to make room, too. `payload` is the letter's
/// [`payload`](super::Letter::payload).
///
/// # Errors
///
/// Why it can't be sent again, and what can be done instead.
pub fn original(message: &DeadLetter, facts: &Facts, payload: Option<&Bytes>) -> Result<Original, String> {
    let known = Known {
        shape: facts.shape,
        is_event: facts.event.is_some(),
        unreadable: facts.unreadable.as_deref(),
        claim_check: facts.claim_check.as_deref(),
    };
    let folded = if facts.shape == Shape::Own { origin::folded(message) } else { None };
    bring_back(message, known, payload, folded)
}

/// The same, with the attributes that our failure tells.
pub(super) fn bring_back(
    message: &DeadLetter,
    known: Known<'_>,
    payload: Option<&Bytes>,
    folded: Option<Attributes>,
) -> Result<Original, String> {
    refuse(known)?;
    // The body is an envelope, if nothing else was needed to read it.
    let inside = if known.is_event && payload.is_none() {
        Inside { body: Some((&message.body[..]).into()), ..Inside::default() }
    } else {
        Inside::of(&message.body)
    };
    let is_wrapped = !inside.wrappers.is_empty();
    let Some(body) = inside.body else {
        return Err("it doesn't hold the message that it is about, so there is nothing to send".into());
    };
    let body = if is_wrapped { Bytes::from(body.into_owned()) } else { message.body.clone() };
    let (mut attributes, mut types) = match inside.attributes {
        Some(attributes) => (with_trace(attributes, message), inside.types),
        None => (message.attributes.clone(), message.types.clone()),
    };
    if matches!(known.shape, Shape::LambdaAsync | Shape::LambdaDestination) {
        for name in ASYNC_ATTRIBUTES {
            attributes.remove(name);
        }
    }
    let brought_back = put_aside(known, payload)?;
    if brought_back.is_some() {
        attributes.remove(EXTENDED_SIZE_ATTRIBUTE);
    }
    for (name, value) in folded.into_iter().flatten() {
        // The types of those weren't kept: our queue knows of one that is no text.
        if name == EXTENDED_SIZE_ATTRIBUTE {
            types.entry(name.clone()).or_insert_with(|| "Number".to_owned());
        }
        attributes.entry(name).or_insert(value);
    }
    attributes.remove(FAILURE_ATTRIBUTE);
    types.retain(|name, _| attributes.contains_key(name));
    Ok(Original { body: brought_back.unwrap_or(body), attributes, types, group: message.group.clone() })
}

fn refuse(known: Known<'_>) -> Result<(), String> {
    match known.shape {
        Shape::Change => {
            return Err(
                "it is a change of a record, which its reaction reads from the stream of changes: no queue takes it \
                        back. Write the record once more to have it seen again"
                    .into(),
            );
        }
        Shape::StreamPointer => {
            return Err(
                "it only says where records of a stream stand: `dlq hydrate` fetches them while they live".into()
            );
        }
        _ => {}
    }
    let place = known.claim_check.unwrap_or("elsewhere");
    match known.unreadable {
        Some(unreadable::BLOB_MISSING) => Err(format!(
            "its body at `{place}` is gone. Bring that back first, from a version of the bucket or a backup"
        )),
        Some(unreadable::BLOB_UNAVAILABLE | unreadable::NOT_FETCHED) => {
            Err(format!("its body at `{place}` wasn't fetched: take a new snapshot, with --fresh"))
        }
        Some(unreadable::BAD_POINTER) => {
            Err(format!("its body is to be at `{place}`, which isn't this deployment's: no consumer would fetch it"))
        }
        _ => Ok(()),
    }
}

/// The body that our queue put aside when it made the letter.
fn put_aside(known: Known<'_>, payload: Option<&Bytes>) -> Result<Option<Bytes>, String> {
    let key = known.claim_check.and_then(|place| place.split_once('/')).map(|(_, key)| key);
    let is_ours = known.shape == Shape::Own
        && key.is_some_and(|key| key.starts_with(PUT_ASIDE) && key.parse::<BlobKey>().is_ok());
    match payload {
        _ if !is_ours => Ok(None),
        Some(body) => Ok(Some(body.clone())),
        None => Err("its body was put aside and wasn't fetched: take a new snapshot, with --fresh".into()),
    }
}

/// The trace header stands outside of what SNS wraps a message into.
fn with_trace(mut attributes: Attributes, message: &DeadLetter) -> Attributes {
    if let Some(trace) = message.attributes.get(TRACE_HEADER) {
        attributes.entry(TRACE_HEADER.to_owned()).or_insert_with(|| trace.clone());
    }
    attributes
}

/// X-Ray's trace header.
const TRACE_HEADER: &str = "AWSTraceHeader";
