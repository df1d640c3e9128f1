//! Dead letters, for whoever repairs them. What stands in a dead-letter queue is a message as in every other queue, so that it is
//! moved, leased and deleted by the same rules.

mod back;
mod large;
mod link;
mod queues;
mod send;

use std::{sync::Arc, time::Duration};

pub(crate) use back::move_back;
use rusqlite::{Connection, params};
use sendoff_consumers::{
    Backlog, DeadLetter, DeadLetterQueue, DeadLetters, DeadLettersError, Destination, IdempotencyKey, InboxError,
    InboxRecord, OutgoingLetter, QueueError, Receipt, Subscriber, TakenLetter,
};
use sendoff_events::{BoxFuture, Timestamp};

use crate::{
    Store, StoreError,
    blobs::FolderBlobs,
    db::{
        Db, Tx,
        columns::{int, later, millis},
        statements::{Run as _, statements},
    },
    inbox,
    queue::{
        self, MAX_BATCH,
        lease::{Leased, Wanted},
        message::{Read, Stored, columns, named, receipt},
        names::{self, Ids},
    },
    topics,
};

statements! {
    READ = concat!(
        "SELECT ", columns!(), " FROM messages WHERE queue = ?1 AND failure IS NOT NULL AND id > ?2 ORDER BY id LIMIT ?3"
    );
    TAKE_ONE = concat!(
        "UPDATE messages SET visible_at = ?4, held = 1, lease = lease + 1, receives = receives + 1, silent = silent + 1
        WHERE id = ?1 AND queue = ?2 AND visible_at <= ?3 RETURNING ", columns!()
    );
    DELETE = "DELETE FROM messages WHERE id = ?1 AND lease = ?2 AND queue = ?3";
    HOLD = "UPDATE messages SET visible_at = ?4 WHERE id = ?1 AND lease = ?2 AND queue = ?3 AND held = 1";
    GIVE_BACK = "UPDATE messages SET visible_at = ?4, held = 0, lease = lease + 1
        WHERE id = ?1 AND lease = ?2 AND queue = ?3 AND held = 1";
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<&'static str> {
    [STATEMENTS, back::STATEMENTS, link::STATEMENTS, queues::STATEMENTS, send::STATEMENTS].concat()
}

impl Store {
    /// The dead-letter queues.
    #[must_use]
    pub fn dead_letter_queues(&self) -> Arc<dyn DeadLetters> {
        Arc::new(SqliteDeadLetters { db: Arc::clone(&self.db), blobs: Arc::clone(&self.blobs) })
    }
}

/// [`DeadLetters`] over the data file.
pub(crate) struct SqliteDeadLetters {
    db: Arc<Db>,
    blobs: Arc<FolderBlobs>,
}

impl SqliteDeadLetters {
    /// Runs `work` on the dead-letter queue of this name.
    async fn change<T, F>(&self, queue: &str, work: F) -> Result<T, DeadLettersError>
    where
        F: FnOnce(&Tx<'_>, i64) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let name = queue.to_owned();
        let done = self.db.write_isolated(move |tx| dead(tx, &name)?.map(|queue| work(tx, queue)).transpose());
        done.await.map_err(failed)?.ok_or_else(|| DeadLettersError::NoSuchQueue(queue.to_owned()))
    }

    /// Runs a statement on each of the letters that are held.
    async fn each(
        &self,
        queue: &str,
        receipts: &[Receipt],
        run: impl Fn(&Tx<'_>, i64, i64, i64) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Vec<Result<(), QueueError>> {
        let named: Vec<_> = receipts.iter().map(named).collect();
        let done = self.change(queue, move |tx, queue| {
            tx.wake(queue);
            queue::each(&named, |&(id, lease)| run(tx, id, lease, queue))
        });
        match done.await {
            Ok(found) => found.into_iter().map(|found| if found { Ok(()) } else { Err(QueueError::Stale) }).collect(),
            Err(error) => {
                let error = match error {
                    DeadLettersError::NoSuchQueue(_) | DeadLettersError::Refused(_) => {
                        QueueError::Refused(error.to_string())
                    }
                    other => QueueError::Unavailable(other.to_string()),
                };
                vec![Err(error); receipts.len()]
            }
        }
    }
}

impl DeadLetters for SqliteDeadLetters {
    fn deployment(&self) -> String {
        let folder = self.db.file().parent().unwrap_or(self.db.file());
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        format!("data folder {}", folder.display())
    }

