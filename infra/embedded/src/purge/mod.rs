//! Forgetting what nobody needs any more, in small steps, so that the work at hand never waits long for it.

mod history;

use std::{path::PathBuf, sync::Arc, time::Duration};

use rusqlite::{Connection, params};
use sendoff_events::{Pointer, Timestamp};

use crate::{
    blobs::FolderBlobs,
    db::{
        Db, StoreError, Tx,
        columns::{later, millis},
        folder::BLOBS,
        statements::{Run as _, statements},
    },
};

statements! {
    // Done or failed only: what is claimed or in doubt stays, whatever its date.
    INBOX = "DELETE FROM inbox WHERE (event, consumer) IN (SELECT event, consumer FROM inbox
        WHERE expires_at <= ?1 AND expires_at IS NOT NULL AND status IN (1, 3) LIMIT ?2)";
    // What an inbox record still remembers, it may still be asked about.
    DELIVERIES = "DELETE FROM deliveries WHERE (event, consumer, step) IN (SELECT d.event, d.consumer, d.step FROM deliveries d
        WHERE d.told_at < ?1 AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.event = d.event AND i.consumer = d.consumer)
        LIMIT ?2)";
    RUNS = "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE ended_at < ?1 AND ended_at IS NOT NULL LIMIT ?2)";
    REQUESTS = "DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE created_at < ?1 LIMIT ?2)";
    READ_BY_ALL = "SELECT min(seq) FROM cursors";
    LAST_OF_STEP = "SELECT max(seq) FROM (SELECT seq FROM changes WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)";
    CHANGES = "DELETE FROM changes WHERE seq > ?1 AND seq <= ?2 AND at < ?3";
    EVENTS = "SELECT seq, committed_at < ?2, EXISTS (SELECT 1 FROM messages WHERE event = events.seq),
            CASE WHEN payload_bytes IS NULL THEN NULL ELSE body END
        FROM events WHERE seq > ?1 AND published_at IS NOT NULL ORDER BY seq LIMIT ?3";
    DELETE_EVENT = "DELETE FROM events WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM messages WHERE event = ?1)";
}

/// Rows per step.
const STEP: i64 = 500;

#[cfg(test)]
pub(crate) fn statements() -> Vec<&'static str> {
    [STATEMENTS, history::STATEMENTS].concat()
}

/// How long what was dealt with is kept. Inbox records carry their own date, or go with their run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Answers to requests that carried a key. At least a day. Default: 3 days.
    pub requests: Duration,
    /// Events that stand in no queue any more, dead-letter queues included, and their blobs. Default: 90 days.
    pub events: Duration,
    /// Changes of records that every reaction has read. Default: 90 days.
    pub changes: Duration,
    /// What providers told of messages, once the inbox has forgotten these. Counted from the latest of the news. Default: 90
    /// days.
    pub deliveries: Duration,
    /// Runs of workflows that have ended, with what they did, and the inbox records of calls that they have given up. Counted from
    /// their end. Default: 90 days.
    pub runs: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { requests: 3 * DAY, events: 90 * DAY, changes: 90 * DAY, deliveries: 90 * DAY, runs: 90 * DAY }
    }
}

/// How much was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Inbox records.
    pub inbox: u64,
    /// What providers told of messages.
    pub deliveries: u64,
    /// Runs of workflows.
    pub runs: u64,
    /// Answers to requests.
    pub requests: u64,
    /// Changes of records.
    pub changes: u64,
    /// Events.
    pub events: u64,
    /// Blobs of these events.
    pub blobs: u64,
}

