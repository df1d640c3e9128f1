//! Sending copies of dead letters. A copy whose body is that of an event belongs to the event: it doesn't repeat its body, keeps it
//! from being forgotten, and shows wherever the event's life does.

use rusqlite::{Connection, params};
use sendoff_consumers::{Attributes, Destination, FAILURE_ATTRIBUTE, Failure, OutgoingLetter, QueueError};
use sendoff_events::{AnyEnvelope, EXTENDED_SIZE_ATTRIBUTE, EventId};

use crate::{
    db::{
        Tx,
        columns::json,
        statements::{Run as _, statements},
    },
    queue::{MAX_ATTRIBUTES, message::UNKNOWN_FAILURE, names, own},
    topics,
};

statements! {
    INSERT = "INSERT INTO messages
        (queue, visible_at, sent_at, event, body, attributes, types, message_group, failure, dead_at)
        VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CASE WHEN ?8 IS NULL THEN NULL ELSE ?2 END)";
    EVENT_OF = "SELECT m.event FROM messages m JOIN queues q ON q.id = m.queue WHERE m.id = ?1 AND q.name = ?2";
    EVENT_BY_ID = "SELECT seq FROM events WHERE id = ?1";
    EVENT = "SELECT type, tenant, body, payload_bytes FROM events WHERE seq = ?1";
}

/// A queue to send to.
#[derive(Clone, Copy)]
struct Target {
    queue: i64,
    /// Whether it holds dead letters.
    is_dead: bool,
}

/// Sends all that can be sent; gives what became of each.
pub(super) fn send(
    tx: &Tx<'_>,
    to: &Destination,
    letters: &[OutgoingLetter],
) -> rusqlite::Result<Vec<Result<String, QueueError>>> {
    let target = match to {
        Destination::Topic => None,
        Destination::Queue(name) => match names::find(tx, name)? {
            Some(ids) => Some(Target { queue: ids.queue, is_dead: ids.dead.is_none() }),
            None => {
                let why = format!("there is no queue `{}`", name.escape_debug());
                return Ok(vec![Err(QueueError::Refused(why)); letters.len()]);
            }
        },
    };
    letters.iter().map(|letter| one(tx, target, letter)).collect()
}

fn one(tx: &Tx<'_>, to: Option<Target>, letter: &OutgoingLetter) -> rusqlite::Result<Result<String, QueueError>> {
    let attributes = letter.attributes.len();
    if attributes > MAX_ATTRIBUTES {
        let why = format!("it has {attributes} attributes, more than the limit of {MAX_ATTRIBUTES}");
        return Ok(Err(QueueError::Refused(why)));
    }
    let targets = match to {
        Some(target) => vec![target],
        // A dead-letter queue subscribes to nothing.
        None => topics::subscribed(tx, &letter.attributes)?
            .into_iter()
            .map(|queue| Target { queue, is_dead: false })
            .collect(),
    };
    let mut first = None;
    for target in targets {
        insert(tx, target, letter)?;
        first.get_or_insert(tx.last_insert_rowid());
        tx.wake(target.queue);
    }
    let nobody = || QueueError::Refused("no subscriber of the topic wants it: it would be lost".into());
    Ok(first.map(|id| id.to_string()).ok_or_else(nobody))
}

fn insert(tx: &Tx<'_>, target: Target, letter: &OutgoingLetter) -> rusqlite::Result<()> {
    let mut attributes = letter.attributes.clone();
    // As in `queue::insert`; but what is no failure of ours stays an attribute, since nothing may be lost.
    let failure = target.is_dead.then(|| {
        let ours = attributes.get(FAILURE_ATTRIBUTE).is_some_and(|text| serde_json::from_str::<Failure>(text).is_ok());
        let failure = if ours { attributes.remove(FAILURE_ATTRIBUTE) } else { None };
        failure.unwrap_or_else(|| UNKNOWN_FAILURE.to_owned())
    });
    let mut types = letter.types.clone();
    let event = event(tx, letter)?.filter(|event| event.take_from(&mut attributes));
    if event.is_some() {
        types.remove(EXTENDED_SIZE_ATTRIBUTE);
    }
    let body = if event.is_some() { None } else { Some(&*letter.body) };
    let types = if types.is_empty() { None } else { Some(json(&types)?) };
    let event = event.map(|event| event.seq);
    tx.run(INSERT, params![target.queue, tx.now, event, body, own(&attributes)?, types, letter.group, failure])
        .map(drop)
}

/// An event whose body a letter has.
struct Event {
    seq: i64,
    attributes: [(&'static str, Option<String>); 3],
}

impl Event {
    /// Takes the event's own attributes out of those of a letter. Gives whether the letter has all of them; changes nothing if not.
    fn take_from(&self, attributes: &mut Attributes) -> bool {
        let same = |(name, value): &(&str, Option<String>)| attributes.get(*name) == value.as_ref();
        let all = self.attributes.iter().all(same);
        if all {
            attributes.retain(|name, _| !self.attributes.iter().any(|(own, _)| own == name));
        }
        all
    }
}

/// The event that the letter carries, if its body is that of the event to the byte.
fn event(db: &Connection, letter: &OutgoingLetter) -> rusqlite::Result<Option<Event>> {
    let of_original = letter.copy_of.as_ref().and_then(|(queue, id)| Some((id.parse::<i64>().ok()?, queue)));
    let mut candidates = Vec::new();
    if let Some((id, queue)) = of_original {
        candidates.extend(db.one(EVENT_OF, params![id, queue], |row| row.get::<_, Option<i64>>(0))?.flatten());
    }
    if candidates.is_empty()
        && let Some(id) = id_in(&letter.body)
    {
        candidates.extend(db.one(EVENT_BY_ID, [id.as_bytes()], |row| row.get::<_, i64>(0))?);
    }
    let Some(seq) = candidates.pop() else { return Ok(None) };
    let found = db.one(EVENT, [seq], |row| {
        if row.get_ref(2)?.as_blob()? != &*letter.body {
            return Ok(None);
        }
        let bytes: Option<i64> = row.get(3)?;
        let attributes = [
            ("type", row.get(0)?),
            ("tenant", row.get(1)?),
            (EXTENDED_SIZE_ATTRIBUTE, bytes.map(|bytes| bytes.to_string())),
        ];
        Ok(Some(Event { seq, attributes }))
    })?;
    Ok(found.flatten())
}

/// The event's id in a body: that of its envelope.
fn id_in(body: &[u8]) -> Option<EventId> {
    AnyEnvelope::decode(body).ok().map(|envelope| envelope.header.id)
}
