//! One letter of a plan.

use std::fmt;

use clap::ValueEnum;
use sendoff_events::{EventId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
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
    /// The digest of its message body. A letter with another body isn't the one that was planned.
    pub sha256: BodyDigest,
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

/// The SHA-256 of a message body. In the file 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest([u8; 32]);

impl BodyDigest {
    /// That of this body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }
}

impl Serialize for BodyDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for BodyDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Digits)
    }
}

/// Reads the digits where they stand: a million of them are read twice in a run.
struct Digits;

impl de::Visitor<'_> for Digits {
    type Value = BodyDigest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SHA-256 of 64 hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<BodyDigest, E> {
        let mut bytes = [0; 32];
        let read = hex::decode_to_slice(text, &mut bytes);
        read.map(|()| BodyDigest(bytes)).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
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
        let line = |sha256: &str| {
            let line = serde_json::json!({
                "message_id": "m", "sha256": sha256, "forecast": "run", "action": "send", "replay": 1,
            });
            serde_json::from_str::<Entry>(&line.to_string())
        };
        let digits = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5";
        let entry = line(digits).unwrap();
        assert_eq!(entry.sha256, BodyDigest::of(b"body"));
        assert_ne!(entry.sha256, BodyDigest::of(b"bodx"));
        assert_eq!(serde_json::to_value(&entry).unwrap()["sha256"], digits);
        for wrong in ["", &digits[..62], &format!("{digits}00"), &digits.replace('2', "g")] {
            let why = line(wrong).unwrap_err().to_string();
            assert!(why.contains("a SHA-256 of 64 hexadecimal digits"), "{why}");
        }
    }
}
