//! A batch of a DynamoDB stream as Lambda hands it over
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{FunctionError, ItemId, records::records};

const EXPECTED: &str = "a batch of a DynamoDB stream, or a ping of the warmer";

/// A batch of a stream, in the order of its sequence numbers.
#[derive(Debug)]
pub struct StreamBatch<'a> {
    /// Its records.
    pub records: Vec<StreamEntry<'a>>,
}

/// One record of a stream.
#[derive(Debug, Clone)]
pub struct StreamEntry<'a> {
    /// Its sequence number, by which it is reported.
    pub id: ItemId,
    /// The whole record as it came.
    pub raw: &'a RawValue,
}

impl<'a> StreamBatch<'a> {
    /// The batch in the event.
    ///
    /// # Errors
    ///
    /// [`FunctionError::Event`] when it is no such batch, or when a record has no sequence number: the whole batch comes
    /// again then, and ends in the mapping's failure destination.
    pub fn of(event: &'a RawValue) -> Result<Self, FunctionError> {
        let records = records(event, EXPECTED)?.into_iter().map(record).collect::<Result<_, _>>()?;
        Ok(Self { records })
    }

    /// The sequence numbers, in order.
    pub fn ids(&self) -> impl Iterator<Item = ItemId> {
        self.records.iter().map(|record| record.id.clone())
    }
}

fn record(raw: &RawValue) -> Result<StreamEntry<'_>, FunctionError> {
    #[derive(Deserialize)]
    struct Shape {
        dynamodb: Numbered,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Numbered {
        sequence_number: String,
    }
    let refused = |found: String| FunctionError::Event { expected: EXPECTED, found };
    let shape: Shape = serde_json::from_str(raw.get())
        .map_err(|_| refused("found a record without `dynamodb.SequenceNumber`".to_owned()))?;
    let id = ItemId::new(&shape.dynamodb.sequence_number)
        .ok_or_else(|| refused("found a record with an empty `SequenceNumber`".to_owned()))?;
    Ok(StreamEntry { id, raw })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(records: &Value) -> Result<Vec<String>, FunctionError> {
        let event = serde_json::value::to_raw_value(&json!({ "Records": records })).unwrap();
        Ok(StreamBatch::of(&event)?.ids().map(|id| id.as_str().to_owned()).collect())
    }

    #[test]
    fn each_record_has_its_number_whatever_else_it_holds() {
        let record = |number: &str| json!({ "eventName": 7, "dynamodb": { "SequenceNumber": number, "Keys": [] } });
        assert_eq!(of(&json!([record("111"), record("222")])).unwrap(), ["111", "222"]);
    }

    #[test]
    fn a_record_that_could_not_be_reported_fails_the_whole_batch() {
        let numbered = json!({ "dynamodb": { "SequenceNumber": "1" } });
        for record in [json!(null), json!({ "dynamodb": {} }), json!({ "dynamodb": { "SequenceNumber": "" } })] {
            assert!(matches!(of(&json!([numbered, record])), Err(FunctionError::Event { .. })), "{record}");
        }
    }
}
