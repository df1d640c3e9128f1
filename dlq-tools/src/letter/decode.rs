//! What is known of a letter from the letter alone.

use std::borrow::Cow;

use sendoff_consumers::{Attributes, DeadLetter, DeadLetterKind, DeadLetterQueue, REPLAY_ATTRIBUTE};
use sendoff_events::{AnyEnvelope, DecodeError, Header, Pointer};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    EventFacts, Facts, FailureFacts, Shape, failure,
    origin::{self, Own},
    wrap::{Inside, Wrapper},
};

/// Why there is no event, where that is no refusal of the decoder.
pub(super) mod unreadable {
    /// It is a change of a record.
    pub(crate) const CHANGE: &str = "change";
    /// It only says where records of a stream stand.
    pub(crate) const STREAM_POINTER: &str = "stream-pointer";
    /// Its body stands elsewhere, and nobody has fetched it yet.
    pub(crate) const NOT_FETCHED: &str = "not-fetched";
    /// Its body is to stand where nothing may be fetched from.
    pub(crate) const BAD_POINTER: &str = "bad-pointer";
    /// The body that stood elsewhere is gone.
    pub(crate) const BLOB_MISSING: &str = "blob-missing";
    /// The store of bodies did not answer.
    pub(crate) const BLOB_UNAVAILABLE: &str = "blob-unavailable";
    /// A record of Lambda without the event that it is about.
    pub(crate) const NO_PAYLOAD: &str = "no-payload";

    /// Whether it is because the body that stands elsewhere wasn't had.
    pub(crate) fn is_elsewhere(why: &str) -> bool {
        let is_too_large = || why == sendoff_events::DecodeError::TooLarge { bytes: 0 }.reason();
        matches!(why, NOT_FETCHED | BAD_POINTER | BLOB_MISSING | BLOB_UNAVAILABLE) || is_too_large()
    }
}

/// What a letter's body comes to.
pub(super) struct Opened<'a> {
    pub(super) shape: Shape,
    pub(super) own: Option<Own>,
    /// What is in the body; only looked into when the body itself is no envelope.
    pub(super) inside: Inside<'a>,
    pub(super) event: Result<EventFacts, Cow<'static, str>>,
    pub(super) claim_check: Option<String>,
}

/// Looks into a letter, whatever it holds. Never panics, fetches nothing, and knows nothing that the letter doesn't say.
///
/// The facts have no event where [`unreadable`](Facts::unreadable) says why: one of the stable words of
/// [`DecodeError::reason`], or `change`, `stream-pointer`, `no-payload`, `not-fetched` (a claim check, which [`read`](super::read)
/// follows), `bad-pointer`, `blob-missing`, `blob-unavailable`.
#[must_use]
pub fn decode(message: &DeadLetter, queue: &DeadLetterQueue) -> Facts {
    facts(message, queue, open(message, queue))
}

pub(super) fn facts(message: &DeadLetter, queue: &DeadLetterQueue, opened: Opened<'_>) -> Facts {
    let Opened { shape, own, inside, event, claim_check } = opened;
    let replay = origin::attribute(message, own.as_ref(), REPLAY_ATTRIBUTE);
    let replay = replay.or_else(|| inside.attributes.as_ref()?.get(REPLAY_ATTRIBUTE).map(String::as_str));
    let replays = replay.and_then(|count| count.parse().ok()).unwrap_or(0);
    let (event, unreadable) = match event {
        Ok(event) => (Some(event), None),
        Err(why) => (None, Some(why.into_owned())),
    };
    let (consumer, claims) = consumer(queue, own.as_ref());
    let sent_at = own.as_ref().and_then(|own| own.sent_at).or(inside.published_at);
    Facts {
        shape,
        consumer,
        claims,
        event,
        unreadable,
        failure: failed(message, shape, own, &inside),
        replays,
        claim_check,
        first_sent_at: sent_at.unwrap_or(message.enqueued_at),
    }
}

pub(super) fn open<'a>(message: &'a DeadLetter, queue: &DeadLetterQueue) -> Opened<'a> {
    let own = Own::of(message);
    // What its consumer can read is an event, whatever else it may look like.
    let mut event = event_of(&message.body);
    let is_reaction = matches!(queue.kind, DeadLetterKind::Reaction(_));
    if own.is_some() && (is_reaction || event.is_err() && is_change(&message.body)) {
        let event = Err(unreadable::CHANGE.into());
        let inside = Inside { body: Some(Cow::Borrowed(&message.body)), ..Inside::default() };
        return Opened { shape: Shape::Change, own, inside, event, claim_check: None };
    }
    let inside = match &event {
        Ok(_) => Inside { body: Some(Cow::Borrowed(&message.body)), ..Inside::default() },
        Err(_) => Inside::of(&message.body),
    };
    let mut claim_check = None;
    if event.is_err() {
        match &inside.body {
            None => event = Err(missing(&inside)),
            Some(body) => {
                claim_check = pointed_to(body);
                if claim_check.is_some() {
                    event = Err(unreadable::NOT_FETCHED.into());
                } else if !inside.wrappers.is_empty() {
                    event = event_of(body);
                }
            }
        }
    }
    Opened { shape: shape(message, queue, own.is_some(), &inside), own, inside, event, claim_check }
}

