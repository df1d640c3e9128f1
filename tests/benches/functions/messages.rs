//! Batches of SQS messages as Lambda hands them over, each message with an event of the usual size.

use sendoff_events::{Clock, Envelope, Origin, SubmissionUpdated};
use sendoff_host::{SystemClock, SystemRng};
use serde_json::json;

/// Messages of a batch.
pub(crate) const BATCH: u64 = 10;
/// Bytes of each event's body, roughly.
const BODY: usize = 1024;

/// A batch of new events.
pub(crate) fn batch(number: u64) -> String {
    let (clock, rng) = (SystemClock, SystemRng::new());
    let record = |place| {
        let data = SubmissionUpdated {
            app_id: "bench".parse().unwrap(),
            submission_id: format!("s-{number}-{place}").parse().unwrap(),
            editor_id: "ada".parse().unwrap(),
            revision: 1,
            changed_fields: vec!["x".repeat(BODY - 700)],
        };
        let origin = Origin {
            source: "/bench".into(),
            tenant: "bench".parse().unwrap(),
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        let event = Envelope::new(data, origin, Some(1), &clock, &rng).encode().unwrap();
        let text = |value: &str| json!({ "dataType": "String", "stringValue": value });
        json!({
            "messageId": event.id(),
            "receiptHandle": "A".repeat(200),
            "body": std::str::from_utf8(event.body()).unwrap(),
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": clock.now().as_millisecond().to_string(),
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": clock.now().as_millisecond().to_string(),
            },
            "messageAttributes": { "type": text(&event.event_type().to_string()), "tenant": text(event.tenant().as_str()) },
            "md5OfBody": "fafb00f5732ab283681e124bf8747ed1",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:report-nothing",
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": (0..BATCH).map(record).collect::<Vec<_>>() }).to_string()
}
