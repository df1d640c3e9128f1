//! A message as it stands in its row, and as a consumer gets it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, Row};
use sendoff_consumers::{Attributes, DeadLetter, Delivery, FAILURE_ATTRIBUTE, Receipt};
use sendoff_events::EXTENDED_SIZE_ATTRIBUTE;

use crate::db::{
    columns::{moment, small},
    statements::{Run as _, statements},
};

statements! {
    EVENT = "SELECT type, tenant, body, payload_bytes FROM events WHERE seq = ?1";
}

/// The type of an attribute that is a number, in the words of SQS.
pub(crate) const NUMBER: &str = "Number";

/// The columns of [`Stored`], in order.
macro_rules! columns {
    () => {
        "id, lease, receives, sent_at, event, body, attributes, failure, silent, types, message_group"
    };
}

pub(crate) use columns;

/// The failure of a message that stands in a dead-letter queue for no known reason.
pub(crate) const UNKNOWN_FAILURE: &str = "null";

/// A message as it was read from its row.
pub(crate) struct Read<M> {
    /// Without what can't be read.
    pub(crate) message: M,
    /// What can't be read of it, and why.
    pub(crate) damage: Option<String>,
}

/// A message's row. Texts are as they stand there: one that is damaged must not keep the others from being read.
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) lease: i64,
    pub(crate) receives: i64,
    pub(crate) sent_at: i64,
    pub(crate) silent: i64,
    event: Option<i64>,
    body: Option<Vec<u8>>,
    attributes: Option<Vec<u8>>,
    failure: Option<Vec<u8>>,
    types: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
}

impl Stored {
    pub(crate) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_bytes_or_null()?.map(<[u8]>::to_vec));
        Ok(Self {
            id: row.get(0)?,
            lease: row.get(1)?,
            receives: row.get(2)?,
            sent_at: row.get(3)?,
            event: row.get(4)?,
            body: row.get(5)?,
            attributes: text(6)?,
            failure: text(7)?,
            silent: row.get(8)?,
            types: text(9)?,
            group: text(10)?,
        })
    }

    /// The message as a consumer gets it.
    pub(crate) fn deliver(mut self, db: &Connection) -> rusqlite::Result<Read<Delivery>> {
        let Content { body, attributes, damage } = self.content(db)?;
        let message = Delivery {
            receipt: receipt(self.id, self.lease),
            message_id: self.id.to_string(),
            body,
            attributes,
            receive_count: small(self.receives),
            sent_at: moment(self.sent_at),
        };
        Ok(Read { message, damage })
    }

    /// The message as whoever looks into a dead-letter queue gets it.
    pub(crate) fn letter(mut self, db: &Connection) -> rusqlite::Result<DeadLetter> {
        let Content { body, mut attributes, .. } = self.content(db)?;
        let mut types = BTreeMap::new();
        if let Some(text) = &self.types {
            match serde_json::from_slice(text) {
                Ok(read) => types = read,
                Err(_) => show_damaged(&mut attributes, "types", text),
            }
        }
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
            group: self.group.as_deref().map(lossy),
        })
    }

    /// Body and attributes, those of its event included.
    fn content(&mut self, db: &Connection) -> rusqlite::Result<Content> {
        let (mut attributes, mut damage) = (Attributes::new(), None);
        let mut body = self.body.take();
        if let Some(event) = self.event {
            let sent = db.one(EVENT, [event], |row| {
                for (column, name) in ["type", "tenant"].into_iter().enumerate() {
                    let text = row.get_ref(column)?.as_bytes()?;
                    match str::from_utf8(text) {
                        Ok(text) => drop(attributes.insert(name.into(), text.into())),
                        Err(error) => damage = Some(format!("the {name} of its event can't be read: {error}")),
                    }
                }
                if let Some(bytes) = row.get::<_, Option<i64>>(3)? {
                    attributes.insert(EXTENDED_SIZE_ATTRIBUTE.into(), bytes.to_string());
                }
                row.get(2)
            })?;
            body = body.or(sent);
        }
        if let Some(own) = &self.attributes {
            match serde_json::from_slice::<Attributes>(own) {
                Ok(own) => attributes.extend(own),
                Err(error) => {
                    show_damaged(&mut attributes, "attributes", own);
                    damage = Some(format!("its attributes can't be read: {error}"));
                }
            }
        }
        if let Some(failure) = self.failure.take().filter(|failure| failure != UNKNOWN_FAILURE.as_bytes()) {
            attributes.insert(FAILURE_ATTRIBUTE.into(), lossy(&failure));
        }
        Ok(Content { body: Bytes::from(body.unwrap_or_default()), attributes, damage })
    }
}

/// What a message holds.
struct Content {
    body: Bytes,
    attributes: Attributes,
    /// What can't be read of it, and why.
    damage: Option<String>,
}

/// Shows a column that can't be read to whoever repairs the message: as an attribute, as far as it is a text.
fn show_damaged(attributes: &mut Attributes, column: &str, text: &[u8]) {
    attributes.insert(format!("damaged-{column}"), lossy(text));
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
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
