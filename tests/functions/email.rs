//! The function of a consumer, with a batch that has everything in it that can go wrong.

use sendoff_events::{AppAssigned, Clock as _, Envelope, Origin};
use sendoff_host::{SystemClock, SystemRng};
use serde_json::{Value, json};

use crate::{
    endpoint::{Call, Endpoint},
    given::function,
};

pub(crate) fn envelope() -> String {
    let id = |text: &str| text.parse().unwrap();
    let event = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id("ada"), assigned_by: id("root") };
    let origin = Origin {
        source: "/test".into(),
        tenant: "acme".parse().unwrap(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    let envelope = Envelope::new(event, origin, None, &SystemClock, &SystemRng::new());
    String::from_utf8(envelope.encode().unwrap().body().to_vec()).unwrap()
}

/// The secret of links is read at the start; the mail server's, when the first mail is sent.
fn links(call: &Call) -> Option<(u16, Value)> {
    let asked = call.name == "GetSecretValue" && call.body.to_string().contains("links");
    asked.then(|| (200, json!({ "Name": "links", "SecretString": "0123456789abcdef" })))
}

pub(crate) fn record(id: &str, body: &Value) -> Value {
    // One that is older than its queue keeps any would come back as a new one.
    let sent = SystemClock.now().as_millisecond().to_string();
    json!({
        "messageId": id,
        "receiptHandle": format!("receipt-{id}"),
        "body": body,
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": sent },
        "messageAttributes": { "type": { "stringValue": "app.assigned.v1", "dataType": "String" } },
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:test-email",
    })
}

#[tokio::test]
async fn each_message_of_a_batch_has_its_own_outcome() {
    // Nothing answers for the inbox: what can be read has to wait.
    let endpoint = Endpoint::start(links).await;
    let mut email = function("email", &endpoint).await;
    let poison = record("poison", &"Hello!".into());
    let unreadable = record("unreadable", &7.into());
    let good = record("good", &envelope().into());
    let answer = email.invoke(&json!({ "Records": [poison, unreadable, good] })).await;
    let failures = json!({ "batchItemFailures": [{ "itemIdentifier": "unreadable" }, { "itemIdentifier": "good" }] });
    assert_eq!(answer, Ok(failures), "{}", email.output());

    let calls = endpoint.calls();
    let to = |queue: &str, call: &str, text: &str| {
        let found = calls.iter().filter(|c| c.name.starts_with(call)).map(|c| c.body.to_string());
        found.filter(|body| body.contains(queue) && body.contains(text)).count()
    };
    assert_eq!(to("test-email-dlq", "SendMessage", "not-json"), 1, "the poison is moved with its reason: {calls:?}");
    assert_eq!(to("test-email", "DeleteMessage", "receipt-poison"), 1, "{calls:?}");
    assert_eq!(to("test-email", "ChangeMessageVisibility", "receipt-good"), 1, "the good one comes again: {calls:?}");
    assert_eq!(to("", "", "receipt-unreadable"), 0);

    let output = email.output_with("CloudWatchMetrics").await.expect("metrics are written");
    let metric = output.lines().find(|line| line.contains("CloudWatchMetrics"));
    let metric: Value = serde_json::from_str(metric.unwrap()).unwrap();
    assert_eq!((&metric["DeadLettered"], &metric["Deferred"]), (&json!(1), &json!(1)), "{metric}");
}

#[tokio::test]
async fn a_record_that_could_not_be_reported_fails_the_batch_before_anything_is_done() {
    let endpoint = Endpoint::start(links).await;
    let mut email = function("email", &endpoint).await;
    let answer =
        email.invoke(&json!({ "Records": [record("poison", &"Hello!".into()), record("", &"x".into())] })).await;
    assert!(answer.unwrap_err().to_string().contains("messageId"));
    assert_eq!(endpoint.names(), ["GetSecretValue"]);
}
