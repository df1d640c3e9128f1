//! The functions that the table's stream invokes.

use serde_json::{Value, json};

use crate::{endpoint::Endpoint, given::function};

fn record(number: u32, image: &Value) -> Value {
    json!({
        "eventID": number.to_string(),
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_773_342_238.0,
            "Keys": { "pk": image["pk"], "sk": image["sk"] },
            "NewImage": image,
            "SequenceNumber": number.to_string(),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    })
}

fn foreign(number: u32) -> Value {
    record(number, &json!({ "pk": { "S": "somebody else's" }, "sk": { "S": "item" } }))
}

#[tokio::test]
async fn what_is_about_something_else_is_passed_over() {
    let endpoint = Endpoint::start(|_| None).await;
    for name in ["reactions", "relay"] {
        let mut function = function(name, &endpoint).await;
        let answer = function.invoke(&json!({ "Records": [foreign(1), foreign(2)] })).await;
        assert_eq!(answer, Ok(json!({ "batchItemFailures": [] })), "{name}: {}", function.output());
    }
    assert_eq!(endpoint.names(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_put_aside_as_it_came() {
    let endpoint = Endpoint::start(|_| None).await;
    let mut reactions = function("reactions", &endpoint).await;
    let mut odd = foreign(2);
    odd["dynamodb"]["NewImage"] = json!("no item");
    let answer = reactions.invoke(&json!({ "Records": [foreign(1), odd] })).await;
    assert_eq!(answer, Ok(json!({ "batchItemFailures": [] })), "{}", reactions.output());
    let calls = endpoint.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let sent = calls[0].body.to_string();
    assert!(calls[0].name.starts_with("SendMessage") && sent.contains("test-timeline-dlq"), "{sent}");
    assert!(sent.contains("record-damaged") && sent.contains("no item"), "{sent}");
}

#[tokio::test]
async fn what_can_neither_be_read_nor_put_aside_is_reported() {
    let endpoint = Endpoint::start(|call| {
        call.name
            .starts_with("SendMessage")
            .then(|| (403, json!({ "__type": "AccessDeniedException", "message": "no" })))
    })
    .await;
    let mut reactions = function("reactions", &endpoint).await;
    let mut odd = foreign(2);
    odd["dynamodb"]["NewImage"] = json!("no item");
    let answer = reactions.invoke(&json!({ "Records": [foreign(1), odd, foreign(3)] })).await;
    assert_eq!(answer, Ok(json!({ "batchItemFailures": [{ "itemIdentifier": "2" }] })), "{}", reactions.output());
}
