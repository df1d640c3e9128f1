//! A message as it stands in its row, and as a consumer gets it.

use bytes::Bytes;
use rusqlite::{Connection, Row};
use sendoff_consumers::{Attributes, Delivery, FAILURE_ATTRIBUTE, Receipt};
use sendoff_events::EXTENDED_SIZE_ATTRIBUTE;

use crate::db::{
    columns::{from_json, moment, small},
    statements::{Run as _, statements},
};

statements! {
    EVENT = "SELECT type, tenant, body, payload_bytes FROM events WHERE seq = ?1";
}

/// The columns of [`Stored`], in order.
macro_rules! columns {
    () => {
        "id, lease, receives, sent_at, event, body, attributes, failure, silent"
    };
}

pub(crate) use columns;

/// The failure of a message that stands in a dead-letter queue for no known reason.
pub(crate) const UNKNOWN_FAILURE: &str = "null";

/// A message's row.
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) lease: i64,
    pub(crate) receives: i64,
    pub(crate) sent_at: i64,
    pub(crate) silent: i64,
    event: Option<i64>,
    body: Option<Vec<u8>>,
    attributes: Option<String>,
    failure: Option<String>,
}

impl Stored {
    pub(crate) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            lease: row.get(1)?,
            receives: row.get(2)?,
            sent_at: row.get(3)?,
            event: row.get(4)?,
            body: row.get(5)?,
            attributes: row.get(6)?,
            failure: row.get(7)?,
            silent: row.get(8)?,
        })
    }

    /// The message with its body and all attributes, those of its event included.
    pub(crate) fn deliver(self, db: &Connection) -> rusqlite::Result<Delivery> {
        let mut attributes = Attributes::new();
        let mut body = self.body;
        if let Some(event) = self.event {
            let sent = db.one(EVENT, [event], |row| {
                attributes.insert("type".into(), row.get(0)?);
                attributes.insert("tenant".into(), row.get(1)?);
                if let Some(bytes) = row.get::<_, Option<i64>>(3)? {
                    attributes.insert(EXTENDED_SIZE_ATTRIBUTE.into(), bytes.to_string());
                }
                row.get(2)
            })?;
            body = body.or(sent);
        }
        if let Some(own) = &self.attributes {
            attributes.extend(from_json::<Attributes>(6, own)?);
        }
        if let Some(failure) = self.failure.filter(|failure| failure != UNKNOWN_FAILURE) {
            attributes.insert(FAILURE_ATTRIBUTE.into(), failure);
        }
        Ok(Delivery {
            receipt: receipt(self.id, self.lease),
            message_id: self.id.to_string(),
            body: Bytes::from(body.unwrap_or_default()),
            attributes,
            receive_count: small(self.receives),
            sent_at: moment(self.sent_at),
        })
    }
}

/// A receipt names a message and one lease of it.
pub(crate) fn receipt(id: i64, lease: i64) -> Receipt {
    Receipt::new(format!("{id}-{lease}"))
}

/// The message and the lease that a receipt names. `None` when it isn't one of ours.
pub(crate) fn named(receipt: &Receipt) -> Option<(i64, i64)> {
    let (id, lease) = receipt.as_str().split_once('-')?;
    Some((id.parse().ok()?, lease.parse().ok()?))
}
