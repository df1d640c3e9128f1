//! Sending copies of dead letters.

use rusqlite::params;
use sendoff_consumers::{Destination, FAILURE_ATTRIBUTE, Failure, OutgoingLetter, QueueError};
use sendoff_events::EXTENDED_SIZE_ATTRIBUTE;

use super::link;
use crate::{
    db::{
        Tx,
        columns::json,
        statements::{Run as _, statements},
    },
    queue::{MAX_ATTRIBUTES, message::UNKNOWN_FAILURE, names, own},
    topics::{self, Prepared},
};

statements! {
    INSERT = "INSERT INTO messages
        (queue, visible_at, sent_at, event, body, attributes, types, message_group, failure, dead_at)
        VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CASE WHEN ?8 IS NULL THEN NULL ELSE ?2 END)";
}

/// A queue to send to.
#[derive(Clone, Copy)]
struct Target {
    queue: i64,
    /// Whether it holds dead letters.
    is_dead: bool,
}

/// Sends all that can be sent; gives what became of each. `events` are those that the letters' bodies point to.
pub(super) fn send(
    tx: &Tx<'_>,
    to: &Destination,
    letters: &[OutgoingLetter],
    events: &[Option<Prepared>],
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
    letters.iter().zip(events).map(|(letter, event)| one(tx, target, letter, event.as_ref())).collect()
}

fn one(
    tx: &Tx<'_>,
    to: Option<Target>,
    letter: &OutgoingLetter,
    large: Option<&Prepared>,
) -> rusqlite::Result<Result<String, QueueError>> {
    // A dead-letter queue keeps a failure of ours beside the attributes.
    let is_beside =
        to.is_some_and(|to| to.is_dead) && letter.attributes.get(FAILURE_ATTRIBUTE).is_some_and(|text| is_ours(text));
    let attributes = letter.attributes.len() - usize::from(is_beside);
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
        insert(tx, target, letter, large)?;
        first.get_or_insert(tx.last_insert_rowid());
        tx.wake(target.queue);
    }
    let nobody = || QueueError::Refused("no subscriber of the topic wants it: it would be lost".into());
    Ok(first.map(|id| id.to_string()).ok_or_else(nobody))
}

/// Whether it is a failure as consumers write it.
fn is_ours(failure: &str) -> bool {
    serde_json::from_str::<Failure>(failure).is_ok()
}

fn insert(tx: &Tx<'_>, target: Target, letter: &OutgoingLetter, large: Option<&Prepared>) -> rusqlite::Result<()> {
    let mut attributes = letter.attributes.clone();
    // As in `queue::insert`; but what is no failure of ours stays an attribute, since nothing may be lost.
    let failure = target.is_dead.then(|| {
        let ours = attributes.get(FAILURE_ATTRIBUTE).is_some_and(|text| is_ours(text));
        let failure = if ours { attributes.remove(FAILURE_ATTRIBUTE) } else { None };
        failure.unwrap_or_else(|| UNKNOWN_FAILURE.to_owned())
    });
    let mut types = letter.types.clone();
    let event = link::event(tx, letter, large, target.is_dead)?.filter(|event| event.take_from(&mut attributes));
    if event.is_some() {
        types.remove(EXTENDED_SIZE_ATTRIBUTE);
    }
    let body = if event.is_some() { None } else { Some(&*letter.body) };
    let types = if types.is_empty() { None } else { Some(json(&types)?) };
    let event = event.map(|event| event.seq);
    tx.run(INSERT, params![target.queue, tx.now, event, body, own(&attributes)?, types, letter.group, failure])
        .map(drop)
}
