//! Leasing messages: what a receive does in the writer.

use rusqlite::{Connection, params};
use sendoff_consumers::{Class, Failure, fingerprint, scrub};

use super::{
    message::{Read, Stored, columns},
    names::Ids,
};
use crate::db::{
    Errands, Tx,
    columns::{later, moment, small},
    statements::{Run as _, statements},
};

statements! {
    LEASE = concat!(
        "UPDATE messages SET visible_at = ?4, held = 1, lease = lease + 1, receives = receives + 1,
            silent = silent + 1
        WHERE id IN (SELECT id FROM messages WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at LIMIT ?3)
        RETURNING ", columns!()
    );
    NEXT = "SELECT min(visible_at) FROM messages WHERE queue = ?1";
    UNDO = "UPDATE messages SET visible_at = ?3, held = 0, lease = lease + 1, receives = receives - 1,
            silent = silent - 1
        WHERE id = ?1 AND lease = ?2";
    BURY = "UPDATE messages SET queue = ?2, visible_at = ?3, held = 0, lease = lease + 1, failure = ?4,
        dead_at = ?3 WHERE id = ?1";
}

/// What to lease.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) ids: Ids,
    pub(crate) name: String,
    pub(crate) max: i64,
    pub(crate) lease: std::time::Duration,
    /// More deliveries than this in a row without a verdict, and the message is dead.
    pub(crate) max_receives: u32,
}

/// Leased messages on their way to whoever asked. If nobody takes them, they go back at once, as if never leased.
pub(crate) struct Leased<M> {
    /// Each with its id and its lease.
    messages: Vec<(i64, i64, M)>,
    /// When there are none: the time at which the next one becomes visible, as far as is known.
    pub(crate) next: Option<i64>,
    queue: i64,
    errands: Errands,
}

impl<M> Leased<M> {
    /// Those of `queue`, none yet.
    pub(crate) fn new(queue: i64, errands: Errands) -> Self {
        Self { messages: Vec::new(), next: None, queue, errands }
    }

    /// Adds a message that was leased.
    pub(crate) fn push(&mut self, id: i64, lease: i64, message: M) {
        self.messages.push((id, lease, message));
    }

    /// Takes the messages: from now on their leases are the taker's.
    pub(crate) fn take(mut self) -> Vec<M> {
        std::mem::take(&mut self.messages).into_iter().map(|(_, _, message)| message).collect()
    }
}

impl<M> Drop for Leased<M> {
    fn drop(&mut self) {
        let untaken: Vec<_> = self.messages.iter().map(|(id, lease, _)| (*id, *lease)).collect();
        if untaken.is_empty() {
            return;
        }
        let queue = self.queue;
        self.errands.send(move |tx| {
            for (id, lease) in untaken {
                tx.run(UNDO, params![id, lease, tx.now])?;
            }
            tx.wake(queue);
            Ok(())
        });
    }
}

/// Leases what is visible. Messages that were delivered too often, and those that can't be read, go to the dead-letter queue
/// instead, if there is one.
pub(crate) fn lease<M>(
    tx: &Tx<'_>,
    wanted: &Wanted,
    errands: Errands,
    deliver: impl Fn(Stored, &Connection) -> rusqlite::Result<Read<M>>,
) -> rusqlite::Result<Leased<M>> {
    let mut leased = Leased::new(wanted.ids.queue, errands);
    let until = later(tx.now, wanted.lease);
    while leased.messages.is_empty() {
        let range = params![wanted.ids.queue, tx.now, wanted.max, until];
        let mut rows = tx.all(LEASE, range, Stored::of)?;
        if rows.is_empty() {
            leased.next = tx.one(NEXT, [wanted.ids.queue], |row| row.get(0))?.flatten();
            break;
        }
        // An UPDATE gives its rows in no certain order.
        rows.sort_by_key(|row| row.id);
        for row in rows {
            let (id, lease, sent_at, silent) = (row.id, row.lease, row.sent_at, row.silent);
            if let Some(dead) = wanted.ids.dead
                && silent > i64::from(wanted.max_receives)
            {
                bury(tx, id, dead, &never_judged(tx, wanted, sent_at, silent))?;
                continue;
            }
            let Read { message, damage } = deliver(row, tx)?;
            match (wanted.ids.dead, damage) {
                (Some(dead), Some(damage)) => bury(tx, id, dead, &unreadable(tx, wanted, (id, sent_at), &damage))?,
                _ => leased.push(id, lease, message),
            }
        }
    }
    Ok(leased)
}

/// The failure of a message that has never come to a verdict: SQS moves it by its redrive policy.
fn never_judged(tx: &Tx<'_>, wanted: &Wanted, sent_at: i64, silent: i64) -> Failure {
    const REASON: &str = "receive-count-exceeded";
    let attempts = small(silent - 1);
    let error = format!("it was delivered {attempts} times in a row and its consumer never said what became of it");
    Failure {
        reason: REASON.into(),
        class: Class::Crashed,
        fingerprint: fingerprint(REASON, &error),
        consumer: wanted.name.clone(),
        attempts,
        first_at: moment(sent_at),
        last_at: moment(tx.now),
        error,
    }
}

/// The failure of a message whose row is damaged: nobody could handle it, and it must not keep its queue from the others.
fn unreadable(tx: &Tx<'_>, wanted: &Wanted, (id, sent_at): (i64, i64), damage: &str) -> Failure {
    const REASON: &str = "message-damaged";
    tracing::error!(
        queue = wanted.name,
        message_id = id,
        reason = REASON,
        "a message can't be read and is dead-lettered"
    );
    Failure {
        reason: REASON.into(),
        class: Class::Undecodable,
        fingerprint: fingerprint(REASON, damage),
        consumer: wanted.name.clone(),
        attempts: 0,
        first_at: moment(sent_at),
        last_at: moment(tx.now),
        error: scrub(damage),
    }
}

/// Moves a message to the dead-letter queue.
fn bury(tx: &Tx<'_>, id: i64, dead: i64, failure: &Failure) -> rusqlite::Result<()> {
    tx.run(BURY, params![id, dead, tx.now, failure.to_attribute()])?;
    tx.wake(dead);
    Ok(())
}
