//! A letter in a line.

use sendoff_embedded::program::print::one_line;
use sendoff_events::{EventId, Timestamp};
use serde::Serialize;

use super::{loss, second, short, standing};
use crate::{
    letter::{Letter, Shape},
    redact::Redact,
    select::failed_at,
};

/// What stands over the lines.
pub const HEADING: [&str; 10] =
    ["MESSAGE", "FAILED", "LOST", "TYPE", "TENANT", "CONSUMER", "LEDGER", "REPLAYS", "GROUP", "ERROR"];

/// How much of an error a line holds, in characters.
const ERROR: usize = 80;

/// What is said of a letter in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The broker's name for it.
    pub message_id: String,
    /// Its event.
    #[serde(rename = "event")]
    pub event_id: Option<EventId>,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The consumer that it failed at.
    pub consumer: Option<String>,
    /// Who put it there.
    pub shape: Shape,
    /// Why it failed, in a word.
    pub reason: Option<String>,
    /// The fingerprint that it is grouped by.
    pub group: String,
    /// When it failed, as far as is known.
    pub failed_at: Timestamp,
    /// When the broker forgets it.
    pub lost_at: Option<Timestamp>,
    /// What its consumer has recorded: `none`, `claimed`, `done`, `in-doubt`, `failed`.
    pub ledger: String,
    /// How often it was replayed.
    pub replays: u32,
    /// How often it was received.
    pub receive_count: u32,
    /// Whether it is to be changed.
    pub edited: bool,
    /// The error in words, or why it can't be read.
    pub error: Option<String>,
}

impl Line {
    /// What is said of this letter.
    #[must_use]
    pub fn of(letter: &Letter, lost_at: Option<Timestamp>, redact: &Redact) -> Self {
        let facts = &letter.facts;
        let (event, failure) = (facts.event.as_ref(), facts.failure.as_ref());
        let error = failure.map(|failure| &failure.error).or(facts.unreadable.as_ref());
        Self {
            message_id: letter.message.message_id.clone(),
            event_id: event.map(|event| event.id),
            event_type: event.map(|event| event.r#type.clone()),
            tenant: event.map(|event| event.tenant.clone()),
            consumer: facts.consumer.clone(),
            shape: facts.shape,
            reason: failure.map(|failure| redact.text(&failure.reason).into_owned()),
            group: redact.text(letter.fingerprint()).into_owned(),
            failed_at: failed_at(letter),
            lost_at,
            ledger: standing(letter),
            replays: facts.replays,
            receive_count: letter.message.receive_count,
            edited: letter.edit.is_some(),
            error: error.map(|error| redact.text(error).into_owned()),
        }
    }

    /// Its cells under the [`HEADING`].
    #[must_use]
    pub fn cells(&self) -> [String; 10] {
        let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), one_line);
        let mut error = short(self.error.as_deref().unwrap_or("-"), ERROR);
        if self.edited {
            error.insert_str(0, "(edited) ");
        }
        [
            one_line(&self.message_id),
            second(self.failed_at),
            loss(self.lost_at),
            text(&self.event_type),
            text(&self.tenant),
            text(&self.consumer),
            self.ledger.clone(),
            self.replays.to_string(),
            one_line(&self.group),
            error,
        ]
    }
}
