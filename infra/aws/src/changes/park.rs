//! What its reaction can't deal with, as a message in the reaction's dead-letter queue: a change, or a record of the stream that
//! can't be read as one.

use sendoff_consumers::{Attributes, Change, Class, FAILURE_ATTRIBUTE, Failure, fingerprint, scrub};
use serde_json::{Value, json};

use crate::{CallError, Store, message::SqsMessage};

/// Sends the change with its failure. Parked twice, it stands there twice.
pub(super) async fn park(store: &Store, reaction: &str, change: &Change, failure: &Failure) -> Result<(), String> {
    send(store, reaction, &message(change, failure)?).await
}

/// Puts a record of the stream that can't be read aside, as a Lambda function is given it, so that the stream goes on. Put aside
/// twice, it stands there twice.
pub(crate) async fn put_aside(store: &Store, reaction: &str, record: &str, why: &str) -> Result<(), String> {
    let (now, reason) = (store.clock.now(), "record-damaged");
    let failure = Failure {
        reason: reason.into(),
        class: Class::Undecodable,
        fingerprint: fingerprint(reason, why),
        consumer: reaction.into(),
        attempts: 0,
        first_at: now,
        last_at: now,
        error: scrub(why),
    };
    tracing::error!(reaction, reason, error = failure.error, "a record of the stream can't be read and is put aside");
    send(store, reaction, &as_it_came(record, &failure)?).await
}

async fn send(store: &Store, reaction: &str, message: &SqsMessage) -> Result<(), String> {
    let url = store.resources.dead_letter_url(reaction);
    let call = store.aws.sqs().send_message().queue_url(&url);
    let sent = message.send(call).send().await;
    sent.map_err(|error| CallError::of("sqs:SendMessage", url, &error).to_string())?;
    Ok(())
}

fn message(change: &Change, failure: &Failure) -> Result<SqsMessage, String> {
    let attributes = Attributes::from([
        (FAILURE_ATTRIBUTE.to_owned(), failure.to_attribute()),
        ("tenant".to_owned(), change.key.tenant.to_string()),
    ]);
    let mut body = change.to_json();
    SqsMessage::new(sendable(&body.to_string()).as_bytes(), &attributes).or_else(|_| {
        // A record of DynamoDB may be larger than a message. Its key and version tell which change it was.
        (body["old"], body["new"]) = (Value::Null, Value::Null);
        body["images"] = LEFT_OUT.into();
        SqsMessage::new(sendable(&body.to_string()).as_bytes(), &attributes)
    })
}

fn as_it_came(record: &str, failure: &Failure) -> Result<SqsMessage, String> {
    let attributes = Attributes::from([(FAILURE_ATTRIBUTE.to_owned(), failure.to_attribute())]);
    SqsMessage::new(sendable(record).as_bytes(), &attributes).or_else(|_| {
        // Its keys and number tell which record it was.
        let read: Value = serde_json::from_str(record).unwrap_or_default();
        let data = &read["dynamodb"];
        let data = json!({ "Keys": data["Keys"], "SequenceNumber": data["SequenceNumber"] });
        let body = json!({ "eventName": read["eventName"], "dynamodb": data, "images": LEFT_OUT });
        SqsMessage::new(sendable(&body.to_string()).as_bytes(), &attributes)
    })
}

/// What stands in the place of images for which a message has no room.
const LEFT_OUT: &str = "too large for a message: the record's data is left out";

/// The JSON with the characters escaped that a message may not hold: SQS refuses them otherwise.
fn sendable(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::{Class, Position};
    use sendoff_events::Timestamp;
    use sendoff_producers::RecordKey;
    use serde_json::json;

    use super::*;

    fn change(data: Value) -> Change {
        Change {
            position: Position("1.2".into()),
            key: RecordKey::new(&"acme".parse().unwrap(), "users", "a\u{ffff}"),
            version: 3,
            actor: "bob".into(),
            at: Timestamp::UNIX_EPOCH,
            old: None,
            new: Some(data),
        }
    }

    fn failure() -> Failure {
        Failure {
            reason: "broken".into(),
            class: Class::Rejected,
            fingerprint: "broken-1".into(),
            consumer: "timeline".into(),
            attempts: 1,
            first_at: Timestamp::UNIX_EPOCH,
            last_at: Timestamp::UNIX_EPOCH,
            error: "no".into(),
        }
    }

    #[test]
    fn it_says_which_change_it_was_and_why_it_stands_there() {
        let message = message(&change(json!({ "n": 1 })), &failure()).unwrap();
        let body: Value = serde_json::from_str(message.body()).unwrap();
        assert_eq!((&body["id"], &body["version"], &body["new"]), (&json!("a\u{ffff}"), &json!(3), &json!({ "n": 1 })));
        assert!(body.get("images").is_none());
        let told: Failure = serde_json::from_str(&message.attributes()[FAILURE_ATTRIBUTE]).unwrap();
        assert_eq!(told, failure());
    }

    #[test]
    fn of_one_that_is_too_large_the_data_is_left_out_and_that_is_said() {
        let message = message(&change(json!("x".repeat(2 << 20))), &failure()).unwrap();
        let body: Value = serde_json::from_str(message.body()).unwrap();
        assert_eq!((&body["version"], &body["new"]), (&json!(3), &Value::Null));
        assert!(body["images"].as_str().unwrap().contains("left out"));
    }

    /// A record as a function is given it, with this in its image.
    fn record(data: &str) -> String {
        let keys = json!({ "pk": { "S": "r#acme#users" }, "sk": { "S": "/a" } });
        let data = json!({ "Keys": keys, "SequenceNumber": "17", "NewImage": { "data": { "S": data } } });
        json!({ "eventName": "MODIFY", "dynamodb": data }).to_string()
    }

    #[test]
    fn a_record_that_cannot_be_read_stands_there_as_it_came_and_without_its_data_where_that_is_too_large() {
        let small = record("a\u{fffe}\u{ffff}");
        let body: Value = serde_json::from_str(as_it_came(&small, &failure()).unwrap().body()).unwrap();
        assert_eq!(body, serde_json::from_str::<Value>(&small).unwrap());
        let message = as_it_came(&record(&"\"".repeat(600 << 10)), &failure()).unwrap();
        let body: Value = serde_json::from_str(message.body()).unwrap();
        assert_eq!((&body["dynamodb"]["SequenceNumber"], &body["eventName"]), (&json!("17"), &json!("MODIFY")));
        assert_eq!(body["dynamodb"]["Keys"]["sk"]["S"], "/a");
        assert!(body["dynamodb"].get("NewImage").is_none() && body["images"].as_str().unwrap().contains("left out"));
    }
}
