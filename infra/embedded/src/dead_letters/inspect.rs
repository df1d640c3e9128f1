//! Dead letters: looking at them without touching them, and giving them another chance.

use rusqlite::{Connection, params};
use sendoff_consumers::{Attributes, Delivery, FAILURE_ATTRIBUTE, Failure, REPLAY_ATTRIBUTE};

use crate::{
    Store, StoreError,
    db::{
        Tx,
        columns::{count, from_json, int},
        statements::{Run as _, statements},
    },
    queue::{
        message::{Stored, columns},
        names, own,
    },
};

statements! {
    LIST = concat!(
        "SELECT ", columns!(), " FROM messages WHERE queue = ?1 AND failure IS NOT NULL AND id > ?2 ORDER BY id LIMIT ?3"
    );
    BY_REASON = "SELECT failure ->> 'reason', count(*) FROM messages INDEXED BY messages_by_reason
        WHERE queue = ?1 AND failure IS NOT NULL GROUP BY failure ->> 'reason'";
    FIND = "SELECT attributes, held = 1 AND visible_at > ?3 FROM messages WHERE id = ?1 AND queue = ?2";
    ATTRIBUTES = "SELECT attributes FROM messages WHERE id = ?1";
    MOVE_BACK = "UPDATE messages SET queue = ?2, visible_at = ?3, held = 0, lease = lease + 1, receives = 0, silent = 0,
        failure = NULL, dead_at = NULL, key = NULL, attributes = ?4 WHERE id = ?1";
}

/// A message that failed for good, as it stands in its dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The message: its id, body, attributes (the failure among them), receive count and first send. Its receipt names the
    /// latest lease, whoever has it.
    pub message: Delivery,
    /// Why it is here; `None` when nobody said.
    pub failure: Option<Failure>,
}

/// How many dead letters have the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonCount {
    /// The reason; `None` when nobody said.
    pub reason: Option<String>,
    /// How many.
    pub count: u64,
}

/// What became of the replay of one dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// It stands in the source queue again, ready to be received.
    Yes,
    /// Somebody has leased it from the dead-letter queue. Nothing was done.
    Leased,
    /// It isn't in the dead-letter queue (any more). Nothing was done.
    Gone,
}

impl Store {
    /// The dead letters of `queue`, ordered by message id, at most `limit`, without touching them. `after` is the message id
    /// of the last one seen.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchQueue`]; [`StoreError::Refused`] when `after` isn't a message id; and when the file can't be read.
    pub async fn dead_letters(
        &self,
        queue: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let (dead, _) = self.dead_letter_queue(queue).await?;
        let after = match after {
            None => 0,
            Some(id) => id.parse().map_err(|_| StoreError::Refused(format!("`{id}` is not a message id")))?,
        };
        self.db.read(move |db| list(db, dead, after, limit)).await
    }

    /// How many dead letters of `queue` there are for each reason, the most frequent first.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchQueue`]; and when the file can't be read.
    pub async fn failures(&self, queue: &str) -> Result<Vec<ReasonCount>, StoreError> {
        let (dead, _) = self.dead_letter_queue(queue).await?;
        self.db.read(move |db| by_reason(db, dead)).await
    }

    /// Moves dead letters back to their queue, in one transaction. Each loses its failure, its replay count rises by one and
    /// its receives count anew. Gives what became of each, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchQueue`]; [`StoreError::Refused`] for the dead letters of a reaction, which has no queue to move
    /// them to; and when the file can't be written: nothing was moved then.
    pub async fn replay(&self, queue: &str, message_ids: &[String]) -> Result<Vec<Replayed>, StoreError> {
        let (dead, source) = self.dead_letter_queue(queue).await?;
        let Some(source) = source else {
            let name = names::dead_letter_name(queue);
            return Err(StoreError::Refused(format!(
                "`{name}` holds changes of a reaction, which has no queue to replay to"
            )));
        };
        // An id that isn't one is in no queue.
        let ids: Vec<Option<i64>> = message_ids.iter().map(|id| id.parse().ok()).collect();
        let replay = self.db.write_isolated(move |tx| {
            let one = |id: Option<i64>| id.map_or(Ok(Replayed::Gone), |id| replay_one(tx, dead, source, id));
            ids.into_iter().map(one).collect()
        });
        replay.await
    }

    async fn dead_letter_queue(&self, queue: &str) -> Result<(i64, Option<i64>), StoreError> {
        let asked = queue.to_owned();
        let found = self.db.read(move |db| names::dead_letters(db, &asked)).await?;
        found.ok_or_else(|| StoreError::NoSuchQueue(names::dead_letter_name(queue)))
    }
}

fn list(db: &Connection, queue: i64, after: i64, limit: usize) -> rusqlite::Result<Vec<DeadLetter>> {
    let rows = db.all(LIST, params![queue, after, int(limit as u64)], Stored::of)?;
    let letter = |row: Stored| {
        let message = row.deliver(db)?;
        let failure = message.attributes.get(FAILURE_ATTRIBUTE).map(|text| from_json(7, text)).transpose()?;
        Ok(DeadLetter { message, failure })
    };
    rows.into_iter().map(letter).collect()
}

fn by_reason(db: &Connection, queue: i64) -> rusqlite::Result<Vec<ReasonCount>> {
    let mut reasons =
        db.all(BY_REASON, [queue], |row| Ok(ReasonCount { reason: row.get(0)?, count: count(row.get(1)?) }))?;
    reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
    Ok(reasons)
}

/// Moves a dead letter back to `source`, because somebody has settled what it waited for: this is no replay. Its failure is
/// gone, and its receives count anew.
pub(crate) fn move_back(tx: &Tx<'_>, id: i64, source: i64) -> rusqlite::Result<()> {
    let attributes: Option<String> = tx.one(ATTRIBUTES, [id], |row| row.get(0))?.flatten();
    let mut attributes: Attributes = attributes.map(|text| from_json(0, &text)).transpose()?.unwrap_or_default();
    attributes.remove(FAILURE_ATTRIBUTE);
    tx.run(MOVE_BACK, params![id, source, tx.now, own(&attributes)?])?;
    tx.wake(source);
    Ok(())
}

/// Moves a dead letter back to its source: the failure is gone, the replay count is one higher, and receives count anew.
fn replay_one(tx: &Tx<'_>, dead: i64, source: i64, id: i64) -> rusqlite::Result<Replayed> {
    let found = tx.one(FIND, params![id, dead, tx.now], |row| Ok((row.get::<_, Option<String>>(0)?, row.get(1)?)))?;
    let attributes = match found {
        None => return Ok(Replayed::Gone),
        Some((_, true)) => return Ok(Replayed::Leased),
        Some((attributes, false)) => attributes,
    };
    let mut attributes: Attributes = attributes.map(|text| from_json(0, &text)).transpose()?.unwrap_or_default();
    let before: u32 = attributes.get(REPLAY_ATTRIBUTE).and_then(|count| count.parse().ok()).unwrap_or(0);
    attributes.insert(REPLAY_ATTRIBUTE.into(), before.saturating_add(1).to_string());
    attributes.remove(FAILURE_ATTRIBUTE);
    tx.run(MOVE_BACK, params![id, source, tx.now, own(&attributes)?])?;
    tx.wake(source);
    Ok(Replayed::Yes)
}
