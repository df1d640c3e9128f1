//! The inbox records. A fresh claim is one insert, a write is one update that asks for the fence.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use sendoff_consumers::{
    Claim, Claimed, DeliveryId, IdempotencyKey, Inbox, InboxError, InboxRecord, Status, action::is_call, transition,
};
use sendoff_events::{BoxFuture, EventId, Timestamp, at_millis};

use crate::db::{
    Db, StoreError, Tx,
    columns::{count, damaged, event_id, from_json, int, json, millis, moment, small},
    statements::{Run as _, statements},
};

macro_rules! columns {
    () => {
        "event, consumer, fence, revision, status, lease_until, attempts, replay, payload_hash, steps, history, \
         first_at, updated_at, expires_at"
    };
}

macro_rules! set {
    () => {
        "UPDATE inbox SET fence = ?3, revision = ?4, status = ?5, lease_until = ?6, attempts = ?7, replay = ?8, \
         payload_hash = ?9, steps = ?10, history = ?11, first_at = ?12, updated_at = ?13, expires_at = ?14 \
         WHERE event = ?1 AND consumer = ?2"
    };
}

statements! {
    INSERT = concat!(
        "INSERT INTO inbox (", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ",
        "ON CONFLICT (event, consumer) DO NOTHING"
    );
    REPLACE = set!();
    WRITE = concat!(set!(), " AND fence = ?3 AND revision < ?4");
    FENCE = "SELECT fence FROM inbox WHERE event = ?1 AND consumer = ?2";
    GET = concat!("SELECT ", columns!(), " FROM inbox WHERE event = ?1 AND consumer = ?2");
    IN_DOUBT = concat!("SELECT ", columns!(), " FROM inbox INDEXED BY inbox_in_doubt WHERE status = 2 AND updated_at > 0
        ORDER BY updated_at");
    IN_DOUBT_AND_OPEN = concat!("SELECT ", columns!(), r#" FROM inbox WHERE status = 0 AND instr(steps, '"in-doubt"') > 0
        AND (event, consumer) IN (SELECT e.id, coalesce(s.name, q.name) FROM queues q CROSS JOIN messages m ON m.queue = q.id
            CROSS JOIN events e ON e.seq = m.event LEFT JOIN queues s ON s.id = q.source)"#);
    IN_DOUBT_AND_UNCLAIMED = concat!("SELECT ", columns!(), r#" FROM inbox INDEXED BY inbox_in_doubt_and_open
        WHERE status = 0 AND instr(steps, '"in-doubt"') > 0 AND updated_at > 0 AND lease_until <= ?1 ORDER BY updated_at"#);
    END_CLAIM = "UPDATE inbox SET lease_until = ?3 WHERE event = ?1 AND consumer = ?2 AND status = 0 AND lease_until > ?3";
    DELETE = "DELETE FROM inbox WHERE event = ?1 AND consumer = ?2";
    OF_EVENT = concat!("SELECT ", columns!(), " FROM inbox WHERE event = ?1 ORDER BY consumer");
}

/// [`Inbox`] over the data file.
pub(crate) struct SqliteInbox {
    pub(crate) db: Arc<Db>,
}

impl Inbox for SqliteInbox {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        // Kept, and therefore also answered, in milliseconds.
        let claim = Claim { now: at_millis(claim.now), lease_until: at_millis(claim.lease_until), ..claim.clone() };
        Box::pin(async move {
            let event = event_of(&claim.key)?;
            self.db.write(move |tx| decide(tx, event, &claim)).await.map_err(unavailable)
        })
    }

    fn write<'a>(&'a self, record: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        let record = record.clone();
        Box::pin(async move {
            let event = event_of(&record.key)?;
            let written = self.db.write(move |tx| write(tx, event, &record)).await.map_err(unavailable)?;
            if written { Ok(()) } else { Err(InboxError::Lost) }
        })
    }

    fn get<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        let consumer = key.consumer().to_owned();
        Box::pin(async move {
            let event = event_of(key)?;
            self.db.read(move |db| db.one(GET, params![event, consumer], record)).await.map_err(unavailable)
        })
    }
}

/// What each consumer has made of the event.
pub(crate) async fn of_event(db: &Db, event: EventId) -> Result<Vec<InboxRecord>, StoreError> {
    db.read(move |db| db.all(OF_EVENT, [event.as_bytes()], record)).await
}

/// The record under `key`.
pub(crate) fn find(db: &Connection, key: &IdempotencyKey) -> rusqlite::Result<Option<InboxRecord>> {
    let Ok(event) = event_of(key) else { return Ok(None) };
    db.one(GET, params![event, key.consumer()], record)
}

/// Every record in doubt, the oldest first: those that wait for somebody, those whose message will be worked on again, and those of
/// calls, which have no message and may never be made again.
pub(crate) fn in_doubt(db: &Connection, now: i64) -> rusqlite::Result<Vec<InboxRecord>> {
    let mut records = db.all(IN_DOUBT, [], record)?;
    records.extend(db.all(IN_DOUBT_AND_OPEN, [], record)?);
    let unclaimed = db.all(IN_DOUBT_AND_UNCLAIMED, [now], record)?;
    records.extend(unclaimed.into_iter().filter(|record| is_call(&DeliveryId::new(record.key.clone(), ""))));
    records.sort_by_key(|record| record.updated_at);
    Ok(records)
}

/// Stores a record over the one that was read in the same transaction.
pub(crate) fn replace(tx: &Tx<'_>, record: &InboxRecord) -> rusqlite::Result<()> {
    let Ok(event) = event_of(&record.key) else { return Ok(()) };
    store(tx, REPLACE, event, record).map(drop)
}

