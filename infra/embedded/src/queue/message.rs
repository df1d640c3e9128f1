//! A message as it stands in its row, and as a consumer gets it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, Row};
use sendoff_consumers::{Attributes, DeadLetter, Delivery, FAILURE_ATTRIBUTE, Receipt};
use sendoff_events::EXTENDED_SIZE_ATTRIBUTE;

use crate::db::{
    columns::{from_json, moment, small},
    statements::{Run as _, statements},
};

statements! {
    EVENT = "SELECT type, tenant, body, payload_bytes FROM events WHERE seq = ?1";
}

/// The type of an attribute that is a number, in the words of SQS.
const NUMBER: &str = "Number";

/// The columns of [`Stored`], in order.
macro_rules! columns {
    () => {
        "id, lease, receives, sent_at, event, body, attributes, failure, silent, types, message_group"
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
    types: Option<String>,
    group: Option<String>,
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
            types: row.get(9)?,
            group: row.get(10)?,
        })
    }

    /// The message as a consumer gets it.
    pub(crate) fn deliver(mut self, db: &Connection) -> rusqlite::Result<Delivery> {
        let (body, attributes) = self.content(db)?;
        Ok(Delivery {
            receipt: receipt(self.id, self.lease),
            message_id: self.id.to_string(),
            body,
            attributes,
            receive_count: small(self.receives),
            sent_at: moment(self.sent_at),
        })
    }

    /// The message as whoever looks into a dead-letter queue gets it.
    pub(crate) fn letter(mut self, db: &Connection) -> rusqlite::Result<DeadLetter> {
        let (body, attributes) = self.content(db)?;
        let mut types: BTreeMap<String, String> =
            self.types.map(|types| from_json(9, &types)).transpose()?.unwrap_or_default();
        if self.event.is_some() && attributes.contains_key(EXTENDED_SIZE_ATTRIBUTE) {
            types.insert(EXTENDED_SIZE_ATTRIBUTE.into(), NUMBER.into());
        }
        Ok(DeadLetter {
            message_id: self.id.to_string(),
            body,
            attributes,
            types,
            receive_count: small(self.receives),
            enqueued_at: moment(self.sent_at),
            source: None,
            group: self.group,
        })
    }

    /// Body and attributes, those of its event included.
    fn content(&mut self, db: &Connection) -> rusqlite::Result<(Bytes, Attributes)> {
        let mut attributes = Attributes::new();
        let mut body = self.body.take();
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
        if let Some(failure) = self.failure.take().filter(|failure| failure != UNKNOWN_FAILURE) {
            attributes.insert(FAILURE_ATTRIBUTE.into(), failure);
        }
        Ok((Bytes::from(body.unwrap_or_default()), attributes))
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
