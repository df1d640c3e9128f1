//! A record of the table's stream, as DynamoDB Streams gives it and as a Lambda function gets it, and what it tells of.

use aws_sdk_dynamodbstreams::types::{OperationType, Record};
use sendoff_consumers::{Change, Position};
use sendoff_events::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    item::{Damage, Item},
    outbox::Stored,
    records::Image,
    tables::records::{PK, SK},
};

/// Who deletes what has expired
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html>).
const TTL: &str = "dynamodb.amazonaws.com";

/// One write of one item.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Sent")]
pub(crate) struct StreamRecord {
    /// Its number in its shard: what a partial batch response names.
    pub(crate) sequence: String,
    is_insert: bool,
    by_ttl: bool,
    at: Timestamp,
    old: Option<Item>,
    new: Option<Item>,
}

impl StreamRecord {
    /// A record of a shard. `None` for one without a sequence number, which there isn't.
    pub(crate) fn of(record: Record) -> Option<Self> {
        let data = record.dynamodb?;
        let at = data.approximate_creation_date_time.and_then(|at| Timestamp::from_second(at.secs()).ok());
        Some(Self {
            sequence: data.sequence_number?,
            is_insert: record.event_name == Some(OperationType::Insert),
            by_ttl: record.user_identity.and_then(|user| user.principal_id).is_some_and(|who| who == TTL),
            at: at.unwrap_or(Timestamp::UNIX_EPOCH),
            old: data.old_image.map(Item::from),
            new: data.new_image.map(Item::from),
        })
    }

    /// The change of a record that it tells of; `None` when it is about something else: an event of the outbox, a request
    /// key, what TTL deleted, or an attribute that isn't the record's.
    ///
    /// # Errors
    ///
    /// [`Damage`] when the item isn't a record although it stands where records stand.
    pub(crate) fn change(&self) -> Result<Option<Change>, Damage> {
        let is_record = self.new.as_ref().or(self.old.as_ref()).is_some_and(Image::is_one);
        if !is_record || self.by_ttl {
            return Ok(None);
        }
        let old = self.old.as_ref().map(Image::of).transpose()?;
        let new = match &self.new {
            Some(new) => Image::of(new)?,
            // Somebody deleted the item itself, past this program, which leaves a trace of what it deletes.
            None => match old.clone().filter(|old| old.data.is_some()) {
                Some(old) => {
                    Image { version: old.version + 1, data: None, actor: "unknown".into(), at: self.at, ..old }
                }
                None => return Ok(None),
            },
        };
        if old.as_ref().is_some_and(|old| old.version == new.version) {
            return Ok(None);
        }
        Ok(Some(Change {
            // Sorts within its shard; whoever brings shards together gives another.
            position: Position(format!("{:0>40}", self.sequence)),
            key: new.key,
            version: new.version,
            actor: new.actor,
            at: new.at,
            old: old.and_then(|old| old.data),
            new: new.data,
        }))
    }

    /// The record in the form in which a Lambda function gets it.
    pub(super) fn to_json(&self) -> Value {
        let Self { sequence, is_insert, at, old, new, .. } = self;
        let name = match new {
            None => "REMOVE",
            Some(_) if *is_insert => "INSERT",
            Some(_) => "MODIFY",
        };
        let mut data = json!({ "SequenceNumber": sequence, "ApproximateCreationDateTime": at.as_second() });
        for (name, image) in [("OldImage", old), ("NewImage", new)] {
            if let Some(image) = image {
                data[name] = image.to_json();
                data["Keys"] = json!({ PK: data[name][PK], SK: data[name][SK] });
            }
        }
        json!({ "eventName": name, "dynamodb": data })
    }

    /// The event that was committed to the outbox, if it tells of one that was still to be published then.
    ///
    /// # Errors
    ///
    /// [`Damage`] when the item isn't an event although it stands where events stand.
    pub(crate) fn outbox_event(&self) -> Result<Option<Stored>, Damage> {
        match &self.new {
            Some(item) if self.is_insert && Stored::is_one(item) => {
                Stored::of(item).map(|stored| Some(stored).filter(|stored| stored.is_pending))
            }
            _ => Ok(None),
        }
    }
}

/// A record in the form in which a Lambda function gets it
/// (<https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    #[serde(default)]
    event_name: String,
    dynamodb: SentData,
    user_identity: Option<SentIdentity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentData {
    sequence_number: String,
    /// Seconds since 1970, sometimes with a fraction.
    #[serde(default)]
    approximate_creation_date_time: f64,
    old_image: Option<Item>,
    new_image: Option<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentIdentity {
    principal_id: Option<String>,
}

impl From<Sent> for StreamRecord {
    fn from(sent: Sent) -> Self {
        let data = sent.dynamodb;
        let millis = (data.approximate_creation_date_time * 1000.0) as i64;
        Self {
            sequence: data.sequence_number,
            is_insert: sent.event_name == "INSERT",
            by_ttl: sent.user_identity.and_then(|user| user.principal_id).is_some_and(|who| who == TTL),
            at: Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH),
            old: data.old_image,
            new: data.new_image,
        }
    }
}
