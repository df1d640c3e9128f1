//! A letter as a row of the file.

use std::{borrow::Cow, collections::BTreeMap};

use rusqlite::{Row, Statement, params};
use sendoff_consumers::{Attributes, DeadLetter};
use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::letter::Letter;

/// Adds a row; one that is there already stays as it is.
pub(super) const ADD: &str =
    "INSERT INTO letters (id, message, body, facts, payload, ledger, edit) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (id) DO NOTHING";

/// Adds this letter by a statement of [`ADD`]. Gives how many are new.
pub(super) fn add(statement: &mut Statement<'_>, letter: &Letter) -> rusqlite::Result<usize> {
    statement.execute(params![
        letter.message.message_id,
        text(&MessageRow::of(&letter.message)),
        &*letter.message.body,
        text(&letter.facts),
        letter.payload.as_deref(),
        letter.ledger.as_ref().map(text),
        letter.edit.as_ref().map(text),
    ])
}

/// A message but for its id and body.
#[derive(Serialize, Deserialize)]
struct MessageRow<'a> {
    attributes: Cow<'a, Attributes>,
    #[serde(default, skip_serializing_if = "is_empty")]
    types: Cow<'a, BTreeMap<String, String>>,
    receive_count: u32,
    enqueued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Cow<'a, str>>,
}

fn is_empty(types: &BTreeMap<String, String>) -> bool {
    types.is_empty()
}

impl<'a> MessageRow<'a> {
    fn of(message: &'a DeadLetter) -> Self {
        Self {
            attributes: Cow::Borrowed(&message.attributes),
            types: Cow::Borrowed(&message.types),
            receive_count: message.receive_count,
            enqueued_at: message.enqueued_at,
            source: message.source.as_deref().map(Cow::Borrowed),
            group: message.group.as_deref().map(Cow::Borrowed),
        }
    }
}

/// The letter of a row with the columns `id, message, body, facts, payload, ledger, edit`.
pub(super) fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let MessageRow { attributes, types, receive_count, enqueued_at, source, group } =
        json(1, row.get_ref(1)?.as_str()?)?;
    let message = DeadLetter {
        message_id: row.get(0)?,
        body: row.get::<_, Vec<u8>>(2)?.into(),
        attributes: attributes.into_owned(),
        types: types.into_owned(),
        receive_count,
        enqueued_at,
        source: source.map(Cow::into_owned),
        group: group.map(Cow::into_owned),
    };
    Ok(Letter {
        message,
        facts: json(3, row.get_ref(3)?.as_str()?)?,
        payload: row.get::<_, Option<Vec<u8>>>(4)?.map(Into::into),
        ledger: row.get_ref(5)?.as_str_or_null()?.map(|text| json(5, text)).transpose()?,
        edit: row.get_ref(6)?.as_str_or_null()?.map(|text| json(6, text)).transpose()?,
    })
}

/// The value that stands as JSON in this column.
pub(super) fn json<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into()))
}

/// The value as JSON.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
