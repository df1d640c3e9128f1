//! The topic: an event goes in once, and a message that points at it comes out into every queue whose subscription lets it
//! through.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, params};
use sendoff_consumers::{Attributes, Filter, Subscriber};
use sendoff_events::{AnyEnvelope, BlobError, Blobs as _, EXTENDED_SIZE_ATTRIBUTE, Header, Outgoing, Pointer};
use sha2::{Digest as _, Sha256};

use crate::{
    blobs::FolderBlobs,
    db::{
        Tx,
        columns::{from_json, int},
        statements::{Run as _, statements},
    },
};

statements! {
    SUBSCRIPTIONS = "SELECT queue, filter FROM subscriptions";
    SUBSCRIBERS = "SELECT q.name, s.filter FROM queues q JOIN subscriptions s ON s.queue = q.id ORDER BY q.name";
    SUBSCRIBE = "INSERT INTO subscriptions (queue, filter) VALUES (?1, ?2)
        ON CONFLICT (queue) DO UPDATE SET filter = excluded.filter";
    UNSUBSCRIBE = "DELETE FROM subscriptions WHERE queue = ?1";
    INSERT_EVENT = "INSERT INTO events (id, type, tenant, subject, body, payload_bytes, correlation, causation,
            first_change, last_change, committed_at, published_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT (id) DO NOTHING";
    STORED_EVENT = "SELECT seq, body FROM events WHERE id = ?1";
    MARK = "UPDATE events SET published_at = ?2 WHERE id = ?1 AND published_at IS NULL";
    INSERT_MESSAGE = "INSERT INTO messages (queue, visible_at, sent_at, event) VALUES (?1, ?2, ?2, ?3)";
}

/// A queue that the topic passes events on to.
pub(crate) struct Subscription {
    queue: i64,
    filter: Filter,
}

/// Lets the queue have every event that the filter lets through, from now on.
pub(crate) fn subscribe(tx: &Tx<'_>, queue: i64, filter: &str) -> rusqlite::Result<()> {
    tx.run(SUBSCRIBE, params![queue, filter])?;
    tx.subscriptions().take();
    Ok(())
}

/// Ends the queue's subscription. Gives whether there was one.
pub(crate) fn unsubscribe(tx: &Tx<'_>, queue: i64) -> rusqlite::Result<bool> {
    let ended = tx.run(UNSUBSCRIBE, [queue])?;
    tx.subscriptions().take();
    Ok(ended > 0)
}

/// Marks an event as published. Once is enough.
pub(crate) fn mark(tx: &Tx<'_>, id: &[u8; 16]) -> rusqlite::Result<()> {
    tx.run(MARK, params![id, tx.now]).map(drop)
}

/// An event ready to be written: read and, when it is large, put aside before the writer sees it.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) id: [u8; 16],
    attributes: Attributes,
    subject: String,
    body: Bytes,
    payload_bytes: Option<i64>,
    correlation: Option<String>,
    causation: Option<[u8; 16]>,
}

impl Prepared {
    /// Prepares an event. A body over `limit` is stored as a blob, durably, and a pointer takes its place.
    pub(crate) async fn new(event: &Outgoing, blobs: &FolderBlobs, limit: usize) -> Result<Self, BlobError> {
        let mut attributes = Attributes::from([
            ("type".to_owned(), event.event_type().to_string()),
            ("tenant".to_owned(), event.tenant().as_str().to_owned()),
        ]);
        let (correlation, causation) = match AnyEnvelope::decode(event.body()) {
            Ok(envelope) => (Some(envelope.header.correlation), envelope.header.causation),
            // Whatever it is, it is passed on: its consumers will say what is wrong with it.
            Err(_) => (None, None),
        };
        let id = event.id().to_string();
        let mut body = event.body().clone();
        let mut payload_bytes = None;
        if body.len() > limit {
            let pointer = Pointer { bucket: blobs.bucket().to_owned(), key: blob_key(&id, &body)? };
            payload_bytes = Some(int(body.len() as u64));
            attributes.insert(EXTENDED_SIZE_ATTRIBUTE.to_owned(), body.len().to_string());
            blobs.put(&pointer.key, body).await?;
            body = Bytes::from(pointer.to_body());
        }
        Ok(Self {
            id: *event.id().as_bytes(),
            attributes,
            subject: event.subject().to_owned(),
            body,
            payload_bytes,
            correlation: correlation.filter(|correlation| *correlation != id),
            causation: causation.map(|id| *id.as_bytes()),
        })
    }

