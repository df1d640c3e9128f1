//! Doubts: messages of which nobody knows whether they were sent, seen together with all that is known of them.

mod settle;

use rusqlite::{Connection, params};
use sendoff_consumers::{DeliveryId, DeliveryRecord, InboxRecord, Status, StepState};
use sendoff_events::{EventId, TenantId, Timestamp};
#[cfg(test)]
pub(crate) use settle::STATEMENTS as SETTLE_STATEMENTS;
pub use settle::{Decision, DoubtError, Settled};

use crate::{
    Store, StoreError,
    db::{
        columns::{millis, moment, tenant},
        statements::{Run as _, statements},
    },
    deliveries, inbox,
    queue::names,
};

statements! {
    EVENT = "SELECT seq, type, tenant FROM events WHERE id = ?1";
    MESSAGE = "SELECT id, visible_at, held = 1 AND visible_at > ?3 FROM messages WHERE event = ?1 AND queue = ?2
        ORDER BY id LIMIT 1";
}

/// A message to one recipient that may or may not have been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDoubt {
    /// Which one.
    pub id: DeliveryId,
    /// What it is about, unless the event has been forgotten.
    pub event: Option<DoubtedEvent>,
    /// The provider that may have sent it, if it is known.
    pub provider: Option<String>,
    /// When it was tried.
    pub since: Timestamp,
    /// How many attempts there were at its job.
    pub attempts: u32,
    /// Why nobody knows.
    pub reason: Option<String>,
    /// What its provider has told since, if anything.
    pub news: Option<DeliveryRecord>,
    /// Where the message stands that the rest of the job waits with.
    pub message: DoubtMessage,
    /// Whether its consumer tries again by itself, when the message comes again, as its policy says. Else it waits for news or
    /// for a person.
    pub tried_again: bool,
}

/// The event that a doubt is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubtedEvent {
    /// Its type, as it was written.
    pub event_type: String,
    /// Whose it is.
    pub tenant: TenantId,
}

/// Where the message of a doubt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtMessage {
    /// In its queue: it comes back then, to find out more.
    Waits {
        /// When.
        until: Timestamp,
    },
    /// It is being worked on.
    Running {
        /// At most until then.
        until: Timestamp,
    },
    /// In its dead-letter queue, or put aside in its quarantine: only a person goes on with it.
    DeadLettered,
    /// There is none any more.
    Gone,
}

/// A message's row, as far as it counts here.
struct Place {
    id: i64,
    is_dead: bool,
    is_leased: bool,
    visible_at: i64,
}

impl Store {
    /// Every doubt, the oldest record first.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn doubts(&self) -> Result<Vec<OpenDoubt>, StoreError> {
        let now = millis(self.db.clock.now());
        self.db
            .read(move |db| {
                let records = inbox::in_doubt(db, now)?;
                let doubts: rusqlite::Result<Vec<_>> =
                    records.iter().map(|record| of_record(db, record, now)).collect();
                Ok(doubts?.into_iter().flatten().collect())
            })
            .await
    }

    /// The doubt of this delivery, if it is in doubt.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn doubt(&self, id: &DeliveryId) -> Result<Option<OpenDoubt>, StoreError> {
        let (now, id) = (millis(self.db.clock.now()), id.clone());
        self.db
            .read(move |db| {
                let Some(record) = inbox::find(db, &id.key)? else { return Ok(None) };
                Ok(of_record(db, &record, now)?.into_iter().find(|doubt| doubt.id == id))
            })
            .await
    }
}

/// The doubts in a record.
fn of_record(db: &Connection, record: &InboxRecord, now: i64) -> rusqlite::Result<Vec<OpenDoubt>> {
    let event = event(db, record)?;
    let place = place(db, event.as_ref().map(|(seq, _)| *seq), record.key.consumer(), now)?;
    let message = match place {
        None => DoubtMessage::Gone,
        Some(Place { is_dead: true, .. }) => DoubtMessage::DeadLettered,
        Some(Place { is_leased: true, visible_at, .. }) => DoubtMessage::Running { until: moment(visible_at) },
        Some(Place { visible_at, .. }) => DoubtMessage::Waits { until: moment(visible_at) },
    };
    let comes_again = matches!(message, DoubtMessage::Waits { .. } | DoubtMessage::Running { .. });
    let tried_again = record.status == Status::Claimed && comes_again;
    let mut doubts = Vec::new();
    for (name, step) in record.steps.iter().filter(|(_, step)| step.state == StepState::InDoubt) {
        let id = DeliveryId::new(record.key.clone(), name);
        doubts.push(OpenDoubt {
            event: event.as_ref().map(|(_, event)| event.clone()),
            provider: step.provider.clone(),
            since: step.at,
            attempts: record.attempts,
            reason: step.reason.clone(),
            news: deliveries::find(db, &id)?,
            message,
            tried_again,
            id,
        });
    }
    Ok(doubts)
}

/// The event of a record: its place, and what it is.
fn event(db: &Connection, record: &InboxRecord) -> rusqlite::Result<Option<(i64, DoubtedEvent)>> {
    let Some(id) = event_of(record) else { return Ok(None) };
    db.one(EVENT, [id.as_bytes()], |row| {
        Ok((row.get(0)?, DoubtedEvent { event_type: row.get(1)?, tenant: tenant(2, row.get(2)?)? }))
    })
}

fn event_of(record: &InboxRecord) -> Option<EventId> {
    DeliveryId::new(record.key.clone(), "").event()
}

/// Where the consumer's message about the event at `seq` stands: in its queue, in its dead-letter queue or in its quarantine.
fn place(db: &Connection, seq: Option<i64>, consumer: &str, now: i64) -> rusqlite::Result<Option<Place>> {
    let Some(seq) = seq else { return Ok(None) };
    let Some(ids) = names::find(db, consumer)? else { return Ok(None) };
    let aside = names::quarantine_of(db, consumer)?;
    for (queue, is_dead) in [(Some(ids.queue), false), (ids.dead, true), (aside, true)] {
        let found = db.one(MESSAGE, params![seq, queue, now], |row| {
            Ok(Place { id: row.get(0)?, visible_at: row.get(1)?, is_leased: row.get(2)?, is_dead })
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
