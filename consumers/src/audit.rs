//! What people did by hand: who, when, what, and why. It can only be added to, and each entry carries the digest of the one
//! before it, so whatever is changed or taken away in the middle shows.

use std::fmt;

use sendoff_events::{BoxFuture, EventId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Something that a person did, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditNote {
    /// Who, as they said themselves.
    pub who: String,
    /// What: `doubt-sent`, `replay`, `purge`, …
    pub action: String,
    /// The event that it was about, if it was one.
    pub event: Option<EventId>,
    /// What it was done to: a delivery id, a queue, a plan.
    pub target: String,
    /// Why, in their words.
    pub because: String,
}

/// The digest of an entry: SHA-256 over the digest before it and over all that it says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuditDigest(pub [u8; 32]);

impl AuditDigest {
    /// What stands before the first entry.
    pub const NONE: Self = Self([0; 32]);
}

/// 64 hexadecimal digits.
impl fmt::Display for AuditDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AuditDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for AuditDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is no digest: it has 64 hexadecimal digits", text.escape_debug());
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for AuditDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Something that a person did, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place, from 1, without gaps.
    pub seq: u64,
    /// When, to the millisecond.
    pub at: Timestamp,
    /// What was done.
    pub note: AuditNote,
    /// The digest of the entry before it.
    pub previous: AuditDigest,
    /// Its own; [`AuditDigest::NONE`] where one has to stand and none does.
    pub digest: AuditDigest,
    /// Whether it was written with its digests. `false` for what was written before there were any: they are computed when it is read.
    pub is_sealed: bool,
}

impl AuditEntry {
    /// The entry that follows on one with the digest `previous` at the place before `seq`.
    #[must_use]
    pub fn after(previous: AuditDigest, seq: u64, at: Timestamp, note: AuditNote) -> Self {
        let digest = digest(previous, seq, at, &note);
        Self { seq, at, note, previous, digest, is_sealed: true }
    }

    /// The entry as it is shown and exported.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let AuditNote { who, action, event, target, because } = &self.note;
        json!({
            "seq": self.seq, "at": self.at, "by": who, "action": action, "event": event, "target": target,
            "because": because, "previous": self.previous, "digest": self.digest,
        })
    }
}

fn digest(previous: AuditDigest, seq: u64, at: Timestamp, note: &AuditNote) -> AuditDigest {
    let AuditNote { who, action, event, target, because } = note;
    let event = event.map(|event| event.to_string()).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(previous.0);
    hash.update(seq.to_be_bytes());
    hash.update(at.as_millisecond().to_be_bytes());
    // Each with its length before it, so that no text can move from one field into the next.
    for text in [who, action, &event, target, because] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    AuditDigest(hash.finalize().into())
}

/// The chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit is broken at entry {seq}: {why}")]
pub struct BrokenAudit {
    /// The first place that doesn't fit.
    pub seq: u64,
    /// What is wrong there.
    pub why: &'static str,
}

/// Checks that each of these entries, which stand in their order, follows on the one before it; the first on `before`, the digest
/// of what stood before the place `first`.
///
/// # Errors
///
/// [`BrokenAudit`] with the first that doesn't.
pub fn check_chain(before: AuditDigest, first: u64, entries: &[AuditEntry]) -> Result<(), BrokenAudit> {
    let (mut previous, mut place) = (before, first);
    for entry in entries {
        let broken = |why| Err(BrokenAudit { seq: place, why });
        if entry.seq != place {
            return broken("an entry is missing");
        }
        if entry.digest == AuditDigest::NONE {
            return broken("it has no digest, though one before it has: it wasn't written by sendoff");
        }
        if entry.previous != previous {
            return broken("it doesn't follow on the entry before it");
        }
        if entry.digest != digest(previous, entry.seq, entry.at, &entry.note) {
            return broken("it was changed after it was written");
        }
        (previous, place) = (entry.digest, place + 1);
    }
    Ok(())
}

/// The audit could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// It can't be reached, or didn't answer: whether the entry was added is unknown.
    #[error("the audit can't be reached: {0}")]
    Unavailable(String),
    /// What stands there is no audit of ours.
    #[error("the audit is damaged: {0}")]
    Damaged(String),
}

/// Where it is written down.
pub trait Audit: Send + Sync {
    /// Adds an entry behind the last one, as of now, whoever else adds one at the same time.
    fn append<'a>(&'a self, note: &'a AuditNote) -> BoxFuture<'a, Result<AuditEntry, AuditError>>;

    /// The entries after the place `after` (0: from the first), in their order, at most `max`.
    fn entries(&self, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, AuditError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(who: &str, action: &str) -> AuditNote {
        let (who, action) = (who.to_owned(), action.to_owned());
        AuditNote { who, action, event: None, target: "email-dlq".into(), because: "the template is mended".into() }
    }

    fn chain(count: u64) -> Vec<AuditEntry> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for seq in 1..=count {
            let previous = entries.last().map_or(AuditDigest::NONE, |entry| entry.digest);
            let at = Timestamp::from_second(seq as i64).unwrap();
            entries.push(AuditEntry::after(previous, seq, at, note("grace", &format!("replay {seq}"))));
        }
        entries
    }

    #[test]
    fn a_chain_that_nobody_touched_is_whole_from_any_place_on() {
        let entries = chain(5);
        assert_eq!(check_chain(AuditDigest::NONE, 1, &entries), Ok(()));
        assert_eq!(check_chain(entries[1].digest, 3, &entries[2..]), Ok(()));
    }

    #[test]
    fn whatever_is_changed_taken_away_or_moved_shows() {
        let broken_at = |entries: &[AuditEntry]| check_chain(AuditDigest::NONE, 1, entries).unwrap_err().seq;
        let mut changed = chain(5);
        changed[2].note.because = "no reason".into();
        assert_eq!(broken_at(&changed), 3);
        let mut forged = chain(5);
        let (previous, at) = (forged[2].previous, forged[2].at);
        forged[2] = AuditEntry::after(previous, 3, at, note("mallory", "purge"));
        assert_eq!(broken_at(&forged), 4, "its successor knows the old one");
        let mut missing = chain(5);
        missing.remove(1);
        assert_eq!(broken_at(&missing), 2);
        let mut moved = chain(5);
        moved.swap(1, 2);
        assert_eq!(broken_at(&moved), 2);
        let mut bare = chain(5);
        bare[3].digest = AuditDigest::NONE;
        let broken = check_chain(AuditDigest::NONE, 1, &bare).unwrap_err();
        assert!(broken.seq == 4 && broken.why.contains("no digest"), "{broken}");
    }

    #[test]
    fn no_text_can_move_from_one_field_into_the_next() {
        let at = Timestamp::UNIX_EPOCH;
        let one = AuditEntry::after(AuditDigest::NONE, 1, at, note("ab", "c"));
        let other = AuditEntry::after(AuditDigest::NONE, 1, at, note("a", "bc"));
        assert_ne!(one.digest, other.digest);
    }

    #[test]
    fn a_digest_reads_back_from_its_text() {
        let digest = chain(1)[0].digest;
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in ["", "abc", &"g".repeat(64), &"ü".repeat(32)] {
            assert!(wrong.parse::<AuditDigest>().is_err(), "{wrong}");
        }
    }
}
