//! What people did by hand: who, when, what, and why. It can only be added to; the tables see to it.

use rusqlite::{Row, params};
use sendoff_events::{EventId, Timestamp};

use crate::{
    Store, StoreError,
    db::{
        Tx,
        columns::{event_id, moment},
        statements::{Run as _, statements},
    },
};

macro_rules! columns {
    () => {
        "seq, at, who, action, event, target, because"
    };
}

statements! {
    ADD = "INSERT INTO audit (at, who, action, event, target, because) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    ALL = concat!("SELECT ", columns!(), " FROM audit WHERE seq > 0 ORDER BY seq");
    OF_EVENT = concat!("SELECT ", columns!(), " FROM audit WHERE event = ?1 ORDER BY seq");
}

/// Something that a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who, as they said themselves.
    pub who: String,
    /// What: `doubt-sent`, `doubt-send-again`.
    pub action: String,
    /// The event that it was about.
    pub event: Option<EventId>,
    /// What it was done to: a delivery id.
    pub target: String,
    /// Why, in their words.
    pub because: String,
}

impl Store {
    /// Everything that people did, or what they did about one event, the oldest first.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub async fn audit(&self, event: Option<EventId>) -> Result<Vec<AuditEntry>, StoreError> {
        self.db
            .read(move |db| match event {
                Some(event) => db.all(OF_EVENT, [event.as_bytes()], entry),
                None => db.all(ALL, [], entry),
            })
            .await
    }
}

/// Adds an entry, as of now.
pub(crate) fn add(
    tx: &Tx<'_>,
    who: &str,
    action: &str,
    event: Option<EventId>,
    target: &str,
    because: &str,
) -> rusqlite::Result<()> {
    tx.run(ADD, params![tx.now, who, action, event.as_ref().map(EventId::as_bytes), target, because]).map(drop)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        at: moment(row.get(1)?),
        who: row.get(2)?,
        action: row.get(3)?,
        event: row.get::<_, Option<[u8; 16]>>(4)?.map(event_id),
        target: row.get(5)?,
        because: row.get(6)?,
    })
}
