//! What was committed and not published. A commit publishes in the same transaction, so normally there is nothing; a data file
//! that was filled by other means may have some.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Row;
use sendoff_events::{BoxFuture, EventId, Outgoing, Timestamp};
use sendoff_producers::{Outbox, OutboxError, Pending};

use crate::{
    db::{
        Db, StoreError,
        columns::{damaged, event_id, int, millis, tenant},
        statements::{Run as _, statements},
    },
    topics,
};

statements! {
    PENDING = "SELECT id, type, tenant, subject, body FROM events
        WHERE published_at IS NULL AND committed_at < ?1 ORDER BY committed_at, seq LIMIT ?2";
}

/// [`Outbox`] over the data file.
pub(crate) struct SqliteOutbox {
    pub(crate) db: Arc<Db>,
}

impl Outbox for SqliteOutbox {
    fn pending(&self, committed_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<Pending, OutboxError>> {
        Box::pin(async move {
            let range = (millis(committed_before), int(limit as u64));
            let events = self.db.read(move |db| db.all(PENDING, range, outgoing)).await.map_err(unavailable)?;
            Ok(Pending { events, stuck: Vec::new() })
        })
    }

    fn mark_published<'a>(&'a self, ids: &'a [EventId]) -> BoxFuture<'a, Result<(), OutboxError>> {
        let ids: Vec<[u8; 16]> = ids.iter().map(|id| *id.as_bytes()).collect();
        Box::pin(async move {
            self.db.write(move |tx| ids.iter().try_for_each(|id| topics::mark(tx, id))).await.map_err(unavailable)
        })
    }
}

fn outgoing(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    let event_type = row.get_ref(1)?.as_str()?.parse().map_err(|e: sendoff_events::EventTypeError| damaged(1, e))?;
    let body = Bytes::from(row.get::<_, Vec<u8>>(4)?);
    Ok(Outgoing::stored(event_id(row.get(0)?), event_type, tenant(2, row.get(2)?)?, row.get(3)?, body))
}

fn unavailable(error: StoreError) -> OutboxError {
    OutboxError(error.to_string())
}
