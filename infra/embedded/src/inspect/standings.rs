//! What consumers have made of many events at once: for load tests, which account for every one of theirs.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use sendoff_consumers::{DeadLetterKind, Status};
use sendoff_events::{EventId, Timestamp};

use crate::{
    Store, StoreError,
    db::{
        columns::{count, event_id, moment, small},
        statements::{Run as _, statements},
    },
    inbox,
    queue::names,
};

statements! {
    RECORD = "SELECT status, attempts, first_at, updated_at FROM inbox WHERE event = ?1 AND consumer = ?2";
    PLACES = "SELECT q.name, m.failure IS NOT NULL FROM events e JOIN messages m ON m.event = e.seq JOIN queues q ON q.id = m.queue
        WHERE e.id = ?1";
    ROOTS = "SELECT id FROM events WHERE correlation = ?1 AND causation IS NULL";
    DEAD = "SELECT count(*) FROM messages INDEXED BY messages_dead WHERE queue = ?1 AND failure IS NOT NULL AND event IS NULL
        AND attributes ->> 'tenant' GLOB ?2 || '[0-9]*' AND NOT attributes ->> 'tenant' GLOB ?2 || '*[^0-9]*'";
    DEAD_ROOTS = "SELECT e.id FROM messages m INDEXED BY messages_dead JOIN events e ON e.seq = m.event
        WHERE m.queue = ?1 AND m.failure IS NOT NULL AND e.causation IS NULL
        AND e.correlation GLOB ?2 || '[0-9]*' AND NOT e.correlation GLOB ?2 || '*[^0-9]*'";
}

/// Where an event stands with one consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What the ledger says of it; `None` before the consumer has claimed it.
    pub record: Option<Progress>,
    /// Where a message with it stands.
    pub place: Place,
}

/// What the ledger says of an event, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Where the record stands.
    pub status: Status,
    /// Attempts that count against the policy.
    pub attempts: u32,
    /// When it was first claimed.
    pub first_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// Where a message with an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the consumer's queue, whether it waits or is being handled.
    Queue,
    /// Among the consumer's dead letters, those that were put aside included.
    DeadLetters,
    /// In neither. Where the record is settled without need of a message, it isn't looked for.
    Nowhere,
}

impl Store {
    /// What each consumer has made of its event, in the order asked. No standing is older than the call, and one that says
    /// "nowhere" without a settled record means that the event is lost.
    ///
    /// # Errors
    ///
    /// When the file can't be read; so for all that follow.
    pub async fn standings(&self, pairs: Vec<(EventId, String)>) -> Result<Vec<Standing>, StoreError> {
        let look = move |db: &Connection| {
            let mut places = None;
            pairs.iter().map(|(event, consumer)| standing(db, *event, consumer, &mut places)).collect()
        };
        self.db.read(look).await
    }

    /// The events with these correlation ids that nothing caused but a request or a publisher.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn roots_of(&self, correlations: Vec<String>) -> Result<Vec<(String, EventId)>, StoreError> {
        let roots = move |db: &Connection| {
            let mut found = Vec::new();
            for correlation in correlations {
                let events = db.all(ROOTS, [&correlation], |row| row.get(0).map(event_id))?;
                found.extend(events.into_iter().map(|event| (correlation.clone(), event)));
            }
            Ok(found)
        };
        self.db.read(roots).await
    }

    /// The events among the dead letters whose correlation ids are `prefix` and a number and that nothing caused but a request or a
    /// publisher, by consumer, each as often as it stands there. Those that were put aside count too.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn dead_roots_of(&self, prefix: String) -> Result<BTreeMap<String, Vec<EventId>>, StoreError> {
        let roots = move |db: &Connection| {
            let mut found: BTreeMap<String, Vec<EventId>> = BTreeMap::new();
            for (queue, _, kind) in names::of_dead_letters(db)? {
                let Some(consumer) = kind.target() else { continue };
                let dead = db.all(DEAD_ROOTS, params![queue, prefix], |row| row.get(0).map(event_id))?;
                found.entry(consumer.to_owned()).or_default().extend(dead);
            }
            Ok(found)
        };
        self.db.read(roots).await
    }

    /// How many dead letters that carry no known event say that they are of a tenant whose name is `prefix` and a number, by
    /// consumer. Those that were put aside count too.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn dead_of_tenants(&self, prefix: String) -> Result<BTreeMap<String, u64>, StoreError> {
        let count_all = move |db: &Connection| {
            let mut found = BTreeMap::new();
            for (queue, _, kind) in names::of_dead_letters(db)? {
                let Some(consumer) = kind.target() else { continue };
                let dead = db.one(DEAD, params![queue, prefix], |row| row.get(0))?.map_or(0, count);
                *found.entry(consumer.to_owned()).or_default() += dead;
            }
            Ok(found)
        };
        self.db.read(count_all).await
    }
}

/// Where messages with one event stand: by queue, and whether they are dead.
type Places = (EventId, Vec<(String, bool)>);

/// `places` are those of the event that was looked at before: the consumers of one event mostly follow on each other.
fn standing(
    db: &Connection,
    event: EventId,
    consumer: &str,
    places: &mut Option<Places>,
) -> rusqlite::Result<Standing> {
    let record = progress(db, event, consumer)?;
    if record.is_some_and(|record| matches!(record.status, Status::Done | Status::InDoubt)) {
        return Ok(Standing { record, place: Place::Nowhere });
    }
    // The messages first: one is acked or moved after its record was settled, and so a record that is read later can't be missed.
    let known = match places.take().filter(|(known, _)| *known == event) {
        Some(known) => known,
        None => (event, db.all(PLACES, [event.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?),
    };
    let place = place(&known.1, consumer);
    *places = Some(known);
    Ok(Standing { record: progress(db, event, consumer)?, place })
}

fn progress(db: &Connection, event: EventId, consumer: &str) -> rusqlite::Result<Option<Progress>> {
    db.one(RECORD, params![event.as_bytes(), consumer], |row| {
        Ok(Progress {
            status: inbox::status(row.get(0)?)?,
            attempts: small(row.get(1)?),
            first_at: moment(row.get(2)?),
            updated_at: moment(row.get(3)?),
        })
    })
}

fn place(messages: &[(String, bool)], consumer: &str) -> Place {
    let mut place = Place::Nowhere;
    for (queue, is_dead) in messages {
        if queue == consumer && !is_dead {
            return Place::Queue;
        }
        if *queue == names::dead_letter_name(consumer)
            || queue.strip_suffix(DeadLetterKind::QUARANTINE) == Some(consumer)
        {
            place = Place::DeadLetters;
        }
    }
    place
}
