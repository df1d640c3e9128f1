//! The stream of changed records, and how far each reaction has come in it.

mod unreadable;

use std::{pin::pin, sync::Arc, time::Duration};

use futures::future;
use rusqlite::{Row, params};
use sendoff_consumers::{Change, Changes, ChangesError, Failure, Position};
use sendoff_events::BoxFuture;
use sendoff_producers::RecordKey;
use serde_json::{Value, json};

use crate::{
    db::{
        Db, StoreError, Tx,
        columns::{self, count, from_json, int, later, millis, moment, tenant},
        statements::{Run as _, statements},
    },
    queue::names,
};
use unreadable::Unreadable;

statements! {
    CURSOR = "SELECT seq FROM cursors WHERE reaction = ?1";
    AFTER = "SELECT seq, tenant, collection, id, version, actor, at, old, new FROM changes
        WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    BETWEEN = "SELECT seq, tenant, collection, id, version, actor, at, old, new FROM changes
        WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    CHECKPOINT = "INSERT INTO cursors (reaction, seq) VALUES (?1, ?2)
        ON CONFLICT (reaction) DO UPDATE SET seq = max(seq, excluded.seq)";
    PARK = "INSERT INTO messages (queue, visible_at, sent_at, body, attributes, failure, key, dead_at)
        VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?2)
        ON CONFLICT (key) WHERE key IS NOT NULL DO UPDATE SET failure = excluded.failure";
}

/// [`Changes`] over the data file. A commit appends to the stream in its own transaction.
pub(crate) struct SqliteChanges {
    pub(crate) db: Arc<Db>,
}

impl Changes for SqliteChanges {
    fn read<'a>(
        &'a self,
        reaction: &'a str,
        max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<Change>, ChangesError>> {
        Box::pin(async move {
            let clock = &self.db.clock;
            let deadline = later(millis(clock.now()), wait);
            loop {
                // Listening begins before looking, so that nothing which is committed in between is missed.
                let mut rung = pin!(self.db.signals.changes.notified());
                rung.as_mut().enable();
                let (name, limit) = (reaction.to_owned(), int(max as u64));
                let found = self.db.read(move |db| {
                    let cursor: i64 = db.one(CURSOR, [name], |row| row.get(0))?.unwrap_or(0);
                    db.all(AFTER, (cursor, limit), |row| {
                        change(row).map(Ok).or_else(|error| Unreadable::of(row, &error).map(Err))
                    })
                });
                let mut found = found.await.map_err(unavailable)?.into_iter().peekable();
                let unreadable: Vec<_> = std::iter::from_fn(|| found.next_if(Result::is_err)?.err()).collect();
                if !unreadable.is_empty() {
                    unreadable::put_aside(&self.db, reaction, unreadable).await?;
                    continue;
                }
                // What can't be read is put aside once everything before it is dealt with.
                let found: Vec<Change> = found.map_while(Result::ok).collect();
                let left = u64::try_from(deadline - millis(clock.now())).unwrap_or(0);
                if !found.is_empty() || max == 0 || left == 0 {
                    return Ok(found);
                }
                future::select(rung, clock.sleep(Duration::from_millis(left))).await;
            }
        })
    }

    fn checkpoint<'a>(&'a self, reaction: &'a str, position: &'a Position) -> BoxFuture<'a, Result<(), ChangesError>> {
        Box::pin(async move {
            let (name, seq) = (reaction.to_owned(), place(position)?);
            self.db.write(move |tx| tx.run(CHECKPOINT, params![name, seq]).map(drop)).await.map_err(unavailable)
        })
    }

    fn park<'a>(
        &'a self,
        reaction: &'a str,
        change: &'a Change,
        failure: &'a Failure,
    ) -> BoxFuture<'a, Result<(), ChangesError>> {
        Box::pin(async move {
            names::check(reaction).map_err(ChangesError)?;
            let letter = Letter {
                position: change.position.clone(),
                tenant: change.key.tenant.to_string(),
                body: change.to_json(),
                failure: failure.to_attribute(),
            };
            let reaction = reaction.to_owned();
            self.db.write_isolated(move |tx| park(tx, &reaction, &letter)).await.map_err(unavailable)
        })
    }
}

/// What is put aside.
struct Letter {
    position: Position,
    tenant: String,
    body: Value,
    failure: String,
}

fn park(tx: &Tx<'_>, reaction: &str, letter: &Letter) -> rusqlite::Result<()> {
    let queue = names::of_reaction(tx, reaction)?;
    let attributes = json!({ "tenant": letter.tenant });
    // A crash between parking and the checkpoint parks again: the same dead letter, not a second one.
    let once = format!("parked/{reaction}/{}", letter.position.0);
    let body = letter.body.to_string().into_bytes();
    tx.run(PARK, params![queue, tx.now, body, columns::json(&attributes)?, letter.failure, once])?;
    tx.wake(queue);
    Ok(())
}

/// The changes with these places, in order.
pub(crate) fn between(db: &rusqlite::Connection, first: i64, last: i64) -> rusqlite::Result<Vec<Change>> {
    db.all(BETWEEN, (first, last), change)
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let image = |column| {
        let text: Option<String> = row.get(column)?;
        text.map(|text| from_json::<Value>(column, &text)).transpose()
    };
    Ok(Change {
        position: position(row)?,
        key: RecordKey::new(&tenant(1, row.get(1)?)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?),
        version: count(row.get(4)?),
        actor: row.get(5)?,
        at: moment(row.get(6)?),
        old: image(7)?,
        new: image(8)?,
    })
}

fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    // Padded, so that places sort as texts, too.
    Ok(Position(format!("{:020}", row.get::<_, i64>(0)?)))
}

fn place(position: &Position) -> Result<i64, ChangesError> {
    position.0.parse().map_err(|_| ChangesError(format!("position `{}` is not one of this stream", position.0)))
}

fn unavailable(error: StoreError) -> ChangesError {
    ChangesError(error.to_string())
}
