//! Queues by name. A dead-letter queue is called `{queue}-dlq`, and one for letters that were put aside `{consumer}-quarantine`.

use rusqlite::{Connection, params};
use sendoff_consumers::DeadLetterKind;

use crate::db::{
    Tx,
    statements::{Run as _, statements},
};

statements! {
    CREATE = "INSERT INTO queues (name, source) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    EVERY = "SELECT id FROM queues";
    FIND = "SELECT id FROM queues WHERE name = ?1";
    WITH_SOURCES = "SELECT q.id, q.name, s.name FROM queues q LEFT JOIN queues s ON s.id = q.source ORDER BY q.name";
}

const DLQ: &str = "-dlq";

/// The name of the dead-letter queue of `queue`, which may already be one.
pub(crate) fn dead_letter_name(queue: &str) -> String {
    if queue.ends_with(DLQ) { queue.to_owned() } else { format!("{queue}{DLQ}") }
}

/// Checks a queue's name by the rule of SQS: 1 to 80 letters, digits, `-` and `_`, the ending of the dead-letter queue included
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>).
pub(crate) fn check(name: &str) -> Result<(), String> {
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fits && !name.is_empty() && dead_letter_name(name).len() <= 80 {
        Ok(())
    } else {
        let shown: String = name.chars().take(80).collect();
        Err(format!("queue name `{shown}` is not valid: use 1 to 76 letters, digits, '-' and '_'"))
    }
}

/// A queue and where its messages go in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) queue: i64,
    /// Its dead-letter queue; `None` if it is one itself.
    pub(crate) dead: Option<i64>,
}

/// The queue of this name, if there is one.
pub(crate) fn find(db: &Connection, name: &str) -> rusqlite::Result<Option<Ids>> {
    let Some(queue) = id(db, name)? else { return Ok(None) };
    if name.ends_with(DLQ) {
        return Ok(Some(Ids { queue, dead: None }));
    }
    let dead = id(db, &dead_letter_name(name))?;
    // A consumer may be called so, too; then it has a dead-letter queue.
    Ok((dead.is_some() || name.ends_with(DeadLetterKind::QUARANTINE)).then_some(Ids { queue, dead }))
}

/// The queue of this name, created with its dead-letter queue if need be. A dead-letter queue without a source isn't created
/// here, and neither is a quarantine: `None`.
pub(crate) fn find_or_create(tx: &Tx<'_>, name: &str) -> rusqlite::Result<Option<Ids>> {
    if name.ends_with(DLQ) || name.ends_with(DeadLetterKind::QUARANTINE) {
        return find(tx, name);
    }
    tx.run(CREATE, params![name, None::<i64>])?;
    let Some(queue) = id(tx, name)? else { return Ok(None) };
    tx.run(CREATE, params![dead_letter_name(name), queue])?;
    find(tx, name)
}

/// The dead-letter queue of a reaction, which has no source: created if need be.
pub(crate) fn of_reaction(tx: &Tx<'_>, reaction: &str) -> rusqlite::Result<i64> {
    let name = dead_letter_name(reaction);
    tx.run(CREATE, params![name, None::<i64>])?;
    id(tx, &name)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Wakes everybody who waits for messages or for changes, if another process has written since this was called last. Gives whether it has.
pub(crate) fn wake_if_others_wrote(tx: &Tx<'_>) -> rusqlite::Result<bool> {
    let wrote = tx.others_wrote()?;
    if wrote {
        let queues: Vec<i64> = tx.all(EVERY, [], |row| row.get(0))?;
        queues.into_iter().for_each(|queue| tx.wake(queue));
        tx.wake_changes();
    }
    Ok(wrote)
}

/// Every queue that holds dead letters, by name: its id, and whose they are.
pub(crate) fn of_dead_letters(db: &Connection) -> rusqlite::Result<Vec<(i64, String, DeadLetterKind)>> {
    let queues = db.all(WITH_SOURCES, [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let mut found = Vec::new();
    for (queue, name, source) in queues {
        let kind = match (name.strip_suffix(DLQ), name.strip_suffix(DeadLetterKind::QUARANTINE), source) {
            (Some(_), _, Some(consumer)) => DeadLetterKind::Consumer(consumer),
            (Some(reaction), _, None) => DeadLetterKind::Reaction(reaction.to_owned()),
            (None, Some(consumer), source) => match find(db, &name)? {
                Some(Ids { dead: None, .. }) => {
                    source.map_or(DeadLetterKind::Foreign, |_| DeadLetterKind::Quarantine(consumer.to_owned()))
                }
                _ => continue,
            },
            (None, None, _) => continue,
        };
        found.push((queue, name, kind));
    }
    Ok(found)
}

/// The queue for letters that are put aside, under a name that ends as that of one must: created if need be. Those of a consumer
/// have its queue as their source.
pub(crate) fn quarantine(tx: &Tx<'_>, name: &str) -> rusqlite::Result<()> {
    let consumer = name.strip_suffix(DeadLetterKind::QUARANTINE).unwrap_or_default();
    tx.run(CREATE, params![name, id(tx, consumer)?]).map(drop)
}

/// Where the letters of a consumer are put aside, if any ever were.
pub(crate) fn quarantine_of(db: &Connection, consumer: &str) -> rusqlite::Result<Option<i64>> {
    let ids = find(db, &format!("{consumer}{}", DeadLetterKind::QUARANTINE))?;
    // A consumer may be called so, too.
    Ok(ids.filter(|ids| ids.dead.is_none()).map(|ids| ids.queue))
}

fn id(db: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    db.one(FIND, [name], |row| row.get(0))
}
