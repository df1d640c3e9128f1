//! What there is to see of the life of an event: for `trace`, `tail` and whoever is on call.

mod rows;
mod standings;

use bytes::Bytes;
use sendoff_consumers::{Change, Depth, Failure, InboxRecord};
use sendoff_events::{EventId, TenantId, Timestamp};
pub use standings::{Place, Progress, Standing};

use crate::{Store, StoreError, db::columns::millis, inbox};

#[cfg(test)]
pub(crate) fn statements() -> Vec<&'static str> {
    [rows::STATEMENTS, standings::STATEMENTS].concat()
}

/// An event as it was stored, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSummary {
    /// Its place in the order of commits, from 1.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// Its type, as it was written: one that doesn't read as a type must not hide all others from whoever looks.
    pub event_type: String,
    /// Whose event it is.
    pub tenant: TenantId,
    /// What it is about.
    pub subject: String,
    /// What it belongs to: the id of the event or request at the root.
    pub correlation: String,
    /// The event that caused it.
    pub causation: Option<EventId>,
    /// Its size in bytes, if it stands in a blob.
    pub payload_bytes: Option<u64>,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// When it was published.
    pub published_at: Option<Timestamp>,
}

/// An event in full.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDetail {
    /// The event.
    pub summary: EventSummary,
    /// The envelope, or the pointer to it.
    pub body: Bytes,
    /// The changes of records that were committed with it.
    pub changes: Vec<Change>,
}

/// A message that carries an event, in one queue. An event that a consumer is done with has none there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDelivery {
    /// The message's id.
    pub message_id: String,
    /// The queue it stands in.
    pub queue: String,
    /// How often it was received.
    pub receives: u32,
    /// Where it stands.
    pub state: DeliveryState,
    /// From when on it can be received, unless it is acked before.
    pub visible_at: Timestamp,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryState {
    /// Ready to be received.
    Queued,
    /// Leased to a consumer.
    InFlight,
    /// Hidden by a delay.
    Delayed,
    /// In the dead-letter queue, with the reason if there is one.
    Dead(Option<Failure>),
}

/// A queue and how many messages it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueInfo {
    /// Its name; for the dead letters of a reaction, that of the dead-letter queue.
    pub name: String,
    /// How many messages it holds.
    pub depth: Depth,
}

impl Store {
    /// Events in the order of commits, those after place `after_seq`, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the file can't be read; so for all that follow.
    pub async fn events(&self, after_seq: u64, limit: usize) -> Result<Vec<EventSummary>, StoreError> {
        self.db.read(move |db| rows::events(db, after_seq, limit)).await
    }

    /// The place of the latest event, 0 when there is none.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn last_event(&self) -> Result<u64, StoreError> {
        self.db.read(rows::last_event).await
    }

    /// An event in full, with the changes that were committed with it.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn event(&self, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        self.db.read(move |db| rows::event(db, id)).await
    }

    /// The events that this one caused directly.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn caused_by(&self, id: EventId) -> Result<Vec<EventSummary>, StoreError> {
        self.db.read(move |db| rows::caused_by(db, id)).await
    }

    /// All events of a chain: those with this correlation id.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn correlated(&self, correlation: &str) -> Result<Vec<EventSummary>, StoreError> {
        let correlation = correlation.to_owned();
        self.db.read(move |db| rows::correlated(db, &correlation)).await
    }

    /// Where messages with this event stand, in all queues.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn event_deliveries(&self, id: EventId) -> Result<Vec<EventDelivery>, StoreError> {
        let now = millis(self.db.clock.now());
        self.db.read(move |db| rows::deliveries(db, id, now)).await
    }

    /// What each consumer has made of the event, by the consumers' names.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn inbox_for_event(&self, id: EventId) -> Result<Vec<InboxRecord>, StoreError> {
        inbox::of_event(&self.db, id).await
    }

    /// All queues and how full they are, by name.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn queues(&self) -> Result<Vec<QueueInfo>, StoreError> {
        let now = millis(self.db.clock.now());
        self.db.read(move |db| rows::queues(db, now)).await
    }
}