/// Forgets the record under `key`. Gives how many there were.
pub(crate) fn delete(tx: &Tx<'_>, key: &IdempotencyKey) -> rusqlite::Result<usize> {
    let Ok(event) = event_of(key) else { return Ok(0) };
    tx.run(DELETE, params![event, key.consumer()])
}

/// Ends a claim whose holder has vanished. A record that is settled stays as it is.
pub(crate) fn end_claim(tx: &Tx<'_>, key: &IdempotencyKey) -> rusqlite::Result<()> {
    let Ok(event) = event_of(key) else { return Ok(()) };
    tx.run(END_CLAIM, params![event, key.consumer(), tx.now]).map(drop)
}

fn decide(tx: &Tx<'_>, event: [u8; 16], claim: &Claim) -> rusqlite::Result<Claimed> {
    // Most claims are the first of their key: try that before looking.
    let (answer, fresh) = transition::claim(None, claim);
    if let Some(fresh) = fresh
        && store(tx, INSERT, event, &fresh)? == 1
    {
        return Ok(answer);
    }
    let stored = match tx
        .one(GET, params![event, claim.key.consumer()], |row| Ok(whole(row).map_err(|e| unreadable(row, &e))))?
    {
        Some(Ok(stored)) => Some(stored),
        // Nobody goes on by what can't be read, not even a replay, or writes over it.
        Some(Err(stand_in)) => return Ok(Claimed::Settled(stand_in?)),
        None => None,
    };
    let (answer, changed) = transition::claim(stored, claim);
    if let Some(changed) = changed {
        store(tx, REPLACE, event, &changed)?;
    }
    Ok(answer)
}

/// Writes by the rules of [`transition::write`]. Gives whether the claim is still the one that the record was made under.
fn write(tx: &Tx<'_>, event: [u8; 16], record: &InboxRecord) -> rusqlite::Result<bool> {
    if store(tx, WRITE, event, record)? == 1 {
        return Ok(true);
    }
    // Nothing was changed: because a later write of the same claim came first, or because the claim was lost.
    let fence = tx.one(FENCE, params![event, record.key.consumer()], |row| row.get(0))?;
    Ok(fence == Some(int(record.fence)))
}

fn store(tx: &Tx<'_>, statement: &str, event: [u8; 16], record: &InboxRecord) -> rusqlite::Result<usize> {
    let steps = if record.steps.is_empty() { None } else { Some(json(&record.steps)?) };
    let history = if record.history.is_empty() { None } else { Some(json(&record.history)?) };
    tx.run(
        statement,
        params![
            event,
            record.key.consumer(),
            int(record.fence),
            int(record.revision),
            number(record.status),
            millis(record.lease_until),
            record.attempts,
            record.replay,
            record.payload_hash,
            steps,
            history,
            millis(record.first_at),
            millis(record.updated_at),
            record.expires_at.map(millis),
        ],
    )
}

/// The record in a row, or what stands in for it where it can't be read: one of them must not hide the others.
fn record(row: &Row<'_>) -> rusqlite::Result<InboxRecord> {
    whole(row).or_else(|error| unreadable(row, &error))
}

fn unreadable(row: &Row<'_>, error: &rusqlite::Error) -> rusqlite::Result<InboxRecord> {
    let key = key(row)?;
    tracing::error!(%key, %error, "a record of the inbox can't be read: until it is put right, its work counts as in doubt");
    let at = |column| row.get(column).map_or(Timestamp::UNIX_EPOCH, moment);
    Ok(InboxRecord::unreadable(key, &error.to_string(), at(11), at(12)))
}

fn key(row: &Row<'_>) -> rusqlite::Result<IdempotencyKey> {
    Ok(IdempotencyKey::new(row.get_ref(1)?.as_str()?, event_id(row.get(0)?)))
}

fn whole(row: &Row<'_>) -> rusqlite::Result<InboxRecord> {
    let optional = |column| row.get::<_, Option<String>>(column);
    let at = |column| row.get(column).map(moment);
    Ok(InboxRecord {
        key: key(row)?,
        fence: count(row.get(2)?),
        revision: count(row.get(3)?),
        status: status(row.get(4)?)?,
        lease_until: at(5)?,
        attempts: small(row.get(6)?),
        replay: small(row.get(7)?),
        payload_hash: row.get(8)?,
        steps: optional(9)?.map(|text| from_json(9, &text)).transpose()?.unwrap_or_default(),
        history: optional(10)?.map(|text| from_json(10, &text)).transpose()?.unwrap_or_default(),
        first_at: at(11)?,
        updated_at: at(12)?,
        expires_at: row.get::<_, Option<i64>>(13)?.map(moment),
    })
}

fn number(status: Status) -> i64 {
    match status {
        Status::Claimed => 0,
        Status::Done => 1,
        Status::InDoubt => 2,
        Status::Failed => 3,
    }
}

#[derive(Debug, thiserror::Error)]
#[error("there is no inbox status {0}")]
struct NoSuchStatus(i64);

/// The status that a number in the column means.
pub(crate) fn status(number: i64) -> rusqlite::Result<Status> {
    match number {
        0 => Ok(Status::Claimed),
        1 => Ok(Status::Done),
        2 => Ok(Status::InDoubt),
        3 => Ok(Status::Failed),
        other => Err(damaged(4, NoSuchStatus(other))),
    }
}

/// The event in a key. A key is made from one, so there always is.
fn event_of(key: &IdempotencyKey) -> Result<[u8; 16], InboxError> {
    let text = key.as_str().get(key.consumer().len() + 1..).unwrap_or_default();
    let event: EventId = text.parse().map_err(|e: sendoff_events::IdError| InboxError::Unavailable(e.to_string()))?;
    Ok(*event.as_bytes())
}

fn unavailable(error: StoreError) -> InboxError {
    InboxError::Unavailable(error.to_string())
}
