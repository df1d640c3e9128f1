//! The event that a letter carries. A message whose body is that of an event belongs to it: it doesn't repeat the body, keeps the
//! event from being forgotten, and shows wherever the event's life does.

use rusqlite::{Connection, params};
use sendoff_consumers::{Attributes, OutgoingLetter};
use sendoff_events::{AnyEnvelope, EXTENDED_SIZE_ATTRIBUTE, EventId, Header, Pointer};

use crate::{
    db::{
        Tx,
        folder::BLOBS,
        statements::{Run as _, statements},
    },
    queue::message::NUMBER,
    topics::{self, Prepared},
};

statements! {
    OF_ORIGINAL = "SELECT m.event FROM messages m JOIN queues q ON q.id = m.queue WHERE m.id = ?1 AND q.name = ?2";
    BY_ID = "SELECT seq FROM events WHERE id = ?1";
    EVENT = "SELECT type, tenant, body, payload_bytes FROM events WHERE seq = ?1";
}

/// An event whose body a letter has.
pub(super) struct Event {
    pub(super) seq: i64,
    attributes: [(&'static str, Option<String>); 3],
}

impl Event {
    /// Takes the event's own attributes out of those of a letter. Gives whether the letter has all of them; changes nothing if not.
    pub(super) fn take_from(&self, attributes: &mut Attributes) -> bool {
        let same = |(name, value): &(&str, Option<String>)| attributes.get(*name) == value.as_ref();
        let all = self.attributes.iter().all(same);
        if all {
            attributes.retain(|name, _| !self.attributes.iter().any(|(own, _)| own == name));
        }
        all
    }
}

/// The event that the letter carries, if its body is that of the event to the byte. An event that isn't known yet becomes known when
/// it is sent to a consumer: whoever changes a letter makes a new event of it. So does `large`, the event that the letter's body
/// points to, wherever it is sent.
pub(super) fn event(
    tx: &Tx<'_>,
    letter: &OutgoingLetter,
    large: Option<&Prepared>,
    is_dead: bool,
) -> rusqlite::Result<Option<Event>> {
    if let Some(seq) = of_original(tx, letter)?
        && let Some(event) = of_same_body(tx, seq, &letter.body)?
    {
        return Ok(Some(event));
    }
    let header = AnyEnvelope::decode(&letter.body).ok().map(|envelope| envelope.header);
    let in_body = header.as_ref().map(|header| header.id).or_else(|| large.map(|event| EventId::from_bytes(event.id)));
    let Some(id) = in_body.or_else(|| id_in_pointer(&letter.body)) else { return Ok(None) };
    let known = by_id(tx, id)?;
    let seq = match (known, header) {
        (Some(seq), _) => seq,
        (None, Some(header)) if !is_dead && says_the_same(&letter.attributes, &header) => {
            topics::store(tx, &Prepared::of(header, letter.body.clone()), tx.now, None)?
        }
        (None, _) => match large.filter(|event| event.is_told_by(&letter.attributes) && is_sized(letter)) {
            Some(event) => topics::store(tx, event, tx.now, None)?,
            None => return Ok(None),
        },
    };
    of_same_body(tx, seq, &letter.body)
}

/// The place of the event with this id.
pub(super) fn by_id(db: &Connection, id: EventId) -> rusqlite::Result<Option<i64>> {
    db.one(BY_ID, [id.as_bytes()], |row| row.get(0))
}

fn of_original(db: &Connection, letter: &OutgoingLetter) -> rusqlite::Result<Option<i64>> {
    let Some((queue, id)) = &letter.copy_of else { return Ok(None) };
    let Ok(id) = id.parse::<i64>() else { return Ok(None) };
    Ok(db.one(OF_ORIGINAL, params![id, queue], |row| row.get(0))?.flatten())
}

fn of_same_body(db: &Connection, seq: i64, body: &[u8]) -> rusqlite::Result<Option<Event>> {
    let found = db.one(EVENT, [seq], |row| {
        if row.get_ref(2)?.as_blob()? != body {
            return Ok(None);
        }
        let bytes: Option<i64> = row.get(3)?;
        let size = (EXTENDED_SIZE_ATTRIBUTE, bytes.map(|bytes| bytes.to_string()));
        Ok(Some(Event { seq, attributes: [("type", row.get(0)?), ("tenant", row.get(1)?), size] }))
    })?;
    Ok(found.flatten())
}

/// Whether a letter's attributes are those of its event.
fn says_the_same(attributes: &Attributes, header: &Header) -> bool {
    attributes.get("type").is_some_and(|own| *own == header.event_type.to_string())
        && attributes.get("tenant").is_some_and(|own| own == header.tenant.as_str())
        && !attributes.contains_key(EXTENDED_SIZE_ATTRIBUTE)
}

/// Whether a letter's size is a number, as that of a message of an event is.
fn is_sized(letter: &OutgoingLetter) -> bool {
    letter.types.get(EXTENDED_SIZE_ATTRIBUTE).is_some_and(|own| own == NUMBER)
}

/// The event's id in the key of its blob: see `topics::blob_key`.
pub(super) fn id_in_pointer(body: &[u8]) -> Option<EventId> {
    let pointer = Pointer::parse(body, &[BLOBS]).ok()??;
    let (id, _hash) = pointer.key.as_str().rsplit('/').next()?.rsplit_once('-')?;
    id.parse().ok()
}
