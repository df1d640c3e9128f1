//! A batch of SQS messages as Lambda hands it over
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event>).

use aws_lambda_events::sqs::SqsMessage;
use aws_smithy_types::base64;
use sendoff_consumers::{Attributes, Delivery, Receipt};
use sendoff_events::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{FunctionError, ItemId, records::records};
use crate::message::TRACE_HEADER;

const EXPECTED: &str = "a batch of SQS messages, the call of an action, or a ping of the warmer";

/// A batch of messages: each under its id, decoded by itself.
#[derive(Debug)]
pub struct QueueEvent {
    pub(super) messages: Vec<Message>,
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: ItemId,
    /// On a FIFO queue the group, whose messages are handled in order.
    pub(super) group: Option<String>,
    /// The trace of AWS X-Ray that it belongs to.
    pub(super) trace: Option<String>,
    /// The delivery, or why the record can't be read.
    pub(super) delivery: Result<Delivery, String>,
}

impl QueueEvent {
    /// The batch in the event. `now` stands in for a moment that a record doesn't tell.
    ///
    /// # Errors
    ///
    /// [`FunctionError::Event`] when it is no such batch, or when a record has no id: it could not be reported, and an answer
    /// without it would delete its message. Nothing is begun then, and the whole batch comes again.
    pub fn of(event: &RawValue, now: Timestamp) -> Result<Self, FunctionError> {
        let messages = records(event, EXPECTED)?.into_iter().map(|raw| message(raw, now));
        Ok(Self { messages: messages.collect::<Result<_, _>>()? })
    }
}

fn message(raw: &RawValue, now: Timestamp) -> Result<Message, FunctionError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Id {
        message_id: String,
        #[serde(default)]
        event_source: Option<String>,
    }
    let refused = |found: &str| FunctionError::Event { expected: EXPECTED, found: found.to_owned() };
    let id: Id = serde_json::from_str(raw.get()).map_err(|_| refused("found a record without a `messageId`"))?;
    if id.event_source.is_some_and(|source| source != "aws:sqs") {
        return Err(refused("found records of another service"));
    }
    let item = ItemId::new(&id.message_id).ok_or_else(|| refused("found a record with an empty `messageId`"))?;
    let record = match serde_json::from_str::<SqsMessage>(raw.get()) {
        Ok(record) => record,
        Err(error) => return Ok(Message { id: item, group: None, trace: None, delivery: Err(error.to_string()) }),
    };
    let system = |name: &str| record.attributes.get(name).cloned();
    let fifo = record.event_source_arn.as_ref().is_some_and(|queue| queue.ends_with(".fifo"));
    let (group, trace) = (system("MessageGroupId").filter(|_| fifo), system(TRACE_HEADER));
    Ok(Message { id: item, group, trace, delivery: delivery(id.message_id, record, now) })
}

