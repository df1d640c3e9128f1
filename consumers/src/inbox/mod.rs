//! The inbox: one record per idempotency key, which is also the ledger of what was tried and what became of it.

mod insist;
mod key;
mod reopen;
mod resolve;
#[cfg(test)]
mod resolve_tests;
pub mod transition;

use std::collections::BTreeMap;

pub(crate) use insist::insist;
pub use key::{IdempotencyKey, KeyError};
pub use reopen::{REOPENED, ReopenError, reopen};
pub use resolve::{Resolution, ResolveError, Resolved, resolve};
use sendoff_events::{BoxFuture, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Class, fingerprint, scrub};

/// A fresh number for each claim. A write with an older fence is refused, so a worker whose lease has lapsed can neither
/// complete nor release its successor's record. Below 2^63, so that every store takes it.
pub type Fence = u64;

/// The parts of a job that are done once each, by name: recipients, steps.
pub type Steps = BTreeMap<String, Step>;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Being worked on while the lease lasts; after that, free to be claimed again.
    Claimed,
    /// Done. It never runs again.
    Done,
    /// An effect may or may not have happened, and nothing more is done about it automatically. Never expires.
    InDoubt,
    /// Dead-lettered. Runs again only when replayed.
    Failed,
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where it stands.
    pub state: StepState,
    /// An attempt at it may have had its effect without our knowing. Sticky: a later definite failure doesn't clear it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
    /// When it came to this state; while it is doubted, when the first attempt began that may have had its effect.
    pub at: Timestamp,
    /// The provider that did it, or may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's name for what it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// A trace of the place it goes to, by which a later attempt sees that the place has changed. No address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// Why it was skipped, failed or is in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What came of it, for a step that is asked for something: at most [`Step::MAX_RESULT`] bytes of JSON. It is told again to
    /// whoever asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

impl Step {
    /// The most bytes of a result: with some more it still fits into an item of DynamoDB, and into what Step Functions lets a
    /// task hand over.
    pub const MAX_RESULT: usize = 64 * 1024;
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Nothing of it has happened; it will be tried again.
    Pending,
    /// Its effect has begun and its end isn't known yet. Found after a crash, it means in doubt.
    Sending,
    /// It happened.
    Done,
    /// It was decided not to do it, and why is known: opted out, no address.
    Skipped,
    /// It may or may not have happened.
    InDoubt,
    /// It didn't happen, and trying again is useless.
    Failed,
}

/// A past attempt that didn't succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// What kind of end it came to.
    pub class: Class,
    /// A stable word for why.
    pub reason: String,
    /// The same for equal errors.
    pub fingerprint: String,
    /// The error in words, without personal data.
    pub error: String,
}

/// The record under one idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRecord {
    /// Whose work on which event.
    pub key: IdempotencyKey,
    /// Where it stands.
    pub status: Status,
    /// The fence of the latest claim.
    pub fence: Fence,
    /// One more at each write. A write that arrives late, after newer ones of the same claim, changes nothing.
    pub revision: u64,
    /// Until when the latest claim lasts. Decides liveness only: safety comes from the fence.
    pub lease_until: Timestamp,
    /// Attempts that count against the policy, the running one included.
    pub attempts: u32,
    /// The replay count of the message that was claimed last.
    pub replay: u32,
    /// SHA-256 of the message body. The same key with another body is refused.
    pub payload_hash: [u8; 32],
    /// The steps that have begun.
    pub steps: Steps,
    /// The last attempts that failed, the newest last, at most [`InboxRecord::MAX_HISTORY`].
    pub history: Vec<Attempt>,
    /// When it was first claimed.
    pub first_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When it may be forgotten; `None` while it is open or in doubt.
    pub expires_at: Option<Timestamp>,
}

impl InboxRecord {
    /// How many failed attempts are remembered.
    pub const MAX_HISTORY: usize = 10;

    /// What stands in for a record that can't be read, since it was damaged: what was done by it isn't known, and its history says
    /// why. It has no step that could be settled, and the fence of no claim, so that nothing is written over what is there.
    #[must_use]
    pub fn unreadable(key: IdempotencyKey, why: &str, first_at: Timestamp, at: Timestamp) -> Self {
        let reason = "record-damaged".to_owned();
        let error = scrub(&format!("the inbox record `{key}` can't be read: {why}. Put it right in the table by hand"));
        let fingerprint = fingerprint(&reason, &error);
        Self {
            key,
            status: Status::InDoubt,
            fence: 0,
            revision: 0,
            lease_until: at,
            attempts: 1,
            replay: 0,
            payload_hash: [0; 32],
            steps: Steps::new(),
            history: vec![Attempt { at, class: Class::InDoubt, reason, fingerprint, error }],
            first_at,
            // There is no step to wait for news of.
            updated_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
        }
    }

    /// Whether any step may have had its effect without our knowing, and no success has settled it since.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        self.steps.values().any(|s| matches!(s.state, StepState::InDoubt | StepState::Sending))
    }

    /// How many attempts have ended in doubt since a person last settled one.
    pub(crate) fn unknowns(&self) -> u32 {
        let since = self.history.iter().rev().take_while(|attempt| attempt.class != Class::Resolved);
        since.fold(0, |unknown, attempt| unknown + u32::from(attempt.class == Class::InDoubt))
    }

    /// Adds a failed attempt, forgetting the oldest when there are too many, but what counts as unknown last. Being put
    /// off again for the same reason is remembered once.
    pub fn remember(&mut self, attempt: Attempt) {
        if attempt.class == Class::Deferred
            && self.history.last().is_some_and(|last| last.fingerprint == attempt.fingerprint)
        {
            self.history.pop();
        }
        if self.history.len() >= Self::MAX_HISTORY {
            let counts = |attempt: &Attempt| matches!(attempt.class, Class::InDoubt | Class::Resolved);
            let oldest = self.history.iter().position(|attempt| !counts(attempt)).unwrap_or_default();
            self.history.remove(oldest);
        }
        self.history.push(attempt);
    }
}

/// A request to work on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose work on which event.
    pub key: IdempotencyKey,
    /// A fresh number. A claim repeated with the same fence (because the answer was lost) is answered like the first.
    pub fence: Fence,
    /// SHA-256 of the message body.
    pub payload_hash: [u8; 32],
    /// The message's replay count.
    pub replay: u32,
    /// Now.
    pub now: Timestamp,
    /// Until when the claim is to last.
    pub lease_until: Timestamp,
    /// Also take a record that is in doubt: not to repeat what may have happened, but to find out whether it did.
    pub reconcile: bool,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is ours to run. The record holds what earlier attempts did.
    Won(InboxRecord),
    /// Somebody else is working on it.
    Busy {
        /// When their lease ends.
        until: Timestamp,
    },
    /// It has ended: done, in doubt or failed.
    Settled(InboxRecord),
    /// The key was used for another payload.
    Mismatch,
}

/// An inbox operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// The record carries another fence: our lease lapsed and somebody else took over, or resolved it. Stop.
    #[error("the claim was lost to a later one")]
    Lost,
    /// The inbox can't be reached, or didn't answer: whether it was written is unknown.
    #[error("the inbox can't be reached: {0}")]
    Unavailable(String),
}

/// The store of inbox records. Backends keep the rules of [`transition`]; every write is conditional on the fence.
pub trait Inbox: Send + Sync {
    /// Claims a key, by the rules of [`transition::claim`], atomically.
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>>;

    /// Replaces the record if the stored one carries the same fence, by the rules of [`transition::write`], atomically.
    /// Writing the same record twice is the same as once.
    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>>;

    /// The record under `key`, expired ones included while they are still there.
    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>>;
}
