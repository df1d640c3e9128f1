//! One letter of a plan.

use std::fmt;

use clap::ValueEnum;
use sendoff_events::{EventId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What would become of a letter if it were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Forecast {
    /// It runs.
    Run,
    /// It was edited: its new event runs, and the old one never does.
    Edited,
    /// It runs, if it is still there when its turn comes.
    LostBeforeItsTurn,
    /// Its consumer has done it already: nothing would happen.
    Done,
    /// Its effect may have happened. A person has to settle that first.
    InDoubt,
    /// A newer version of what it tells of is there already.
    Overtaken,
    /// It is older than what its consumer remembers, and would be parked.
    TooOld,
    /// It was replayed so often that once more is no cure.
    Loop,
    /// It can't be sent as it was.
    Unsendable,
    /// Another letter of its event was edited: only one of the two is sent.
    Replaced,
    /// It carries no event that can be read: its consumer would put it back.
    Unreadable,
}

impl Forecast {
    /// Whether it is sent when nobody says otherwise.
    #[must_use]
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Run | Self::Edited | Self::LostBeforeItsTurn)
    }

    /// What it means, in a line.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Run => "it runs",
            Self::Edited => "its new event runs, and the old one never does",
            Self::LostBeforeItsTurn => "the broker may have forgotten it when its turn comes",
            Self::Done => "done already: its consumer would skip it",
            Self::InDoubt => "its effect may have happened: settle it with `sendoff doubt resolve`",
            Self::Overtaken => "a newer version of what it tells of is there",
            Self::TooOld => "older than what its consumer remembers: it would be parked",
            Self::Loop => "replayed too often already",
            Self::Unsendable => "it can't be sent as it was: `dlq show` says why",
            Self::Replaced => "another letter of its event was edited: the new event runs instead",
            Self::Unreadable => "no event that can be read: its consumer would put it back",
        }
    }
}

/// As in the file.
impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "run",
            Self::Edited => "edited",
            Self::LostBeforeItsTurn => "lost-before-its-turn",
            Self::Done => "done",
            Self::InDoubt => "in-doubt",
            Self::Overtaken => "overtaken",
            Self::TooOld => "too-old",
            Self::Loop => "loop",
            Self::Unsendable => "unsendable",
            Self::Replaced => "replaced",
            Self::Unreadable => "unreadable",
        })
    }
}

/// What the run does with a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Sends it.
    Send,
    /// Leaves it where it is.
    Leave,
}

/// A letter of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its message id in the dead-letter queue.
    #[serde(rename = "message_id", alias = "id")]
    pub id: String,
    /// SHA-256 of its message body, 64 hexadecimal digits. A letter with another body isn't the one that was planned.
    pub sha256: String,
    /// Whether it is sent as it stands, without its failure: its body is the event, and nothing of it was wrapped or put aside. Then
    /// nobody has to look into it again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub as_it_stands: bool,
    /// The event that is sent: of an edited letter, the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// The old event of an edited letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<EventId>,
    /// The event's type and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// The consumer that it failed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// What would become of it.
    pub forecast: Forecast,
    /// Why, where the forecast alone doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What is done with it.
    pub action: Action,
    /// The replay count that it is sent with.
    pub replay: u32,
    /// When the broker forgets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<Timestamp>,
    /// The whole new envelope of an edited letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<String>,
}

impl Entry {
    /// The [`sha256`](Self::sha256) of a letter with this body.
    #[must_use]
    pub fn hash_of(body: &[u8]) -> String {
        format!("{:x}", Sha256::digest(body))
    }

    /// Whether it is of a letter with this body.
    #[must_use]
    pub fn is_of(&self, body: &[u8]) -> bool {
        // Done for each letter of a run, where making a text of it would be felt.
        let halves = Sha256::digest(body).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        halves.map(|half| b"0123456789abcdef"[usize::from(half)]).eq(self.sha256.bytes())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_the_body_that_it_was_made_of_and_of_no_other() {
        let entry: Entry = serde_json::from_value(serde_json::json!({
            "message_id": "m", "sha256": Entry::hash_of(b"body"), "forecast": "run", "action": "send", "replay": 1,
        }))
        .unwrap();
        assert_eq!(entry.sha256, "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5");
        assert!(entry.is_of(b"body") && !entry.is_of(b"bodx"));
        let cut = Entry { sha256: entry.sha256[..62].to_owned(), ..entry.clone() };
        assert!(!cut.is_of(b"body"));
        assert!(!Entry { sha256: entry.sha256.to_uppercase(), ..entry }.is_of(b"body"));
    }
}
