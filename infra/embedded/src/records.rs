//! State, committed in one transaction with the events that tell of it.

use std::sync::Arc;

use rusqlite::{Connection, Params, params, types::Value};
use sendoff_events::{BoxFuture, TenantId};
use sendoff_producers::{
    Answer, CommitError, Committed, Expected, Lookup, Page, ReadError, Record, RecordKey, Records, RequestKey,
    UnitOfWork, Write,
};

use crate::{
    blobs::FolderBlobs,
    db::{
        Db, StoreError, Tx,
        columns::{count, from_json, int, json, millis, moment},
        statements::{Run as _, statements},
    },
    topics::{self, Prepared},
};

statements! {
    GET = "SELECT version, data, updated_at FROM records WHERE tenant = ?1 AND collection = ?2 AND id = ?3";
    LIST = "SELECT id, version, data, updated_at FROM records
        WHERE tenant = ?1 AND collection = ?2 AND id >= ?3 AND id < ?4 AND data IS NOT NULL
        ORDER BY id LIMIT ?5";
    PUT = "INSERT INTO records (tenant, collection, id, version, data, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (tenant, collection, id)
        DO UPDATE SET version = excluded.version, data = excluded.data, updated_at = excluded.updated_at";
    CHANGE = "INSERT INTO changes (tenant, collection, id, version, actor, at, old, new)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    ANSWER = "SELECT fingerprint, answer FROM requests WHERE tenant = ?1 AND key = ?2";
    REMEMBER = "INSERT INTO requests (tenant, key, fingerprint, answer, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
}

/// [`Records`] over the data file. A commit writes state, changes, events, the messages of every subscribed queue and the
/// request key, all or nothing.
pub(crate) struct SqliteRecords {
    pub(crate) db: Arc<Db>,
    pub(crate) blobs: Arc<FolderBlobs>,
    pub(crate) max_body: usize,
}

impl Lookup for SqliteRecords {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        let asked = key.clone();
        let found = self.db.read(move |db| {
            let place = params![asked.tenant.as_str(), asked.collection, asked.id];
            db.one(GET, place, |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?)))
        });
        Box::pin(async move {
            match found.await.map_err(unreadable)? {
                Some((version, Some(data), at)) => record(key.clone(), version, &data, at).map(Some),
                Some((_, None, _)) | None => Ok(None),
            }
        })
    }
}

impl Records for SqliteRecords {
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        let limit = limit.clamp(1, 1000);
        let (owner, kind) = (tenant.as_str().to_owned(), collection.to_owned());
        let first = after.map_or_else(String::new, next_after).max(prefix.to_owned());
        let end = end_of(prefix);
        let rows = self.db.read(move |db| {
            // One more than asked for tells whether there is a next page.
            let range = params![owner, kind, first, end, int(limit as u64) + 1];
            listed(db, range, limit)
        });
        Box::pin(async move {
            let (rows, more) = rows.await.map_err(unreadable)?;
            let next = if more { rows.last().map(|row| row.id.clone()) } else { None };
            let place = |id| RecordKey::new(tenant, collection.to_owned(), id);
            let records = rows.into_iter().map(|row| record(place(row.id), row.version, &row.data, row.updated_at));
            Ok(Page { records: records.collect::<Result<_, _>>()?, next })
        })
    }

    fn answered<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a str,
        fingerprint: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>> {
        let (owner, name, asked) = (tenant.as_str().to_owned(), key.to_owned(), *fingerprint);
        let stored = self.db.read(move |db| answer(db, &owner, &name, &asked));
        Box::pin(async move {
            match stored.await.map_err(uncommitted)? {
                Stored::No => Ok(None),
                Stored::Same(answer) => Ok(Some(answer)),
                Stored::Other => Err(CommitError::RequestMismatch { key: key.to_owned() }),
            }
        })
    }

    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>> {
        Box::pin(async move {
            work.validate()?;
            if let Some(write) =
                work.writes.iter().find(|w| w.data.as_ref().is_some_and(|data| is_deeper(data, DEEPEST)))
            {
                let why = format!("{} is nested deeper than {DEEPEST} levels", write.key);
                return Err(CommitError::Invalid(why));
            }
            let mut events = Vec::with_capacity(work.events.len());
            for event in &work.events {
                let prepared = Prepared::new(event, &self.blobs, self.max_body).await;
                events.push(prepared.map_err(|e| CommitError::NotCommitted(e.to_string()))?);
            }
            self.db.write_isolated(move |tx| commit(tx, &work, &events)).await.map_err(uncommitted)?
        })
    }
}

/// How deep a record may be nested: as deep as `serde_json` reads. What it can't read back would stand in the way of all
/// changes after it.
const DEEPEST: usize = 127;

fn is_deeper(data: &serde_json::Value, levels: usize) -> bool {
    let Some(left) = levels.checked_sub(1) else { return data.is_array() || data.is_object() };
    match data {
        serde_json::Value::Array(items) => items.iter().any(|item| is_deeper(item, left)),
        serde_json::Value::Object(fields) => fields.values().any(|field| is_deeper(field, left)),
        _ => false,
    }
}

/// A record of a listing.
struct Listed {
    id: String,
    version: i64,
    data: String,
    updated_at: i64,
}