/// Forgets everything whose time is over at `now`.
pub(crate) async fn purge(
    db: &Arc<Db>,
    blobs: &FolderBlobs,
    now: Timestamp,
    retention: Retention,
) -> Result<Purged, StoreError> {
    let day = Duration::from_secs(24 * 60 * 60);
    let now = millis(now);
    let before = |kept: Duration| now.saturating_sub(later(0, kept));
    let (requests, blob_files) = (before(retention.requests.max(day)), &mut Vec::new());
    // Before its run, since one that has done much would take all of it along at once.
    let given_up = history::forget(db, before(retention.runs)).await?;
    Ok(Purged {
        inbox: given_up + in_steps(db, INBOX, now).await?,
        deliveries: in_steps(db, DELIVERIES, before(retention.deliveries)).await?,
        runs: in_steps(db, RUNS, before(retention.runs)).await?,
        requests: in_steps(db, REQUESTS, requests).await?,
        changes: changes(db, before(retention.changes)).await?,
        events: events(db, before(retention.events), blobs, blob_files).await?,
        blobs: remove(std::mem::take(blob_files)).await,
    })
}

async fn in_steps(db: &Db, statement: &'static str, date: i64) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let deleted = db.write(move |tx| tx.run(statement, (date, STEP))).await?;
        total += deleted as u64;
        if deleted < STEP as usize {
            return Ok(total);
        }
    }
}

async fn changes(db: &Db, date: i64) -> Result<u64, StoreError> {
    let (mut after, mut total) = (0, 0);
    loop {
        let step = db.write(move |tx| {
            let read: Option<i64> = tx.one(READ_BY_ALL, [], |row| row.get(0))?.flatten();
            let range = (after, read.unwrap_or(i64::MAX), STEP);
            let last: i64 = tx.one(LAST_OF_STEP, range, |row| row.get(0))?.flatten().unwrap_or(after);
            Ok((last, tx.run(CHANGES, (after, last, date))?))
        });
        let (last, deleted) = step.await?;
        total += deleted as u64;
        // One that a wrong clock has dated in the future doesn't end it; a whole step of them is the present.
        if deleted == 0 {
            return Ok(total);
        }
        after = last;
    }
}

async fn events(db: &Db, date: i64, blobs: &FolderBlobs, files: &mut Vec<PathBuf>) -> Result<u64, StoreError> {
    let (mut after, mut total) = (0, 0);
    loop {
        let page = db.read(move |db| page(db, after, date)).await?;
        let Some(last) = page.last() else { return Ok(total) };
        after = last.seq;
        // As above.
        let reached_present = page.iter().all(|event| !event.is_old);
        let idle = page.into_iter().filter(|event| event.is_old && !event.is_queued).collect::<Vec<_>>();
        let deleted = db.write(move |tx| delete(tx, idle)).await?;
        total += deleted.len() as u64;
        files.extend(deleted.iter().filter_map(|event| event.blob(blobs)));
        if reached_present {
            return Ok(total);
        }
    }
}

/// Deletes those that weren't published again in the meantime.
fn delete(tx: &Tx<'_>, mut idle: Vec<OldEvent>) -> rusqlite::Result<Vec<OldEvent>> {
    let mut result = Ok(());
    idle.retain(|event| match tx.run(DELETE_EVENT, [event.seq]) {
        Ok(deleted) => deleted == 1,
        Err(error) => {
            result = Err(error);
            false
        }
    });
    result.map(|()| idle)
}

struct OldEvent {
    seq: i64,
    is_old: bool,
    is_queued: bool,
    pointer: Option<Vec<u8>>,
}

impl OldEvent {
    fn blob(&self, blobs: &FolderBlobs) -> Option<PathBuf> {
        let pointer = Pointer::parse(self.pointer.as_deref()?, &[BLOBS]).ok()??;
        Some(blobs.path(&pointer.key))
    }
}

fn page(db: &Connection, after: i64, date: i64) -> rusqlite::Result<Vec<OldEvent>> {
    db.all(EVENTS, params![after, date, STEP], |row| {
        Ok(OldEvent { seq: row.get(0)?, is_old: row.get(1)?, is_queued: row.get(2)?, pointer: row.get(3)? })
    })
}

/// Removes files; what is gone already, or can't be removed, isn't counted.
pub(crate) async fn remove(files: Vec<PathBuf>) -> u64 {
    let removed = tokio::task::spawn_blocking(move || {
        files.iter().filter(|file| std::fs::remove_file(file).is_ok()).count() as u64
    });
    removed.await.unwrap_or(0)
}
