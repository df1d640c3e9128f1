//! Rows of the stream that can't be read as changes: they are put aside as they stand there, so that the stream goes on.

use rusqlite::{Row, params, types::ValueRef};
use sendoff_consumers::{ChangesError, Class, Failure, Position, fingerprint, scrub};
use serde_json::{Value, json};

use super::{CHECKPOINT, Letter, park, position, unavailable};
use crate::{
    db::{
        Db,
        columns::{count, moment},
        statements::Run as _,
    },
    queue::names,
};

/// A row that can't be read.
pub(super) struct Unreadable {
    seq: i64,
    position: Position,
    tenant: String,
    body: Value,
    why: String,
}

impl Unreadable {
    /// What can be read of it: an image that isn't JSON stands there as a text.
    pub(super) fn of(row: &Row<'_>, error: &rusqlite::Error) -> rusqlite::Result<Self> {
        let bytes = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default());
        let text = |column| Ok::<_, rusqlite::Error>(String::from_utf8_lossy(bytes(column)?).into_owned());
        let image = |column| match row.get_ref(column)? {
            ValueRef::Null => Ok(Value::Null),
            _ => match serde_json::from_slice(bytes(column)?) {
                Ok(read) => Ok(read),
                Err(_) => text(column).map(Value::String),
            },
        };
        let (position, tenant) = (position(row)?, text(1)?);
        let body = json!({
            "position": position.0,
            "tenant": tenant,
            "collection": text(2)?,
            "id": text(3)?,
            "version": count(row.get(4)?),
            "actor": text(5)?,
            "at": moment(row.get(6)?),
            "old": image(7)?,
            "new": image(8)?,
        });
        Ok(Self { seq: row.get(0)?, position, tenant, body, why: error.to_string() })
    }
}

/// Puts these aside and goes on beyond them, in one step: each stands in the reaction's dead-letter queue once. Everything before
/// them must be dealt with.
pub(super) async fn put_aside(db: &Db, reaction: &str, rows: Vec<Unreadable>) -> Result<(), ChangesError> {
    const REASON: &str = "record-damaged";
    names::check(reaction).map_err(ChangesError)?;
    let positions: Vec<Position> = rows.iter().map(|row| row.position.clone()).collect();
    let name = reaction.to_owned();
    let done = db.write_isolated(move |tx| {
        for Unreadable { seq, position, tenant, body, why } in rows {
            let failure = Failure {
                reason: REASON.into(),
                class: Class::Undecodable,
                fingerprint: fingerprint(REASON, &why),
                consumer: name.clone(),
                attempts: 0,
                first_at: moment(tx.now),
                last_at: moment(tx.now),
                error: scrub(&why),
            };
            park(tx, &name, &Letter { position, tenant, body, failure: failure.to_attribute() })?;
            tx.run(CHECKPOINT, params![name, seq])?;
        }
        Ok(())
    });
    done.await.map_err(unavailable)?;
    for Position(position) in positions {
        tracing::error!(reaction, position, reason = REASON, "a change can't be read and is put aside");
    }
    Ok(())
}