/// The records of a page, and whether there are more. Large ones end it early.
fn listed(db: &Connection, range: impl Params, limit: usize) -> rusqlite::Result<(Vec<Listed>, bool)> {
    let mut statement = db.prepare_cached(LIST)?;
    let mut found = statement.query(range)?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        bytes += row.get_ref(2)?.as_bytes()?.len();
        if rows.len() == limit || (bytes > Page::BYTES && !rows.is_empty()) {
            return Ok((rows, true));
        }
        rows.push(Listed { id: row.get(0)?, version: row.get(1)?, data: row.get(2)?, updated_at: row.get(3)? });
    }
    Ok((rows, false))
}

/// The first text after `id`.
fn next_after(id: &str) -> String {
    format!("{id}\0")
}

/// What comes after all texts that start with `prefix`: the next text that doesn't.
fn end_of(prefix: &str) -> Value {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Value::Text(end.into_iter().collect());
        }
    }
    // There is no such text. SQLite sorts every text before every blob.
    Value::Blob(Vec::new())
}

fn record(key: RecordKey, version: i64, data: &str, updated_at: i64) -> Result<Record, ReadError> {
    let data = serde_json::from_str(data)
        .map_err(|e| ReadError::Damaged { key: key.to_string(), why: format!("it isn't JSON: {e}") })?;
    Ok(Record { key, version: count(version), data, updated_at: moment(updated_at) })
}

fn unreadable(error: StoreError) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

fn uncommitted(error: StoreError) -> CommitError {
    match error {
        StoreError::Full { .. } | StoreError::ReadOnly => CommitError::NotCommitted(error.to_string()),
        _ => CommitError::Unavailable(error.to_string()),
    }
}

enum Stored {
    No,
    Same(Answer),
    Other,
}

fn answer(db: &Connection, tenant: &str, key: &str, fingerprint: &[u8; 32]) -> rusqlite::Result<Stored> {
    let stored = db.one(ANSWER, params![tenant, key], |row| {
        if row.get_ref(0)?.as_blob()? != fingerprint {
            return Ok(Stored::Other);
        }
        Ok(Stored::Same(from_json(1, row.get_ref(1)?.as_str()?)?))
    })?;
    Ok(stored.unwrap_or(Stored::No))
}

/// A record as it stands before the commit.
struct Before {
    /// Its version, that of a deleted record included; 0 when there never was one.
    version: u64,
    data: Option<String>,
}

fn commit(tx: &Tx<'_>, work: &UnitOfWork, events: &[Prepared]) -> rusqlite::Result<Result<Committed, CommitError>> {
    if let Some(RequestKey { key, fingerprint, .. }) = &work.request {
        match answer(tx, work.tenant.as_str(), key, fingerprint)? {
            Stored::No => {}
            Stored::Same(answer) => return Ok(Ok(Committed::Repeated { answer })),
            Stored::Other => return Ok(Err(CommitError::RequestMismatch { key: key.clone() })),
        }
    }
    let mut before = Vec::with_capacity(work.writes.len());
    for write in &work.writes {
        match check(tx, write)? {
            Ok(found) => before.push(found),
            Err(conflict) => return Ok(Err(conflict)),
        }
    }
    for (event, outgoing) in events.iter().zip(&work.events) {
        if event.clashes(tx)? {
            let why = format!("another event was published before under the id {}", outgoing.id());
            return Ok(Err(CommitError::Invalid(why)));
        }
    }
    // From here on only the disk can fail.
    let at = millis(work.at);
    let mut versions = Vec::with_capacity(before.len());
    let mut changes: Option<(i64, i64)> = None;
    for (write, before) in work.writes.iter().zip(&before) {
        if write.data.is_none() && before.data.is_none() {
            versions.push(before.version);
            continue;
        }
        let version = before.version + 1;
        let (key, number) = (&write.key, int(version));
        let (tenant, new) = (key.tenant.as_str(), write.data.as_ref().map(json).transpose()?);
        tx.run(PUT, params![tenant, key.collection, key.id, number, new, at])?;
        tx.run(CHANGE, params![tenant, key.collection, key.id, number, work.actor, at, before.data, new])?;
        let seq = tx.last_insert_rowid();
        changes = Some((changes.map_or(seq, |(first, _)| first), seq));
        versions.push(version);
    }
    if changes.is_some() {
        tx.wake_changes();
    }
    for event in events {
        topics::publish(tx, event, at, changes)?;
    }
    if let Some(RequestKey { key, fingerprint, answer }) = &work.request {
        let answer = json(answer)?;
        tx.run(REMEMBER, params![work.tenant.as_str(), key, fingerprint, answer, tx.now])?;
    }
    Ok(Ok(Committed::Applied { versions }))
}

fn check(tx: &Tx<'_>, write: &Write) -> rusqlite::Result<Result<Before, CommitError>> {
    let Write { key, expected, .. } = write;
    let stored = tx.one(GET, params![key.tenant.as_str(), key.collection, key.id], |row| {
        Ok(Before { version: count(row.get(0)?), data: row.get(1)? })
    })?;
    let before = stored.unwrap_or(Before { version: 0, data: None });
    let found = before.data.as_ref().map(|_| before.version);
    let fits = match expected {
        Expected::Any => true,
        Expected::Absent => found.is_none(),
        Expected::Version(version) => found == Some(*version),
    };
    if fits { Ok(Ok(before)) } else { Ok(Err(CommitError::Conflict { key: key.clone(), expected: *expected, found })) }
}
