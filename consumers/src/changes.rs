//! The port to the stream of changed records, and reactions to it.

use std::{sync::Arc, time::Duration};

use sendoff_events::{BoxFuture, Clock, Rng, Timestamp};
use sendoff_producers::RecordKey;
use serde_json::{Value, json};

use crate::{Failure, HandlerError, Meter, Policy};

/// A place in the stream; later changes have greater ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub String);

/// A record was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its place in the stream.
    pub position: Position,
    /// Which record.
    pub key: RecordKey,
    /// The record's version after the write. With the key it identifies the change.
    pub version: u64,
    /// Who wrote it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// What it held before; `None` when it was created.
    pub old: Option<Value>,
    /// What it holds now; `None` when it was deleted.
    pub new: Option<Value>,
}

impl Change {
    /// The change as the body of a dead letter, with its images: what a person, or a replay, needs to know of it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { position, key, version, actor, at, old, new } = self;
        json!({
            "position": position.0,
            "tenant": key.tenant,
            "collection": key.collection,
            "id": key.id,
            "version": version,
            "actor": actor,
            "at": at,
            "old": old,
            "new": new,
        })
    }
}

/// The change stream can't be reached; trying again later may help.
#[derive(Debug, thiserror::Error)]
#[error("the change stream can't be reached: {0}")]
pub struct ChangesError(pub String);

/// The stream of changed records, at least once, in order for each record. Each reaction reads at its own pace.
pub trait Changes: Send + Sync {
    /// Up to `max` changes after the reaction's checkpoint; waits up to `wait` for the first one.
    fn read<'a>(
        &'a self,
        reaction: &'a str,
        max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<Change>, ChangesError>>;

    /// Keeps the changes up to `position` for whoever has read them, beside the reaction that deals with them and for as long as
    /// that takes. Ends only when somebody else reads for the reaction now, and is given those changes again. Where nobody else
    /// can, there is nothing to do.
    fn keep<'a>(&'a self, _reaction: &'a str, _position: &'a Position) -> BoxFuture<'a, ChangesError> {
        Box::pin(std::future::pending())
    }

    /// Remembers that the reaction has dealt with everything up to and including `position`. Never goes back.
    fn checkpoint<'a>(&'a self, reaction: &'a str, position: &'a Position) -> BoxFuture<'a, Result<(), ChangesError>>;

    /// Puts a change that the reaction can't deal with aside, with the failure, so that the stream goes on. It stands in the
    /// reaction's dead-letter queue.
    fn park<'a>(
        &'a self,
        reaction: &'a str,
        change: &'a Change,
        failure: &'a Failure,
    ) -> BoxFuture<'a, Result<(), ChangesError>>;
}

/// What a reaction may use.
#[derive(Clone)]
pub struct ReactionContext {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Where it is measured what becomes of changes, under the reaction's name.
    pub meter: Arc<dyn Meter>,
}

/// A handler of changes. It sees each change at least once, in order for each record, and must come to the same result
/// whatever is repeated and however the changes of different records interleave.
pub trait Reaction: Send + Sync {
    /// Its stable name: its checkpoint and its dead letters are kept under it.
    fn name(&self) -> &'static str;

    /// How it is run. Attempts are counted in memory: a restart begins anew.
    fn policy(&self) -> Policy {
        Policy::DEFAULT
    }

    /// Deals with one change.
    fn react<'a>(&'a self, change: &'a Change, cx: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>>;
}
