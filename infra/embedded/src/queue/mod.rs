//! Queues: leases, delays, receive counts, dead letters.

pub(crate) mod lease;
pub(crate) mod message;
pub(crate) mod names;

use std::{pin::pin, sync::Arc, time::Duration};

use futures::future::{self, Either};
use rusqlite::params;
use sendoff_consumers::{
    Attributes, Delivery, Depth, FAILURE_ATTRIBUTE, Failure, NewMessage, Queue, QueueError, Receipt,
};
use sendoff_events::BoxFuture;

use self::{
    lease::Wanted,
    message::{Stored, UNKNOWN_FAILURE, named},
    names::Ids,
};
use crate::db::{
    Db, StoreError, Tx,
    columns::{count, int, json, later, millis},
    statements::{Run as _, statements},
};

statements! {
    SEND = "INSERT INTO messages (queue, visible_at, sent_at, body, attributes, failure, dead_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, CASE WHEN ?6 IS NULL THEN NULL ELSE ?3 END)";
    ACK = "DELETE FROM messages WHERE id = ?1 AND lease = ?2 AND queue = ?3";
    EXTEND = "UPDATE messages SET visible_at = ?4 WHERE id = ?1 AND lease = ?2 AND queue = ?3 AND held = 1";
    RELEASE = "UPDATE messages SET visible_at = ?4, held = 0, lease = lease + 1, silent = 0
        WHERE id = ?1 AND lease = ?2 AND queue = ?3 AND held = 1";
    DEAD_LETTER = "UPDATE messages SET queue = ?4, visible_at = ?5, held = 0, lease = lease + 1, failure = ?6, dead_at = ?5
        WHERE id = ?1 AND lease = ?2 AND queue = ?3 AND held = 1";
    VISIBLE = "SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at <= ?2";
    HIDDEN = "SELECT count(*), coalesce(sum(held), 0) FROM messages WHERE queue = ?1 AND visible_at > ?2";
    DEAD = "SELECT count(*) FROM messages WHERE queue = ?1";
}

/// The most messages of one receive.
pub(crate) const MAX_BATCH: usize = 1000;

/// The most attributes of a message: SQS allows ten
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
pub(crate) const MAX_ATTRIBUTES: usize = 10;

/// [`Queue`] over the data file.
pub(crate) struct SqliteQueue {
    pub(crate) db: Arc<Db>,
    pub(crate) name: String,
    pub(crate) ids: Ids,
    pub(crate) max_receives: u32,
}

impl Queue for SqliteQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        let Ids { queue, dead } = self.ids;
        let accepted: Vec<NewMessage> = messages.iter().filter(|m| refusal(m).is_none()).cloned().collect();
        Box::pin(async move {
            let sent = self.db.write_isolated(move |tx| {
                tx.wake(queue);
                accepted.iter().map(|message| insert(tx, queue, dead.is_none(), message)).collect()
            });
            let mut sent = sent.await.map(Vec::into_iter).map_err(unavailable);
            let mut result = |message| match (refusal(message), &mut sent) {
                (Some(why), _) => Err(QueueError::Refused(why)),
                (None, Ok(ids)) => ids.next().ok_or_else(|| QueueError::Unavailable("an answer is missing".into())),
                (None, Err(error)) => Err(error.clone()),
            };
            messages.iter().map(&mut result).collect()
        })
    }

    fn receive(&self, max: usize, wait: Duration, lease: Duration) -> BoxFuture<'_, Result<Vec<Delivery>, QueueError>> {
        Box::pin(async move {
            let max = int(max.min(MAX_BATCH) as u64);
            let (ids, name, max_receives) = (self.ids, self.name.clone(), self.max_receives);
            let wanted = Wanted { ids, name, max, lease, max_receives };
            let clock = &self.db.clock;
            let deadline = later(millis(clock.now()), wait);
            let bell = self.db.signals.queue(ids.queue);
            loop {
                // Listening begins before looking, so that nothing which is committed in between is missed.
                let mut rung = pin!(bell.notified());
                rung.as_mut().enable();
                let (wanted, errands) = (wanted.clone(), self.db.errands());
                let leased = self.db.write_isolated(move |tx| lease::lease(tx, &wanted, errands, Stored::deliver));
                let leased = leased.await.map_err(unavailable)?;
                let next = leased.next.unwrap_or(i64::MAX);
                let messages = leased.take();
                let now = millis(clock.now());
                if !messages.is_empty() || max == 0 || now >= deadline {
                    return Ok(messages);
                }
                let pause = u64::try_from(next.min(deadline) - now).unwrap_or(0);
                if let Either::Right(_) = future::select(rung, clock.sleep(Duration::from_millis(pause))).await {
                    tracing::trace!(queue = %self.name, "nothing rang; looking again");
                }
            }
        })
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let queue = self.ids.queue;
        let receipts: Vec<_> = receipts.iter().map(named).collect();
        Box::pin(async move {
            let acked = receipts.len();
            let done = self.db.write(move |tx| each(&receipts, |&(id, lease)| tx.run(ACK, params![id, lease, queue])));
            results(acked, done.await)
        })
    }

    fn extend<'a>(&'a self, receipts: &'a [Receipt], lease: Duration) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let queue = self.ids.queue;
        let receipts: Vec<_> = receipts.iter().map(named).collect();
        Box::pin(async move {
            let extended = receipts.len();
            let done = self.db.write(move |tx| {
                let until = later(tx.now, lease);
                // A shorter lease than before is a change that waiting receivers must know of.
                tx.wake(queue);
                each(&receipts, |&(id, lease)| tx.run(EXTEND, params![id, lease, queue, until]))
            });
            results(extended, done.await)
        })
    }

    fn release<'a>(&'a self, entries: &'a [(Delivery, Duration)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let queue = self.ids.queue;
        let entry = |(delivery, delay): &(Delivery, Duration)| named(&delivery.receipt).map(|named| (named, *delay));
        let entries: Vec<_> = entries.iter().map(entry).collect();
        Box::pin(async move {
            let released = entries.len();
            let done = self.db.write(move |tx| {
                tx.wake(queue);
                each(&entries, |&((id, lease), delay)| tx.run(RELEASE, params![id, lease, queue, later(tx.now, delay)]))
            });
            results(released, done.await)
        })
    }

    fn dead_letter<'a>(&'a self, entries: &'a [(Delivery, Failure)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let queue = self.ids.queue;
        let Some(dead) = self.ids.dead else {
            let why = format!("`{}` is a dead-letter queue and has none of its own", self.name);
            return Box::pin(future::ready(vec![Err(QueueError::Refused(why)); entries.len()]));
        };
        let entries: Vec<_> = entries
            .iter()
            .map(|(delivery, failure)| named(&delivery.receipt).map(|named| (named, failure.to_attribute())))
            .collect();
        Box::pin(async move {
            let moved = entries.len();
            let done = self.db.write(move |tx| {
                tx.wake(dead);
                each(&entries, |((id, lease), failure)| {
                    tx.run(DEAD_LETTER, params![id, lease, queue, dead, tx.now, failure])
                })
            });
            results(moved, done.await)
        })
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        let (ids, now) = (self.ids, millis(self.db.clock.now()));
        Box::pin(async move { self.db.read(move |db| depth(db, ids, now)).await.map_err(unavailable) })
    }
}