/// The event in these bytes, or the stable word for why there is none.
pub(super) fn event_of(body: &[u8]) -> Result<EventFacts, Cow<'static, str>> {
    let envelope = AnyEnvelope::decode(body).map_err(|error: DecodeError| Cow::Borrowed(error.reason()))?;
    Ok(envelope.header.into())
}

impl From<Header> for EventFacts {
    fn from(header: Header) -> Self {
        Self {
            id: header.id,
            r#type: header.event_type.to_string(),
            tenant: header.tenant.to_string(),
            subject: header.subject,
            time: header.time,
            correlation: header.correlation,
            causation: header.causation,
            first_published: header.first_published,
            sequence: header.sequence,
        }
    }
}

fn missing(inside: &Inside<'_>) -> Cow<'static, str> {
    match inside.wrappers.last() {
        Some(Wrapper::Stream(_)) => unreadable::STREAM_POINTER.into(),
        _ => unreadable::NO_PAYLOAD.into(),
    }
}

/// `bucket/key`, when the body is a claim check, wherever it points to.
fn pointed_to(body: &[u8]) -> Option<String> {
    // The list of buckets that may be followed is empty here: the refusal tells that it is a claim check at all.
    match Pointer::parse(body, &[]) {
        Ok(_) => None,
        Err(_) => {
            let (_, location): (String, serde_json::Value) = serde_json::from_slice(body).ok()?;
            let part = |name: &str| failure::plain(location[name].as_str().unwrap_or("?"));
            Some(format!("{}/{}", part("s3BucketName"), part("s3Key")))
        }
    }
}

/// Whether the body is what a reaction of ours puts aside.
fn is_change(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Change {
        #[serde(rename = "position")]
        _position: String,
        #[serde(rename = "collection")]
        _collection: String,
        #[serde(rename = "version")]
        _version: u64,
        specversion: Option<IgnoredAny>,
    }
    let is_likely = body.first() == Some(&b'{');
    is_likely && serde_json::from_slice::<Change>(body).is_ok_and(|change| change.specversion.is_none())
}

fn shape(message: &DeadLetter, queue: &DeadLetterQueue, is_own: bool, inside: &Inside<'_>) -> Shape {
    if is_own {
        return Shape::Own;
    }
    match inside.wrappers.first() {
        Some(Wrapper::Stream(_)) => return Shape::StreamPointer,
        Some(Wrapper::Destination(_)) => return Shape::LambdaDestination,
        _ => {}
    }
    if is_async(&message.attributes) {
        return Shape::LambdaAsync;
    }
    if message.source.is_some() {
        return Shape::Redriven;
    }
    match (inside.wrappers.first(), &queue.kind) {
        (Some(Wrapper::Notification), _) => Shape::Notification,
        (_, DeadLetterKind::Undelivered(_)) => Shape::Undelivered,
        _ => Shape::Unknown,
    }
}

/// The attributes that Lambda adds to an event that it gave up.
pub(super) const ASYNC_ATTRIBUTES: [&str; 3] = ["RequestID", "ErrorCode", "ErrorMessage"];

fn is_async(attributes: &Attributes) -> bool {
    attributes.contains_key("RequestID") && attributes.contains_key("ErrorCode")
}

fn failed(message: &DeadLetter, shape: Shape, own: Option<Own>, inside: &Inside<'_>) -> Option<FailureFacts> {
    if let Some(own) = own {
        return Some(own.failure.into());
    }
    if let Some(Wrapper::Destination(told) | Wrapper::Stream(told)) = inside.wrappers.first() {
        return Some(failure::of_destination(told));
    }
    match shape {
        Shape::LambdaAsync => {
            let [_, code, error] = ASYNC_ATTRIBUTES.map(|name| message.attributes.get(name).map(String::as_str));
            Some(failure::of_async(code, error.unwrap_or("Lambda gave no message")))
        }
        shape => failure::without_cause(shape, message),
    }
}

/// Whose letter it is, and whose it claims to be where that is another. The queue decides where it can: a letter that named another
/// consumer would be judged by what that one has recorded.
fn consumer(queue: &DeadLetterQueue, own: Option<&Own>) -> (Option<String>, Option<String>) {
    let told = own.map(|own| failure::plain(&own.failure.consumer)).filter(|told| !told.trim().is_empty());
    match &queue.kind {
        DeadLetterKind::Consumer(name) | DeadLetterKind::Undelivered(name) | DeadLetterKind::Quarantine(name) => {
            (Some(name.clone()), told.filter(|told| told != name))
        }
        DeadLetterKind::Reaction(name) => (told.or_else(|| Some(name.clone())), None),
        DeadLetterKind::Foreign => (told, None),
    }
}
