//! What: the target of a schedule, and its input.

use serde_json::{Map, Value, json};

use crate::message::{SqsMessage, data_type};

/// The most that a target's input has, in bytes
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html>).
const LIMIT: usize = 256 * 1024;

/// What the Scheduler replaces in an input, wherever it stands
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>).
const KEYWORD: &str = "<aws.scheduler.";

/// The Scheduler's way to call any operation of SQS, here with attributes, in the partition that the queue is in
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html>).
fn send_message(queue_arn: &str) -> String {
    let partition = queue_arn.split(':').nth(1).unwrap_or("aws");
    format!("arn:{partition}:scheduler:::aws-sdk:sqs:sendMessage")
}

/// The target's ARN and its input; `None` when the body has to be put aside first, since it is too large or the Scheduler
/// would change it.
///
/// A message without attributes goes to the queue itself, with the body as the input, which for a queue may be any text.
/// The queue as a target takes no attributes; with some, the target is the operation.
pub(super) fn target(message: &SqsMessage, queue_arn: &str, queue_url: &str) -> Option<(String, String)> {
    let body = message.body();
    if body.contains(KEYWORD) {
        return None;
    }
    let (target, input) = if message.attributes().is_empty() && message.trace().is_none() {
        (queue_arn.to_owned(), body.to_owned())
    } else {
        let value = |(name, value): (&String, &String)| {
            (name.clone(), json!({ "DataType": data_type(name), "StringValue": value }))
        };
        let attributes: Map<String, Value> = message.attributes().iter().map(value).collect();
        let mut call = json!({ "QueueUrl": queue_url, "MessageBody": body, "MessageAttributes": attributes });
        if let Some(trace) = message.trace() {
            let trace = json!({ "DataType": "String", "StringValue": trace });
            call["MessageSystemAttributes"] = json!({ "AWSTraceHeader": trace });
        }
        // In JSON the keyword's bracket can be written so that nobody finds it.
        (send_message(queue_arn), call.to_string().replace(KEYWORD, "\\u003caws.scheduler."))
    };
    (input.len() <= LIMIT).then_some((target, input))
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::Attributes;

    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-central-1:1:s-email";

    fn of(body: &str, attributes: &[(&str, &str)]) -> Option<(String, String)> {
        let attributes: Attributes = attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        target(&SqsMessage::new(body.as_bytes(), &attributes).unwrap(), ARN, "https://sqs/s-email")
    }

    #[test]
    fn a_message_without_attributes_goes_to_the_queue_as_it_is() {
        assert_eq!(of("no JSON \"at all\"", &[]), Some((ARN.into(), "no JSON \"at all\"".into())));
    }

    #[test]
    fn a_message_with_attributes_is_a_call_of_sqs() {
        let attributes = [("type", "x.v1"), ("ExtendedPayloadSize", "17"), ("AWSTraceHeader", "Root=1")];
        let (target, input) = of("ü \"x\"", &attributes).unwrap();
        assert_eq!(target, "arn:aws:scheduler:::aws-sdk:sqs:sendMessage");
        let expected = json!({
            "QueueUrl": "https://sqs/s-email",
            "MessageBody": "ü \"x\"",
            "MessageAttributes": {
                "type": { "DataType": "String", "StringValue": "x.v1" },
                "ExtendedPayloadSize": { "DataType": "Number", "StringValue": "17" },
            },
            "MessageSystemAttributes": { "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" } },
        });
        assert_eq!(serde_json::from_str::<Value>(&input).unwrap(), expected);
    }

    #[test]
    fn the_call_is_one_of_the_partition_that_the_queue_is_in() {
        for partition in ["aws", "aws-cn", "aws-us-gov"] {
            let queue = format!("arn:{partition}:sqs:x-1:1:s-email");
            assert_eq!(send_message(&queue), format!("arn:{partition}:scheduler:::aws-sdk:sqs:sendMessage"));
        }
    }

    #[test]
    fn what_the_scheduler_would_replace_never_reaches_it() {
        let keyword = "<aws.scheduler.scheduled-time>";
        assert_eq!(of(keyword, &[]), None);
        assert_eq!(of(keyword, &[("type", "x")]), None);
        let (_, input) = of("x", &[("type", keyword)]).unwrap();
        assert!(!input.contains(KEYWORD));
        let read: Value = serde_json::from_str(&input).unwrap();
        assert_eq!(read["MessageAttributes"]["type"]["StringValue"], keyword);
    }

    #[test]
    fn a_body_over_the_limit_has_to_be_put_aside() {
        assert!(of(&"x".repeat(LIMIT), &[]).is_some());
        assert_eq!(of(&"x".repeat(LIMIT + 1), &[]), None);
        assert_eq!(of(&"\"".repeat(LIMIT / 2), &[("type", "x")]), None, "escapes count");
    }
}
