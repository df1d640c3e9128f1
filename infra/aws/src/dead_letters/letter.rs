//! What SQS gives out, as a dead letter.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System};
use aws_smithy_types::base64;
use sendoff_consumers::{Attributes, DeadLetter, Receipt, TakenLetter};
use sendoff_events::Timestamp;

use crate::message::TRACE_HEADER;

/// What is asked for with each message besides its own attributes.
pub(super) const ASKED: [System; 5] = [
    System::ApproximateReceiveCount,
    System::SentTimestamp,
    System::AwsTraceHeader,
    System::DeadLetterQueueSourceArn,
    System::MessageGroupId,
];

/// The message as it is, received just now.
pub(super) fn letter(message: Message, now: Timestamp) -> TakenLetter {
    let mut system = message.attributes.unwrap_or_default();
    let (mut attributes, mut types) = (Attributes::new(), BTreeMap::new());
    for (name, value) in message.message_attributes.unwrap_or_default() {
        // Bytes stand as base64.
        let Some(text) = value.string_value.or_else(|| value.binary_value.map(base64::encode)) else { continue };
        if value.data_type != "String" {
            types.insert(name.clone(), value.data_type);
        }
        attributes.insert(name, text);
    }
    attributes.extend(system.remove(&System::AwsTraceHeader).map(|trace| (TRACE_HEADER.to_owned(), trace)));
    let letter = DeadLetter {
        message_id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default().into(),
        attributes,
        types,
        receive_count: number(&system, &System::ApproximateReceiveCount).unwrap_or(1),
        // Its retention counts from here, whatever our own failure says about when it was first sent.
        enqueued_at: number(&system, &System::SentTimestamp)
            .and_then(|millis| Timestamp::from_millisecond(millis).ok())
            .unwrap_or(now),
        source: system.remove(&System::DeadLetterQueueSourceArn),
        group: system.remove(&System::MessageGroupId),
    };
    TakenLetter { receipt: Receipt::new(message.receipt_handle.unwrap_or_default()), letter }
}

fn number<T: std::str::FromStr>(system: &HashMap<System, String>, name: &System) -> Option<T> {
    system.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{primitives::Blob, types::MessageAttributeValue};

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    #[test]
    fn everything_that_is_needed_to_send_it_as_it_was_is_kept() {
        let value = |kind: &str| MessageAttributeValue::builder().data_type(kind);
        let failure = r#"{"sent_at":"2020-01-01T00:00:00Z"}"#;
        let message = Message::builder()
            .message_id("m-1")
            .receipt_handle("r-1")
            .body("x")
            .message_attributes("text", value("String").string_value("ü").build().unwrap())
            .message_attributes("failure", value("String").string_value(failure).build().unwrap())
            .message_attributes("number", value("Number").string_value("17").build().unwrap())
            .message_attributes("own", value("String.own").string_value("o").build().unwrap())
            .message_attributes("bytes", value("Binary").binary_value(Blob::new([0, 255])).build().unwrap())
            .attributes(System::SentTimestamp, "1700000000123")
            .attributes(System::ApproximateReceiveCount, "3")
            .attributes(System::AwsTraceHeader, "Root=1")
            .attributes(System::DeadLetterQueueSourceArn, "arn:aws:sqs:eu-central-1:1:email")
            .attributes(System::MessageGroupId, "acme")
            .build();
        let TakenLetter { receipt, letter } = letter(message, now());
        assert_eq!(receipt, Receipt::new("r-1"));
        let pairs = |all: &[(&str, &str)]| all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let attributes = [
            ("bytes", "AP8="),
            ("failure", failure),
            ("number", "17"),
            ("own", "o"),
            ("text", "ü"),
            (TRACE_HEADER, "Root=1"),
        ];
        let expected = DeadLetter {
            message_id: "m-1".into(),
            body: "x".into(),
            attributes: pairs(&attributes),
            types: pairs(&[("bytes", "Binary"), ("number", "Number"), ("own", "String.own")]),
            receive_count: 3,
            enqueued_at: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
            source: Some("arn:aws:sqs:eu-central-1:1:email".into()),
            group: Some("acme".into()),
        };
        assert_eq!(letter, expected);
    }

    #[test]
    fn a_message_of_which_nothing_is_told_is_a_letter_too() {
        let told = Message::builder().attributes(System::SentTimestamp, "99999999999999999999");
        for message in [told, Message::builder()] {
            let letter = letter(message.build(), now()).letter;
            assert_eq!((letter.enqueued_at, letter.receive_count, letter.body.len()), (now(), 1, 0));
        }
    }
}