/// How many messages a queue holds.
pub(crate) fn depth(db: &rusqlite::Connection, ids: Ids, now: i64) -> rusqlite::Result<Depth> {
    let visible = db.one(VISIBLE, params![ids.queue, now], |row| row.get(0))?.unwrap_or(0);
    let hidden = db.one(HIDDEN, params![ids.queue, now], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (hidden, held): (i64, i64) = hidden.unwrap_or_default();
    let dead = match ids.dead {
        Some(dead) => db.one(DEAD, [dead], |row| row.get(0))?.unwrap_or(0),
        None => 0,
    };
    Ok(Depth { visible: count(visible), in_flight: count(held), delayed: count(hidden - held), dead: count(dead) })
}

fn refusal(message: &NewMessage) -> Option<String> {
    let attributes = message.attributes.len();
    (attributes > MAX_ATTRIBUTES)
        .then(|| format!("it has {attributes} attributes, more than the limit of {MAX_ATTRIBUTES}"))
}

fn insert(tx: &Tx<'_>, queue: i64, is_dead: bool, message: &NewMessage) -> rusqlite::Result<String> {
    let mut attributes = message.attributes.clone();
    // In a dead-letter queue the failure has a column of its own, by which dead letters are listed and counted.
    let failure = is_dead.then(|| {
        let failure = attributes.remove(FAILURE_ATTRIBUTE);
        failure.filter(|f| serde_json::from_str::<Failure>(f).is_ok()).unwrap_or_else(|| UNKNOWN_FAILURE.to_owned())
    });
    let visible_at = later(tx.now, message.delay);
    tx.run(SEND, params![queue, visible_at, tx.now, &*message.body, own(&attributes)?, failure])?;
    Ok(tx.last_insert_rowid().to_string())
}

/// A message's own attributes as they stand in the column.
pub(crate) fn own(attributes: &Attributes) -> rusqlite::Result<Option<String>> {
    if attributes.is_empty() { Ok(None) } else { json(attributes).map(Some) }
}

/// Runs a statement for each entry; tells which of them it found. An entry with a strange receipt isn't looked for.
pub(crate) fn each<T>(
    entries: &[Option<T>],
    mut run: impl FnMut(&T) -> rusqlite::Result<usize>,
) -> rusqlite::Result<Vec<bool>> {
    entries.iter().map(|entry| entry.as_ref().map_or(Ok(false), |entry| run(entry).map(|rows| rows > 0))).collect()
}

pub(crate) fn results(entries: usize, done: Result<Vec<bool>, StoreError>) -> Vec<Result<(), QueueError>> {
    match done {
        Ok(found) => found.into_iter().map(|found| if found { Ok(()) } else { Err(QueueError::Stale) }).collect(),
        Err(error) => vec![Err(unavailable(error)); entries],
    }
}

fn unavailable(error: StoreError) -> QueueError {
    QueueError::Unavailable(error.to_string())
}