    /// Prepares the event of an envelope whose body stays as it is, however large.
    pub(crate) fn of(header: Header, body: Bytes) -> Self {
        let id = header.id.to_string();
        Self {
            id: *header.id.as_bytes(),
            attributes: Attributes::from([
                ("type".to_owned(), header.event_type.to_string()),
                ("tenant".to_owned(), header.tenant.as_str().to_owned()),
            ]),
            subject: header.subject,
            body,
            payload_bytes: None,
            correlation: Some(header.correlation).filter(|correlation| *correlation != id),
            causation: header.causation.map(|id| *id.as_bytes()),
        }
    }

    /// The same event, where its body is a pointer to so many bytes.
    pub(crate) fn pointing_to(mut self, bytes: usize) -> Self {
        self.payload_bytes = Some(int(bytes as u64));
        self.attributes.insert(EXTENDED_SIZE_ATTRIBUTE.to_owned(), bytes.to_string());
        self
    }

    /// Whether a message with these attributes says the same of it as it does.
    pub(crate) fn is_told_by(&self, attributes: &Attributes) -> bool {
        self.attributes.iter().all(|(name, own)| attributes.get(name) == Some(own))
    }

    /// Whether another event is stored under the same id.
    pub(crate) fn clashes(&self, tx: &Tx<'_>) -> rusqlite::Result<bool> {
        let stored = tx.one(STORED_EVENT, [self.id], |row| Ok(row.get_ref(1)?.as_blob()? == &*self.body))?;
        Ok(stored == Some(false))
    }
}

/// The blob's key: by time (the first half of an id of version 7 is one), id and content, so that the same event has the same
/// key and another body never replaces it.
fn blob_key(id: &str, body: &[u8]) -> Result<sendoff_events::BlobKey, BlobError> {
    let hash = Sha256::digest(body);
    let folder = id.get(..6).unwrap_or(id);
    format!("events/{folder}/{id}-{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
        .parse()
        .map_err(BlobError::Unavailable)
}

/// Stores the event, unless it is stored already, and puts a message into every queue that subscribed to it. `changes` are
/// the changes of state that were committed with it: the first and the last.
pub(crate) fn publish(
    tx: &Tx<'_>,
    event: &Prepared,
    committed_at: i64,
    changes: Option<(i64, i64)>,
) -> rusqlite::Result<()> {
    let seq = store(tx, event, committed_at, changes)?;
    for subscription in subscriptions(tx)?.iter().filter(|s| s.filter.accepts(&event.attributes)) {
        tx.run(INSERT_MESSAGE, params![subscription.queue, tx.now, seq])?;
        tx.wake(subscription.queue);
    }
    Ok(())
}

/// Stores the event as published, unless it is stored already. Gives its place.
pub(crate) fn store(
    tx: &Tx<'_>,
    event: &Prepared,
    committed_at: i64,
    changes: Option<(i64, i64)>,
) -> rusqlite::Result<i64> {
    let inserted = tx.run(
        INSERT_EVENT,
        params![
            event.id,
            event.attributes.get("type"),
            event.attributes.get("tenant"),
            event.subject,
            &*event.body,
            event.payload_bytes,
            event.correlation,
            event.causation,
            changes.map(|(first, _)| first),
            changes.map(|(_, last)| last),
            committed_at,
            tx.now,
        ],
    )?;
    if inserted == 1 {
        return Ok(tx.last_insert_rowid());
    }
    mark(tx, &event.id)?;
    tx.one(STORED_EVENT, [event.id], |row| row.get(0))?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// The queues that want a message with these attributes.
pub(crate) fn subscribed(tx: &Tx<'_>, attributes: &Attributes) -> rusqlite::Result<Vec<i64>> {
    let subscriptions = subscriptions(tx)?;
    Ok(subscriptions.iter().filter(|s| s.filter.accepts(attributes)).map(|s| s.queue).collect())
}

/// Who gets what, by queue.
pub(crate) fn subscribers(db: &Connection) -> rusqlite::Result<Vec<Subscriber>> {
    db.all(SUBSCRIBERS, [], |row| {
        Ok(Subscriber { queue: row.get(0)?, filter: serde_json::from_str(row.get_ref(1)?.as_str()?).ok() })
    })
}

fn subscriptions(tx: &Tx<'_>) -> rusqlite::Result<Arc<[Subscription]>> {
    let mut cached = tx.subscriptions().borrow_mut();
    if let Some(subscriptions) = &*cached {
        return Ok(Arc::clone(subscriptions));
    }
    let subscriptions: Arc<[Subscription]> = tx
        .all(SUBSCRIPTIONS, [], |row| {
            let filter = row.get_ref(1)?.as_str()?;
            Ok(Subscription { queue: row.get(0)?, filter: from_json(1, filter)? })
        })?
        .into();
    *cached = Some(Arc::clone(&subscriptions));
    Ok(subscriptions)
}