/// The delivery in a record, with the same attributes that a worker would receive.
fn delivery(message_id: String, record: SqsMessage, now: Timestamp) -> Result<Delivery, String> {
    let missing = |name: &str| format!("it has no `{name}`");
    let system = |name: &str| record.attributes.get(name);
    let receive_count = system("ApproximateReceiveCount").and_then(|n| n.parse().ok()).unwrap_or(1);
    let sent_at =
        system("SentTimestamp").and_then(|n| Timestamp::from_millisecond(n.parse().ok()?).ok()).unwrap_or(now);
    let mut attributes: Attributes = record
        .message_attributes
        .into_iter()
        .filter_map(|(name, attribute)| {
            let bytes = attribute.binary_value.map(|bytes| base64::encode(&*bytes));
            Some((name, attribute.string_value.or(bytes)?))
        })
        .collect();
    attributes.extend(record.attributes.get(TRACE_HEADER).map(|trace| (TRACE_HEADER.to_owned(), trace.clone())));
    Ok(Delivery {
        receipt: Receipt::new(record.receipt_handle.ok_or_else(|| missing("receiptHandle"))?),
        message_id,
        receive_count,
        sent_at,
        body: record.body.ok_or_else(|| missing("body"))?.into(),
        attributes,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record() -> Value {
        json!({
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": "{\"a\":\"ü\"}",
            "attributes": {
                "ApproximateReceiveCount": "3",
                "SentTimestamp": "1545082649183",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": "1545082649185",
                "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793",
            },
            "messageAttributes": {
                "type": { "stringValue": "app.assigned.v1", "stringListValues": [], "binaryListValues": [], "dataType": "String" },
                "replay": { "stringValue": "2", "dataType": "Number" },
                "blob": { "binaryValue": "AP8=", "dataType": "Binary" },
            },
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
            "awsRegion": "us-east-2",
        })
    }

    fn of(records: &Value) -> Result<QueueEvent, FunctionError> {
        let event = serde_json::value::to_raw_value(&json!({ "Records": records })).unwrap();
        QueueEvent::of(&event, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_record_becomes_a_delivery_with_its_attributes() {
        let event = of(&json!([record()])).unwrap();
        let message = &event.messages[0];
        let delivery = message.delivery.as_ref().unwrap();
        assert_eq!(delivery.body, "{\"a\":\"ü\"}".as_bytes());
        assert_eq!((delivery.receive_count, delivery.sent_at.as_millisecond()), (3, 1_545_082_649_183));
        let attributes: Vec<_> = delivery.attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(attributes, [(TRACE_HEADER, trace), ("blob", "AP8="), ("replay", "2"), ("type", "app.assigned.v1")]);
        assert_eq!(message.trace.as_deref(), Some("Root=1-5759e988-bd862e3fe1be46a994272793"));
        assert_eq!(
            (message.id.as_str(), delivery.message_id.as_str()),
            (delivery.message_id.as_str(), message.id.as_str())
        );
    }

    #[test]
    fn a_record_that_cannot_be_read_keeps_its_id_and_leaves_the_others_alone() {
        for unreadable in [json!({ "body": 7 }), json!({ "receiptHandle": "r" }), json!({ "body": "x" })] {
            let mut unreadable = unreadable;
            unreadable["messageId"] = json!("a");
            let event = of(&json!([unreadable, record()])).unwrap();
            assert!(event.messages[0].delivery.is_err() && event.messages[1].delivery.is_ok(), "{unreadable}");
            assert_eq!(event.messages[0].id.as_str(), "a");
        }
    }

    #[test]
    fn a_record_that_could_not_be_reported_fails_the_whole_batch() {
        for record in [json!(null), json!({ "body": "x" }), json!({ "messageId": "" }), json!({ "messageId": null })] {
            assert!(matches!(of(&json!([self::record(), record])), Err(FunctionError::Event { .. })), "{record}");
        }
    }

    #[test]
    fn records_of_another_service_are_refused() {
        let error = of(&json!([{ "messageId": "a", "eventSource": "aws:dynamodb" }])).unwrap_err();
        assert!(error.to_string().contains("another service"), "{error}");
    }

    #[test]
    fn a_group_counts_on_a_fifo_queue_only() {
        let mut record = record();
        record["attributes"]["MessageGroupId"] = json!("acme");
        assert_eq!(of(&json!([record])).unwrap().messages[0].group, None, "fair queues have groups, too");
        record["eventSourceARN"] = json!("arn:aws:sqs:us-east-2:123456789012:my-queue.fifo");
        assert_eq!(of(&json!([record])).unwrap().messages[0].group.as_deref(), Some("acme"));
    }

    #[test]
    fn what_a_record_does_not_tell_has_a_careful_value() {
        let event = of(&json!([{ "messageId": "a", "receiptHandle": "r", "body": "" }])).unwrap();
        let delivery = event.messages[0].delivery.as_ref().unwrap();
        assert_eq!((delivery.receive_count, delivery.sent_at), (1, Timestamp::UNIX_EPOCH));
    }
}
