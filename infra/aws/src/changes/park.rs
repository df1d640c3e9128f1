//! A change that its reaction can't deal with, as a message in the reaction's dead-letter queue.

use sendoff_consumers::{Attributes, Change, FAILURE_ATTRIBUTE, Failure};
use serde_json::Value;

use crate::{CallError, Store, message::SqsMessage};

/// Sends the change with its failure. Parked twice, it stands there twice.
pub(super) async fn park(store: &Store, reaction: &str, change: &Change, failure: &Failure) -> Result<(), String> {
    let url = store.resources.dead_letter_url(reaction);
    let message = message(change, failure)?;
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
    SqsMessage::new(text(&body).as_bytes(), &attributes).or_else(|_| {
        // A record of DynamoDB may be larger than a message. Its key and version tell which change it was.
        (body["old"], body["new"]) = (Value::Null, Value::Null);
        body["images"] = "too large for a message: the record's data is left out".into();
        SqsMessage::new(text(&body).as_bytes(), &attributes)
    })
}

/// The JSON with the characters escaped that a message may not hold: SQS refuses them otherwise.
fn text(body: &Value) -> String {
    body.to_string().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
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
}
