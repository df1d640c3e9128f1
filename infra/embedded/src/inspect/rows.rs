//! The rows behind it.

use rusqlite::{Connection, Row, params};
use sendoff_consumers::Depth;
use sendoff_events::EventId;

use super::{DeliveryState, EventDelivery, EventDetail, EventSummary, QueueInfo};
use crate::{
    changes,
    db::{
        columns::{count, event_id, from_json, int, moment, small, tenant},
        statements::{Run as _, statements},
    },
    queue::{self, names::Ids},
};

macro_rules! columns {
    () => {
        "seq, id, type, tenant, subject, correlation, causation, payload_bytes, committed_at, published_at"
    };
}

statements! {
    AFTER = concat!("SELECT ", columns!(), " FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    BY_ID = concat!("SELECT ", columns!(), ", body, first_change, last_change FROM events WHERE id = ?1");
    CAUSED_BY = concat!("SELECT ", columns!(), " FROM events WHERE causation = ?1 ORDER BY seq");
    CORRELATED = concat!("SELECT ", columns!(), " FROM events WHERE correlation = ?1 ORDER BY seq");
    LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM events";
    DELIVERIES = "SELECT m.id, q.name, m.receives, m.visible_at > ?2, m.held, m.failure, q.source IS NOT NULL,
        m.visible_at
        FROM events e JOIN messages m ON m.event = e.seq JOIN queues q ON q.id = m.queue
        WHERE e.id = ?1 ORDER BY m.id";
    QUEUES = "SELECT q.id, q.name, d.id FROM queues q LEFT JOIN queues d ON d.name = q.name || '-dlq'
        WHERE q.source IS NULL ORDER BY q.name";
}

pub(super) fn events(db: &Connection, after: u64, limit: usize) -> rusqlite::Result<Vec<EventSummary>> {
    db.all(AFTER, params![int(after), int(limit as u64)], summary)
}

pub(super) fn last_event(db: &Connection) -> rusqlite::Result<u64> {
    Ok(count(db.one(LAST_SEQ, [], |row| row.get(0))?.unwrap_or(0)))
}

pub(super) fn event(db: &Connection, id: EventId) -> rusqlite::Result<Option<EventDetail>> {
    let found = db.one(BY_ID, [id.as_bytes()], |row| {
        Ok((summary(row)?, row.get::<_, Vec<u8>>(10)?, row.get::<_, Option<i64>>(11)?, row.get::<_, Option<i64>>(12)?))
    })?;
    let Some((summary, body, first, last)) = found else { return Ok(None) };
    let changes = match (first, last) {
        (Some(first), Some(last)) => changes::between(db, first, last)?,
        _ => Vec::new(),
    };
    Ok(Some(EventDetail { summary, body: body.into(), changes }))
}

pub(super) fn caused_by(db: &Connection, id: EventId) -> rusqlite::Result<Vec<EventSummary>> {
    db.all(CAUSED_BY, [id.as_bytes()], summary)
}

pub(super) fn correlated(db: &Connection, correlation: &str) -> rusqlite::Result<Vec<EventSummary>> {
    let mut events = db.all(CORRELATED, [correlation], summary)?;
    // An event that starts a chain doesn't repeat its own id.
    if let Ok(root) = correlation.parse::<EventId>()
        && let Some(root) = event(db, root)?
        && root.summary.correlation == correlation
    {
        events.insert(0, root.summary);
    }
    Ok(events)
}

pub(super) fn deliveries(db: &Connection, id: EventId, now: i64) -> rusqlite::Result<Vec<EventDelivery>> {
    db.all(DELIVERIES, params![id.as_bytes(), now], |row| {
        let (hidden, held, dead): (bool, bool, bool) = (row.get(3)?, row.get(4)?, row.get(6)?);
        let failure: Option<String> = row.get(5)?;
        let state = match (dead || failure.is_some(), hidden, held) {
            (true, ..) => DeliveryState::Dead(failure.map(|text| from_json(5, &text)).transpose()?.flatten()),
            (false, false, _) => DeliveryState::Queued,
            (false, true, true) => DeliveryState::InFlight,
            (false, true, false) => DeliveryState::Delayed,
        };
        let message_id = row.get::<_, i64>(0)?.to_string();
        let (queue, receives, visible_at) = (row.get(1)?, small(row.get(2)?), moment(row.get(7)?));
        Ok(EventDelivery { message_id, queue, receives, state, visible_at })
    })
}

pub(super) fn queues(db: &Connection, now: i64) -> rusqlite::Result<Vec<QueueInfo>> {
    let queues =
        db.all(QUEUES, [], |row| Ok((row.get::<_, String>(1)?, Ids { queue: row.get(0)?, dead: row.get(2)? })))?;
    let info = |(name, ids)| {
        let mut depth = queue::depth(db, ids, now)?;
        if ids.dead.is_none() {
            // The dead letters of a reaction: nothing there waits to be received.
            depth = Depth { dead: depth.visible + depth.in_flight + depth.delayed, ..Depth::default() };
        }
        Ok(QueueInfo { name, depth })
    };
    queues.into_iter().map(info).collect()
}

fn summary(row: &Row<'_>) -> rusqlite::Result<EventSummary> {
    let id = event_id(row.get(1)?);
    Ok(EventSummary {
        seq: count(row.get(0)?),
        id,
        event_type: row.get(2)?,
        tenant: tenant(3, row.get(3)?)?,
        subject: row.get(4)?,
        correlation: row.get::<_, Option<String>>(5)?.unwrap_or_else(|| id.to_string()),
        causation: row.get::<_, Option<[u8; 16]>>(6)?.map(event_id),
        payload_bytes: row.get::<_, Option<i64>>(7)?.map(count),
        committed_at: moment(row.get(8)?),
        published_at: row.get::<_, Option<i64>>(9)?.map(moment),
    })
}
