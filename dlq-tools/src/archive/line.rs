//! A letter as a line of an archive: everything that it takes to send it again byte for byte, and what was known of it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use sendoff_consumers::{Attributes, DeadLetter};
use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::letter::{Edit, Facts, LedgerFacts, Letter};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    message_id: String,
    body: Content,
    attributes: Attributes,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    types: BTreeMap<String, String>,
    receive_count: u32,
    enqueued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    facts: Facts,
    /// What the claim check pointed to: by the time that the letter is put back, it may not be there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ledger: Option<LedgerFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edit: Option<Edit>,
}

/// Bytes, as a text where they are one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(String),
    Base64(String),
}

impl Content {
    fn of(bytes: &Bytes) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(bytes)),
        }
    }

    fn bytes(self) -> Result<Bytes, String> {
        match self {
            Self::Text(text) => Ok(text.into()),
            Self::Base64(text) => BASE64_STANDARD.decode(text).map(Bytes::from).map_err(|error| error.to_string()),
        }
    }
}

impl From<&Letter> for Line {
    fn from(letter: &Letter) -> Self {
        let DeadLetter { message_id, body, attributes, types, receive_count, enqueued_at, source, group } =
            letter.message.clone();
        Self {
            message_id,
            body: Content::of(&body),
            attributes,
            types,
            receive_count,
            enqueued_at,
            source,
            group,
            facts: letter.facts.clone(),
            payload: letter.payload.as_ref().map(Content::of),
            ledger: letter.ledger.clone(),
            edit: letter.edit.clone(),
        }
    }
}

impl Line {
    pub(super) fn letter(self) -> Result<Letter, String> {
        let Self { message_id, body, attributes, types, receive_count, enqueued_at, source, group, .. } = self;
        let body = body.bytes()?;
        let payload = self.payload.map(Content::bytes).transpose()?;
        let message = DeadLetter { message_id, body, attributes, types, receive_count, enqueued_at, source, group };
        Ok(Letter { message, facts: self.facts, payload, ledger: self.ledger, edit: self.edit })
    }
}
