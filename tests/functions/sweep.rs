//! The function `sweep`.

use sendoff_tests::lambda::FunctionError;
use serde_json::json;

use crate::{endpoint::Endpoint, given::function};

#[tokio::test]
async fn an_outbox_without_anything_left_is_swept() {
    let endpoint = Endpoint::start(|_| None).await;
    let mut sweep = function("sweep", &endpoint).await;
    let answer = sweep.invoke(&json!({ "source": "aws.scheduler" })).await;
    assert_eq!(answer, Ok(json!({ "published": 0, "finished": true })), "{}", sweep.output());
    assert!(endpoint.names().iter().all(|name| name == "Query"), "{:?}", endpoint.names());
}

#[tokio::test]
async fn an_outbox_that_cannot_be_read_is_an_error_that_names_call_and_table() {
    let denied = json!({ "__type": "AccessDeniedException", "Message": "no" });
    let endpoint = Endpoint::start(move |_| Some((400, denied.clone()))).await;
    let mut sweep = function("sweep", &endpoint).await;
    let Err(FunctionError::Failed { kind, message }) = sweep.invoke(&json!({})).await else { panic!("it can't") };
    assert_eq!(kind, "Sendoff.Backend");
    assert!(message.contains("dynamodb:Query") && message.contains("records"), "{message}");
}
