//! The pointer in a dead letter of a stream's batch
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>).

use std::time::Duration;

use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// For so long a stream keeps a record.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Where in a stream a batch stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamPointer {
    /// The stream.
    pub stream_arn: String,
    /// The shard.
    pub shard: String,
    /// The number of the first record.
    pub first: String,
    /// The number of the last one.
    pub last: String,
    /// How many records Lambda counted between them.
    pub size: u64,
    /// When the first record came, about.
    pub arrived_at: Option<Timestamp>,
    /// Why the batch was given up: `RetryAttemptsExhausted`, `RecordAgeExceeded`, …
    pub condition: String,
    /// The function.
    pub function: String,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: Batch,
    #[serde(rename = "requestContext", default)]
    context: Context,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    stream_arn: String,
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
    #[serde(default)]
    batch_size: u64,
    #[serde(default)]
    approximate_arrival_of_first_record: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    #[serde(default)]
    condition: String,
    #[serde(default)]
    function_arn: String,
}

impl StreamPointer {
    /// The pointer in a body, and the records, where they stand beside it. `None` when it isn't one.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<(Self, Vec<Value>)> {
        let Told { batch, context, payload } = serde_json::from_slice(body).ok()?;
        let pointer = Self {
            stream_arn: batch.stream_arn,
            shard: batch.shard_id,
            first: batch.start_sequence_number,
            last: batch.end_sequence_number,
            size: batch.batch_size,
            arrived_at: batch.approximate_arrival_of_first_record,
            condition: context.condition,
            function: context.function_arn,
        };
        Some((pointer, records(payload)))
    }

    /// When the stream forgets its first record, about.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.arrived_at?.checked_add(KEPT).ok()
    }

    /// Whether a record with this number is one of the batch. Numbers are decimals of up to 40 digits.
    #[must_use]
    pub fn holds(&self, number: &str) -> bool {
        order(&self.first) <= order(number) && order(number) <= order(&self.last)
    }

    /// Whether it tells of the same records, or of some of them: a batch is halved until it fails no more.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let same = self.stream_arn == other.stream_arn && self.shard == other.shard;
        same && order(&self.first) <= order(&other.last) && order(&other.first) <= order(&self.last)
    }
}

/// What sequence numbers are ordered by: as numbers, not as texts.
pub(super) fn order(number: &str) -> (usize, &str) {
    let digits = number.trim_start_matches('0');
    (digits.len(), digits)
}

/// The records of a payload: as JSON, or as a text that holds it.
fn records(payload: Value) -> Vec<Value> {
    let payload = match payload {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
        other => other,
    };
    match payload {
        Value::Object(mut fields) => match fields.remove("Records") {
            Some(Value::Array(records)) => records,
            _ => Vec::new(),
        },
        Value::Array(records) => records,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(payload: Value) -> Vec<u8> {
        json!({
            "version": "1.0", "timestamp": "2026-11-26T03:00:00.000Z", "payload": payload,
            "requestContext": { "requestId": "r", "functionArn": "arn:f", "condition": "RetryAttemptsExhausted" },
            "responseContext": { "statusCode": 200, "functionError": "Unhandled" },
            "DDBStreamBatchInfo": {
                "shardId": "shardId-1", "startSequenceNumber": "900", "endSequenceNumber": "1100",
                "approximateArrivalOfFirstRecord": "2026-11-26T02:00:00Z", "batchSize": 2, "streamArn": "arn:s",
                "approximateArrivalOfLastRecord": "2026-11-26T02:00:01Z",
            },
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_pointer_is_read_with_when_its_records_are_lost() {
        let (pointer, records) = StreamPointer::parse(&told(Value::Null)).unwrap();
        assert_eq!((&*pointer.shard, &*pointer.condition, pointer.size), ("shardId-1", "RetryAttemptsExhausted", 2));
        assert_eq!(pointer.expires_at().unwrap().to_string(), "2026-11-27T02:00:00Z");
        assert_eq!(records, Vec::<Value>::new());
    }

    #[test]
    fn records_beside_it_are_read_whether_they_stand_there_as_json_or_as_text() {
        let payload = json!({ "Records": [{ "eventID": "1" }] });
        for payload in [payload.clone(), json!(payload.to_string())] {
            assert_eq!(StreamPointer::parse(&told(payload)).unwrap().1, [json!({ "eventID": "1" })]);
        }
        for broken in [json!("{"), json!(7), json!({ "Records": "none" })] {
            assert_eq!(StreamPointer::parse(&told(broken)).unwrap().1, Vec::<Value>::new());
        }
    }

    #[test]
    fn whatever_else_there_is_is_no_pointer() {
        for body in ["", "{}", "[]", "\u{0}", r#"{"DDBStreamBatchInfo":7}"#, r#"{"DDBStreamBatchInfo":{"shardId":1}}"#]
        {
            assert!(StreamPointer::parse(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        let (pointer, _) = StreamPointer::parse(&told(Value::Null)).unwrap();
        for (number, expected) in [("900", true), ("1000", true), ("0001100", true), ("899", false), ("1101", false)] {
            assert_eq!(pointer.holds(number), expected, "{number}");
        }
        let part = StreamPointer { first: "1050".into(), last: "1050".into(), ..pointer.clone() };
        assert!(pointer.overlaps(&part) && part.overlaps(&pointer));
        assert!(!pointer.overlaps(&StreamPointer { shard: "other".into(), ..part.clone() }));
        assert!(!pointer.overlaps(&StreamPointer { first: "1101".into(), last: "1200".into(), ..part }));
    }
}
