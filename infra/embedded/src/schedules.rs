//! Schedules: messages that become visible when they are due, under a name until they are first delivered.

use std::sync::Arc;

use rusqlite::params;
use sendoff_consumers::{Schedule, Schedules, SchedulesError};
use sendoff_events::BoxFuture;

use crate::{
    db::{
        Db, StoreError, Tx,
        columns::millis,
        statements::{Run as _, statements},
    },
    queue::{names, own},
};

statements! {
    // What was delivered already is no schedule any more, and leaves the name to the next one.
    FREE = "UPDATE messages SET key = NULL WHERE key = ?1 AND receives > 0";
    PUT = "INSERT INTO messages (queue, visible_at, sent_at, body, attributes, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (key) WHERE key IS NOT NULL DO UPDATE SET queue = excluded.queue, visible_at = excluded.visible_at,
            sent_at = excluded.sent_at, body = excluded.body, attributes = excluded.attributes";
    CANCEL = "DELETE FROM messages WHERE key = ?1 AND receives = 0";
}

/// [`Schedules`] over the data file.
pub(crate) struct SqliteSchedules {
    pub(crate) db: Arc<Db>,
}

impl Schedules for SqliteSchedules {
    fn put<'a>(&'a self, schedule: &'a Schedule) -> BoxFuture<'a, Result<(), SchedulesError>> {
        let owned = schedule.clone();
        Box::pin(async move {
            let put = self.db.write_isolated(move |tx| put(tx, &owned)).await.map_err(unavailable)?;
            if put { Ok(()) } else { Err(SchedulesError::NoSuchQueue(schedule.queue.clone())) }
        })
    }

    fn cancel<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, SchedulesError>> {
        let key = key(name);
        Box::pin(async move {
            let cancelled = self.db.write(move |tx| tx.run(CANCEL, [key])).await.map_err(unavailable)?;
            Ok(cancelled > 0)
        })
    }
}

fn put(tx: &Tx<'_>, schedule: &Schedule) -> rusqlite::Result<bool> {
    let found = names::find(tx, &schedule.queue)?;
    // What goes into a dead-letter queue has failed; nothing is scheduled to.
    let Some(ids) = found.filter(|ids| ids.dead.is_some()) else { return Ok(false) };
    let key = key(&schedule.name);
    tx.run(FREE, [&key])?;
    let message = &schedule.message;
    let due = millis(schedule.due).max(tx.now);
    let place = params![ids.queue, due, tx.now, &*message.body, own(&message.attributes)?, key];
    tx.run(PUT, place)?;
    tx.wake(ids.queue);
    Ok(true)
}

/// The message's key: schedules share the column with parked changes.
fn key(name: &str) -> String {
    format!("schedule/{name}")
}

fn unavailable(error: StoreError) -> SchedulesError {
    SchedulesError::Unavailable(error.to_string())
}
