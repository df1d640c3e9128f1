//! The large body of a letter: what its claim check points to.

use bytes::Bytes;
use sendoff_events::{AnyEnvelope, BlobKey, EXTENDED_SIZE_ATTRIBUTE, MAX_BODY_BYTES, Pointer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Letter, decode::unreadable, original::PUT_ASIDE, wrap::Inside};

impl Letter {
    /// Where its large body is to stand, whatever bucket that names; `None` when its body is the message's.
    #[must_use]
    pub fn points_to(&self) -> Option<Pointer> {
        any(Inside::of(&self.message.body).body.as_deref()?)
    }

    /// The claim check that the message itself is, with nothing around it.
    #[must_use]
    pub fn claim_check(&self) -> Option<Pointer> {
        any(&self.message.body)
    }

    /// Whether its large body isn't in the letter: nobody had fetched it, or nobody could.
    #[must_use]
    pub fn lacks_body(&self) -> bool {
        let why = self.facts.unreadable.as_deref();
        self.facts.claim_check.is_some() && self.facts.event.is_none() && why.is_some_and(unreadable::is_elsewhere)
    }

    /// Its large body, where that is what this key may hold: whoever wrote the letter down may have been anybody.
    #[must_use]
    pub fn large_body(&self, key: &BlobKey) -> Option<&Bytes> {
        let body = self.payload.as_ref().filter(|body| body.len() <= MAX_BODY_BYTES)?;
        let is_of_its_size = |size: &String| size.parse() == Ok(body.len());
        let is_its = match key.as_str().strip_prefix(PUT_ASIDE) {
            Some(hash) => hex::encode(Sha256::digest(body)) == hash,
            None => AnyEnvelope::decode(body).is_ok(),
        };
        (is_its && self.message.attributes.get(EXTENDED_SIZE_ATTRIBUTE).is_none_or(is_of_its_size)).then_some(body)
    }
}

/// A claim check to whatever bucket.
fn any(body: &[u8]) -> Option<Pointer> {
    let (_, location): (String, Value) = serde_json::from_slice(body).ok()?;
    Pointer::parse(body, &[location["s3BucketName"].as_str()?]).ok()?
}
