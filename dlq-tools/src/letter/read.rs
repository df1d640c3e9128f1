//! A whole letter: what is known of it, with the body that a claim check points to.

use std::borrow::Cow;

use bytes::Bytes;
use sendoff_consumers::{DeadLetter, DeadLetterQueue, IdempotencyKey};
use sendoff_events::{BlobError, Blobs, DecodeError, EventId, MAX_BODY_BYTES, Pointer};

use super::{
    Facts, Letter, Original,
    decode::{self, Opened, unreadable},
    original::{Known, bring_back},
};

/// Decodes a letter, and fetches its body when that stands elsewhere: only from the bucket of `blobs`, and only if it isn't too
/// large. What can't be fetched is said in [`Facts::unreadable`]. What its consumer has recorded isn't joined yet.
pub async fn read(message: DeadLetter, queue: &DeadLetterQueue, blobs: &dyn Blobs) -> Letter {
    let (facts, payload) = look(&message, queue, blobs).await;
    Letter { message, facts, payload, ledger: None, edit: None }
}

/// What [`read`] finds, of a letter that stays where it is: its facts, and its body where that isn't the message's.
pub async fn look(message: &DeadLetter, queue: &DeadLetterQueue, blobs: &dyn Blobs) -> (Facts, Option<Bytes>) {
    let (opened, payload) = whole(message, queue, blobs).await;
    (decode::facts(message, queue, opened), payload)
}

/// The message that a letter was made of, as [`original`](super::original) of what [`look`] finds: without the facts that only
/// a person or a plan needs.
///
/// # Errors
///
/// Why it can't be sent again, and what can be done instead.
pub async fn restore(message: &DeadLetter, queue: &DeadLetterQueue, blobs: &dyn Blobs) -> Result<Original, String> {
    let (Opened { shape, own, event, claim_check, .. }, payload) = whole(message, queue, blobs).await;
    let known = Known {
        shape,
        is_event: event.is_ok(),
        unreadable: event.as_ref().err().map(|why| &**why),
        claim_check: claim_check.as_deref(),
    };
    bring_back(message, known, payload.as_ref(), own.and_then(|own| own.attributes))
}

/// A letter that was looked into, with the body that isn't the message's.
async fn whole<'a>(message: &'a DeadLetter, queue: &DeadLetterQueue, blobs: &dyn Blobs) -> (Opened<'a>, Option<Bytes>) {
    let opened = decode::open(message, queue);
    let wrapped = !opened.inside.wrappers.is_empty();
    let inner = opened.inside.body.as_deref();
    let mut payload = inner.filter(|_| wrapped).map(Bytes::copy_from_slice);
    let (opened, fetched) = fetched(opened, blobs).await;
    payload = fetched.or(payload);
    (opened, payload)
}

/// The key of what the consumer has recorded of a letter; `None` when it has no event, or nobody knows whose it is.
#[must_use]
pub fn ledger_key(facts: &Facts) -> Option<IdempotencyKey> {
    let event: EventId = facts.event.as_ref()?.id;
    Some(IdempotencyKey::new(facts.consumer.as_deref()?, event))
}

/// Follows the claim check, and one more: a body that was put aside may have been a claim check itself.
async fn fetched<'a>(mut opened: Opened<'a>, blobs: &dyn Blobs) -> (Opened<'a>, Option<Bytes>) {
    if opened.claim_check.is_none() {
        return (opened, None);
    }
    let mut body = opened.inside.body.as_deref().map(Bytes::copy_from_slice).unwrap_or_default();
    let mut is_fetched = false;
    for _ in 0..2 {
        match follow(&body, blobs).await {
            Ok(Some(next)) => (body, is_fetched) = (next, true),
            Ok(None) => break,
            Err(why) => {
                opened.event = Err(Cow::Borrowed(why));
                return (opened, is_fetched.then_some(body));
            }
        }
    }
    opened.event = decode::event_of(&body);
    (opened, is_fetched.then_some(body))
}

async fn follow(body: &[u8], blobs: &dyn Blobs) -> Result<Option<Bytes>, &'static str> {
    let pointer = Pointer::parse(body, &[blobs.bucket()]).map_err(|_| unreadable::BAD_POINTER)?;
    let Some(pointer) = pointer else { return Ok(None) };
    match blobs.get(&pointer.key, MAX_BODY_BYTES as u64).await {
        Ok(body) => Ok(Some(body)),
        Err(BlobError::Missing(_)) => Err(unreadable::BLOB_MISSING),
        Err(BlobError::TooLarge { .. }) => Err(DecodeError::TooLarge { bytes: 0 }.reason()),
        Err(BlobError::Unavailable(_)) => Err(unreadable::BLOB_UNAVAILABLE),
    }
}
