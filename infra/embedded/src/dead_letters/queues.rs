//! The queues themselves: how full they are, what is known of what is in there, and those for letters that are put aside.

use rusqlite::{Connection, params};
use sendoff_consumers::{Backlog, DeadLetterFacts, DeadLetterKind, DeadLetterQueue, DeadLettersError};

use crate::{
    db::{
        Tx,
        columns::{count, moment},
        statements::{Run as _, statements},
    },
    queue::{self, names},
};

statements! {
    OLDEST = "SELECT min(sent_at) FROM messages INDEXED BY messages_dead_by_age WHERE queue = ?1 AND failure IS NOT NULL";
    ARRIVED = "SELECT count(*) FROM messages INDEXED BY messages_by_death
        WHERE queue = ?1 AND dead_at >= ?2 AND failure IS NOT NULL";
    BY_REASON = "SELECT failure ->> 'reason', count(*) FROM messages INDEXED BY messages_by_reason
        WHERE queue = ?1 AND failure IS NOT NULL GROUP BY failure ->> 'reason'";
    WAITS_SINCE = "SELECT min(visible_at) FROM messages WHERE queue = ?1 AND visible_at <= ?2";
}

/// All of them, by name, and how many letters have come since `since`.
pub(super) fn all(db: &Connection, now: i64, since: i64) -> rusqlite::Result<Vec<DeadLetterQueue>> {
    let queues = names::of_dead_letters(db)?;
    let describe = |(id, name, kind)| {
        let depth = queue::depth(db, names::Ids { queue: id, dead: None }, now)?;
        Ok(DeadLetterQueue {
            name,
            kind,
            waiting: depth.visible,
            in_flight: depth.in_flight + depth.delayed,
            // What stands in any queue is never forgotten, and neither are its event and its blob.
            retention: None,
            fifo: false,
            untouchable: None,
            facts: Some(facts(db, id, since)?),
        })
    };
    queues.into_iter().map(describe).collect()
}

fn facts(db: &Connection, queue: i64, since: i64) -> rusqlite::Result<DeadLetterFacts> {
    let oldest: Option<i64> = db.one(OLDEST, [queue], |row| row.get(0))?.flatten();
    let arrived = db.one(ARRIVED, params![queue, since], |row| row.get(0))?.unwrap_or(0);
    let mut reasons = db.all(BY_REASON, [queue], |row| Ok((row.get::<_, Option<String>>(0)?, count(row.get(1)?))))?;
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(DeadLetterFacts { oldest: oldest.map(moment), arrived: count(arrived), reasons })
}

/// Makes a queue for letters that are put aside, if it isn't there. Gives `false` for a name that none has.
pub(super) fn make(tx: &Tx<'_>, name: &str) -> rusqlite::Result<bool> {
    match names::find(tx, name)? {
        Some(ids) => Ok(ids.dead.is_none()),
        None if name.len() > DeadLetterKind::QUARANTINE.len() && name.ends_with(DeadLetterKind::QUARANTINE) => {
            names::quarantine(tx, name)?;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Why a queue isn't made.
pub(super) fn no_quarantine(name: &str) -> DeadLettersError {
    let name = name.escape_debug();
    DeadLettersError::Refused(format!(
        "`{name}` is no place to put letters aside; name it after its consumer: CONSUMER{}",
        DeadLetterKind::QUARANTINE
    ))
}

/// How a queue stands, if there is one of this name.
pub(super) fn backlog(db: &Connection, name: &str, now: i64) -> rusqlite::Result<Option<Backlog>> {
    let Some(ids) = names::find(db, name)? else { return Ok(None) };
    let depth = queue::depth(db, names::Ids { dead: None, ..ids }, now)?;
    let since: Option<i64> = db.one(WAITS_SINCE, params![ids.queue, now], |row| row.get(0))?.flatten();
    let oldest = since.map(|since| std::time::Duration::from_millis(count(now.saturating_sub(since))));
    Ok(Some(Backlog { waiting: depth.visible, in_flight: depth.in_flight, oldest }))
}
