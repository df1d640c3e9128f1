//! The port for state: records with versions, committed together with the events that tell of them.

use std::{borrow::Cow, fmt};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_events::{BoxFuture, EventId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::UnitOfWork;

/// Where a record stands: tenant, collection, and an id of path segments (`{app}/{user}`), by whose prefix it is listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// Whose record it is. No query crosses tenants.
    pub tenant: TenantId,
    /// What kind of record: `users`, `apps`, `assignments`, `submissions`, …
    pub collection: Cow<'static, str>,
    /// Its id in the collection.
    pub id: String,
}

impl RecordKey {
    /// The key of `collection/id` of `tenant`.
    pub fn new(tenant: &TenantId, collection: impl Into<Cow<'static, str>>, id: impl Into<String>) -> Self {
        Self { tenant: tenant.clone(), collection: collection.into(), id: id.into() }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

/// A row of state.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it stands.
    pub key: RecordKey,
    /// 1 when created, one more at each write. A record that was deleted and created anew goes on counting.
    pub version: u64,
    /// What it holds.
    pub data: Value,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// What a write demands of the record as it stands; otherwise the whole unit of work is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is no such record.
    Absent,
    /// It stands at this version.
    Version(u64),
    /// Whatever stands there.
    Any,
}

/// One change of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Which record.
    pub key: RecordKey,
    /// What it must look like before.
    pub expected: Expected,
    /// What it holds afterwards; `None` deletes it.
    pub data: Option<Value>,
}

/// A request's key: sent by the caller (`Idempotency-Key`), so that a repeated request gets the first one's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's key. Unique within the tenant.
    pub key: String,
    /// A hash of what was asked: method, path and body. The same key with another fingerprint is a mistake of the caller.
    pub fingerprint: [u8; 32],
    /// What to answer, now and at each repetition: made before the commit, of what will be true after it.
    pub answer: Answer,
}

/// An HTTP answer as it is stored under a request key; a backend may keep it as one JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Location` header, if any.
    pub location: Option<String>,
    /// The `ETag` header, if any.
    pub etag: Option<String>,
    /// The `Sendoff-Event-Id` header: the events that the request caused.
    #[serde(default)]
    pub events: Vec<EventId>,
    /// The JSON body.
    pub body: String,
}

/// What became of a unit of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// It was committed just now. Gives the new version of each write, in order.
    Applied {
        /// The versions after the commit.
        versions: Vec<u64>,
    },
    /// The request key was committed before, with the same fingerprint. Nothing was written; this was the first answer.
    Repeated {
        /// The first answer.
        answer: Answer,
    },
}

/// A unit of work wasn't committed; after [`CommitError::Unavailable`] it may be all the same.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A record isn't at the version that was expected: somebody else wrote it first.
    #[error("{key} is at version {found:?}, expected {expected:?}: read it again and repeat")]
    Conflict {
        /// Which record.
        key: RecordKey,
        /// What the write demanded.
        expected: Expected,
        /// The version that stands there; `None` when there is no such record.
        found: Option<u64>,
    },
    /// The request key was used before for another request.
    #[error("request key `{key}` was used before for a different request")]
    RequestMismatch {
        /// The key.
        key: String,
    },
    /// The unit of work itself is wrong, as [`UnitOfWork::validate`] says, or no store can hold it. Repeating it changes nothing.
    #[error("the unit of work is not valid: {0}")]
    Invalid(String),
    /// The store has no room for it. Repeating it changes nothing.
    #[error("the unit of work is too large: {0}")]
    TooLarge(String),
    /// The store can't write at the moment, as on a full disk, and nothing was committed. Repeat it later.
    #[error("nothing was committed: {0}")]
    NotCommitted(String),
    /// The store can't be reached, or didn't answer: whether it was committed is unknown. Repeat it with the same
    /// request key and the same events.
    #[error("the records can't be reached: {0}")]
    Unavailable(String),
}

/// Records couldn't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store can't be reached; trying again later may help.
    #[error("the records can't be reached: {0}")]
    Unavailable(String),
    /// What is stored can't be understood.
    #[error("record {key} is damaged: {why}")]
    Damaged {
        /// Which record.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The records, ordered by id.
    pub records: Vec<Record>,
    /// Pass it as `after` to get what follows; `None` at the end.
    pub next: Option<String>,
}

impl Page {
    /// How many bytes of data make a page end early, with `next`: 2 MiB. It has one record at least, and may have somewhat more
    /// where a backend reads several at a time.
    pub const BYTES: usize = 2 << 20;
}

/// Reads one record. What is asked only through this port may be answered from a cache, and is then as old as that cache
/// allows: enough to know what an app is called, too little to decide what may be written. Handlers look up through it;
/// whoever commits on the strength of what they read asks [`Records`].
pub trait Lookup: Send + Sync {
    /// The record under `key`, or `None`.
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>>;
}

/// How many records are read at a time where each is read by itself.
const GETS: usize = 32;

/// State. Reads, [`Lookup::get`] of this port among them, see every commit that was answered before them: no cache stands
/// here.
pub trait Records: Lookup {
    /// The records under these keys, each in the place of its key; `None` where there is none. Backends that are paid by the call
    /// ask for many at once.
    fn get_all<'a>(&'a self, keys: &'a [RecordKey]) -> BoxFuture<'a, Result<Vec<Option<Record>>, ReadError>> {
        Box::pin(stream::iter(keys).map(|key| self.get(key)).buffered(GETS).try_collect())
    }

    /// The records of a collection whose id starts with `prefix`, in the order of ids, after `after`, at most `limit` (1–1000),
    /// and fewer when they are large ([`Page::BYTES`]): only a page without `next` is the last.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, ReadError>>;

    /// The stored answer to a request key, if it was committed: a cheap look before the work is done.
    ///
    /// Gives [`CommitError::RequestMismatch`] when the key was used with another fingerprint.
    fn answered<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a str,
        fingerprint: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>>;

    /// Writes, events and request key in one atomic step: after `Ok` all of it is durable, after an error other than
    /// [`CommitError::Unavailable`] nothing is.
    ///
    /// A repeated request key with the same fingerprint gives [`Committed::Repeated`] before any version is looked at.
    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>>;
}