    fn queues(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<DeadLetterQueue>, DeadLettersError>> {
        let (now, since) = (millis(self.db.clock.now()), millis(since));
        Box::pin(async move { self.db.read(move |db| queues::all(db, now, since)).await.map_err(failed) })
    }

    fn read<'a>(
        &'a self,
        queue: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<DeadLetter>>, DeadLettersError>> {
        Box::pin(async move {
            let after: i64 = match after {
                None => 0,
                Some(id) => id.parse().map_err(|_| {
                    DeadLettersError::Refused(format!("`{}` is no message id: it is a number", id.escape_debug()))
                })?,
            };
            let name = queue.to_owned();
            let found = self.db.read(move |db| {
                let Some(queue) = dead(db, &name)? else { return Ok(None) };
                let rows = db.all(READ, params![queue, after, int(max as u64)], Stored::of)?;
                rows.into_iter().map(|row| row.letter(db)).collect::<rusqlite::Result<Vec<_>>>().map(Some)
            });
            let found = found.await.map_err(failed)?;
            found.map(Some).ok_or_else(|| DeadLettersError::NoSuchQueue(queue.to_owned()))
        })
    }

    fn take<'a>(
        &'a self,
        queue: &'a str,
        max: usize,
        hold: Duration,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, DeadLettersError>> {
        Box::pin(async move {
            let (errands, name, max) = (self.db.errands(), queue.to_owned(), int(max.min(MAX_BATCH) as u64));
            let leased = self.change(queue, move |tx, queue| {
                let ids = Ids { queue, dead: None };
                let wanted = Wanted { ids, name, max, lease: whole_seconds(hold), max_receives: u32::MAX };
                let taken = |row, db: &Connection| Ok(Read { message: taken(row, db)?, damage: None });
                queue::lease::lease(tx, &wanted, errands, taken)
            });
            Ok(leased.await?.take())
        })
    }

    fn take_these<'a>(
        &'a self,
        queue: &'a str,
        message_ids: &'a [String],
        hold: Duration,
    ) -> BoxFuture<'a, Result<Option<Vec<TakenLetter>>, DeadLettersError>> {
        Box::pin(async move {
            // An id that isn't a number is in no queue.
            let ids: Vec<i64> = message_ids.iter().filter_map(|id| id.parse().ok()).collect();
            let errands = self.db.errands();
            let leased = self.change(queue, move |tx, queue| {
                let until = later(tx.now, whole_seconds(hold));
                let mut leased = Leased::new(queue, errands);
                for id in ids {
                    if let Some(row) = tx.one(TAKE_ONE, params![id, queue, tx.now, until], Stored::of)? {
                        let (id, lease) = (row.id, row.lease);
                        leased.push(id, lease, taken(row, tx)?);
                    }
                }
                Ok(leased)
            });
            Ok(Some(leased.await?.take()))
        })
    }

    fn hold<'a>(
        &'a self,
        queue: &'a str,
        receipts: &'a [Receipt],
        hold: Duration,
    ) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let statement = if hold.is_zero() { GIVE_BACK } else { HOLD };
        Box::pin(self.each(queue, receipts, move |tx, id, lease, queue| {
            tx.run(statement, params![id, lease, queue, later(tx.now, whole_seconds(hold))])
        }))
    }

    fn delete<'a>(&'a self, queue: &'a str, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(self.each(queue, receipts, |tx, id, lease, queue| tx.run(DELETE, params![id, lease, queue])))
    }

    fn send<'a>(
        &'a self,
        to: &'a Destination,
        letters: &'a [OutgoingLetter],
    ) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        let (owned, to) = (letters.to_vec(), to.clone());
        Box::pin(async move {
            let sent = match large::events(&self.db, &self.blobs, &owned).await {
                Ok(events) => self.db.write_isolated(move |tx| send::send(tx, &to, &owned, &events)).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(sent) => sent,
                Err(error) => vec![Err(QueueError::Unavailable(error.to_string())); letters.len()],
            }
        })
    }

    fn create<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<(), DeadLettersError>> {
        Box::pin(async move {
            names::check(queue).map_err(DeadLettersError::Refused)?;
            let name = queue.to_owned();
            let made = self.db.write_isolated(move |tx| queues::make(tx, &name));
            if made.await.map_err(failed)? { Ok(()) } else { Err(queues::no_quarantine(queue)) }
        })
    }

    fn backlog<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Backlog, DeadLettersError>> {
        Box::pin(async move {
            let (name, now) = (queue.to_owned(), millis(self.db.clock.now()));
            let found = self.db.read(move |db| queues::backlog(db, &name, now)).await.map_err(failed)?;
            found.ok_or_else(|| DeadLettersError::NoSuchQueue(queue.to_owned()))
        })
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, DeadLettersError>> {
        Box::pin(async move { self.db.read(topics::subscribers).await.map_err(failed) })
    }

    fn ledger<'a>(&'a self, keys: &'a [IdempotencyKey]) -> BoxFuture<'a, Result<Vec<Option<InboxRecord>>, InboxError>> {
        let keys = keys.to_vec();
        Box::pin(async move {
            let found = self.db.read(move |db| keys.iter().map(|key| inbox::find(db, key)).collect());
            found.await.map_err(|error| InboxError::Unavailable(error.to_string()))
        })
    }
}

/// The dead-letter queue of this name, if there is one.
fn dead(db: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    Ok(names::find(db, name)?.filter(|ids| ids.dead.is_none()).map(|ids| ids.queue))
}

fn taken(row: Stored, db: &Connection) -> rusqlite::Result<TakenLetter> {
    Ok(TakenLetter { receipt: receipt(row.id, row.lease), letter: row.letter(db)? })
}

/// Leases are counted in whole seconds, as those of SQS are.
fn whole_seconds(hold: Duration) -> Duration {
    Duration::from_secs(hold.as_secs().saturating_add(u64::from(hold.subsec_nanos() > 0)))
}

fn failed(error: StoreError) -> DeadLettersError {
    match error {
        StoreError::ReadOnly | StoreError::Refused(_) => DeadLettersError::Refused(error.to_string()),
        other => DeadLettersError::Unavailable(other.to_string()),
    }
}
