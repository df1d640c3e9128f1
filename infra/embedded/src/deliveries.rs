//! What providers have told of messages after they took them.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use sendoff_consumers::{Deliveries, DeliveriesError, DeliveryId, DeliveryNews, DeliveryRecord, DeliveryStatus, merge};
use sendoff_events::{BoxFuture, Timestamp};

use crate::db::{
    Db, StoreError,
    columns::{damaged, millis, moment},
    statements::{Run as _, statements},
};

statements! {
    GET = "SELECT status, provider, provider_id, reason, at FROM deliveries
        WHERE event = ?1 AND consumer = ?2 AND step = ?3";
    PUT = "INSERT INTO deliveries (event, consumer, step, status, provider, provider_id, reason, at, told_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
        ON CONFLICT (event, consumer, step) DO UPDATE SET status = ?4, provider = ?5, provider_id = ?6, reason = ?7, at = ?8,
            told_at = ?9";
}

/// [`Deliveries`] over the data file.
pub(crate) struct SqliteDeliveries {
    pub(crate) db: Arc<Db>,
}

/// The columns of an id.
struct Place {
    event: [u8; 16],
    consumer: String,
    step: String,
}

impl Place {
    fn of(id: &DeliveryId) -> Result<Self, DeliveriesError> {
        let event = id.event().ok_or_else(|| DeliveriesError(format!("`{id}` names no event")))?;
        Ok(Self { event: *event.as_bytes(), consumer: id.key.consumer().to_owned(), step: id.step.clone() })
    }
}

impl Deliveries for SqliteDeliveries {
    fn tell<'a>(
        &'a self,
        id: &'a DeliveryId,
        news: &'a DeliveryNews,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<bool, DeliveriesError>> {
        let news = news.clone();
        Box::pin(async move {
            let Place { event, consumer, step } = Place::of(id)?;
            // All writes go through one thread, so nothing comes between the look and the write.
            let told = self.db.write(move |tx| {
                let known = tx.one(GET, params![event, consumer, step], record)?;
                let Some(newer) = merge(known.as_ref(), &news, since) else { return Ok(false) };
                let (status, at) = (newer.status.word(), millis(newer.at));
                let DeliveryRecord { provider, provider_id, reason, .. } = newer;
                tx.run(PUT, params![event, consumer, step, status, provider, provider_id, reason, at, tx.now])?;
                Ok(true)
            });
            told.await.map_err(unavailable)
        })
    }

    fn get<'a>(&'a self, id: &'a DeliveryId) -> BoxFuture<'a, Result<Option<DeliveryRecord>, DeliveriesError>> {
        Box::pin(async move {
            let Place { event, consumer, step } = Place::of(id)?;
            self.db.read(move |db| db.one(GET, params![event, consumer, step], record)).await.map_err(unavailable)
        })
    }
}

/// What is known of a message.
pub(crate) fn find(db: &Connection, id: &DeliveryId) -> rusqlite::Result<Option<DeliveryRecord>> {
    let Ok(Place { event, consumer, step }) = Place::of(id) else { return Ok(None) };
    db.one(GET, params![event, consumer, step], record)
}

fn record(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    Ok(DeliveryRecord {
        status: status(row.get_ref(0)?.as_str()?)?,
        provider: row.get(1)?,
        provider_id: row.get(2)?,
        reason: row.get(3)?,
        at: moment(row.get(4)?),
    })
}

#[derive(Debug, thiserror::Error)]
#[error("there is no delivery status `{0}`")]
struct NoSuchStatus(String);

fn status(word: &str) -> rusqlite::Result<DeliveryStatus> {
    use DeliveryStatus::{Accepted, Complained, Delivered, Read, Sent, Undelivered};
    let all = [Accepted, Sent, Undelivered, Delivered, Read, Complained];
    let found = all.into_iter().find(|status| status.word() == word);
    found.ok_or_else(|| damaged(0, NoSuchStatus(word.to_owned())))
}

fn unavailable(error: StoreError) -> DeliveriesError {
    DeliveriesError(error.to_string())
}
