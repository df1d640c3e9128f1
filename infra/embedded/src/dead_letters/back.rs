//! Bringing a dead letter back to its queue, because somebody has settled what it waited for.

use rusqlite::params;
use sendoff_consumers::{Attributes, FAILURE_ATTRIBUTE};

use crate::{
    db::{
        Tx,
        columns::from_json,
        statements::{Run as _, statements},
    },
    queue::own,
};

statements! {
    ATTRIBUTES = "SELECT attributes FROM messages WHERE id = ?1";
    MOVE_BACK = "UPDATE messages SET queue = ?2, visible_at = ?3, held = 0, lease = lease + 1, receives = 0, silent = 0,
        failure = NULL, dead_at = NULL, key = NULL, attributes = ?4 WHERE id = ?1";
}

/// Moves a dead letter back to `source`. This is no replay: it isn't counted as one. Its failure is gone, and its receives count
/// anew.
pub(crate) fn move_back(tx: &Tx<'_>, id: i64, source: i64) -> rusqlite::Result<()> {
    let attributes: Option<String> = tx.one(ATTRIBUTES, [id], |row| row.get(0))?.flatten();
    let mut attributes: Attributes = attributes.map(|text| from_json(0, &text)).transpose()?.unwrap_or_default();
    attributes.remove(FAILURE_ATTRIBUTE);
    tx.run(MOVE_BACK, params![id, source, tx.now, own(&attributes)?])?;
    tx.wake(source);
    Ok(())
}
