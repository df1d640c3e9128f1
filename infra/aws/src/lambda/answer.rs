//! The answer to a batch: which of its records have to come again.

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// What a record is reported by: a message id, or a sequence number. Never empty, for Lambda takes an empty one to mean
/// that the whole batch has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemId(String);

impl ItemId {
    /// The id with this text, unless it is empty.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is dealt with: Lambda deletes the message, or moves on in the stream.
    Done,
    /// It has to come again.
    Failed,
}

/// A partial batch response
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting>).
///
/// There is no way to make one without saying of every record what became of it: a record that isn't named counts as done,
/// and a message that is forgotten here is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "without the answer Lambda takes every record for done"]
pub struct Answer(Vec<ItemId>);

impl Answer {
    /// The answer for a batch of messages. `outcome` is asked of every one of them, by its place.
    pub fn to_messages(batch: impl IntoIterator<Item = ItemId>, outcome: impl Fn(usize) -> Outcome) -> Self {
        Self(failed(batch, outcome).collect())
    }

    /// The answer for a batch of a stream, whose records come in the order of their sequence numbers. Lambda goes on from the
    /// lowest number that failed, so only that one is named. `outcome` is asked of every record, by its place.
    pub fn to_stream(batch: impl IntoIterator<Item = ItemId>, outcome: impl Fn(usize) -> Outcome) -> Self {
        let mut failed = failed(batch, outcome);
        let lowest = failed.next();
        // Asked of all of them nevertheless: an answer speaks for the whole batch.
        failed.for_each(drop);
        Self(lowest.into_iter().collect())
    }

    /// What has to come again.
    #[must_use]
    pub fn failures(&self) -> &[ItemId] {
        &self.0
    }
}

fn failed(batch: impl IntoIterator<Item = ItemId>, outcome: impl Fn(usize) -> Outcome) -> impl Iterator<Item = ItemId> {
    batch.into_iter().enumerate().filter(move |(place, _)| outcome(*place) == Outcome::Failed).map(|(_, id)| id)
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Failure<'a> {
            item_identifier: &'a str,
        }
        let failures: Vec<_> = self.0.iter().map(|id| Failure { item_identifier: &id.0 }).collect();
        let mut answer = serializer.serialize_struct("Answer", 1)?;
        answer.serialize_field("batchItemFailures", &failures)?;
        answer.end()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    fn ids(texts: &[&str]) -> Vec<ItemId> {
        texts.iter().map(|text| ItemId::new(text).unwrap()).collect()
    }

    #[test]
    fn every_record_is_asked_for_and_the_failed_ones_are_named() {
        let asked = Cell::new(0);
        let answer = Answer::to_messages(ids(&["a", "b", "c"]), |place| {
            asked.set(asked.get() + 1);
            if place == 1 { Outcome::Done } else { Outcome::Failed }
        });
        assert_eq!(asked.get(), 3);
        let expected = json!({ "batchItemFailures": [{ "itemIdentifier": "a" }, { "itemIdentifier": "c" }] });
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
    }

    #[test]
    fn of_a_stream_only_the_lowest_number_that_failed_is_named() {
        let outcomes = [Outcome::Done, Outcome::Failed, Outcome::Done, Outcome::Failed];
        let answer = Answer::to_stream(ids(&["1", "2", "3", "4"]), |place| outcomes[place]);
        assert_eq!(answer.failures(), ids(&["2"]));
    }

    #[test]
    fn a_batch_without_failures_has_an_empty_list() {
        let answer = Answer::to_stream(ids(&["1", "2"]), |_| Outcome::Done);
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"batchItemFailures":[]}"#);
    }

    #[test]
    fn an_empty_id_is_none() {
        assert_eq!((ItemId::new(""), ItemId::new(" ")), (None, None));
    }
}
