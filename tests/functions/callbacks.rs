//! The function that providers and recipients call.

use serde_json::json;

use crate::{
    endpoint::Endpoint,
    given::{function, request},
    store::Tables,
};

#[tokio::test]
async fn nobody_is_believed_without_a_proof_and_nothing_is_written() {
    let tables = Tables::default();
    let endpoint = Endpoint::start(move |call| match call.name.as_str() {
        "GetSecretValue" => Some((200, json!({ "Name": "any", "SecretString": "0123456789abcdef" }))),
        _ => tables.answer(call),
    })
    .await;
    let mut callbacks = function("callbacks", &endpoint).await;
    for (method, path, status) in [
        ("POST", "/callbacks/twilio", 403),
        ("POST", "/callbacks/meta", 403),
        ("GET", "/callbacks/meta", 403),
        // No topic is named, so it isn't set up.
        ("POST", "/callbacks/ses", 404),
        ("POST", "/unsubscribe/forged.token", 404),
        ("GET", "/v1/users", 404),
    ] {
        let answer = callbacks.invoke(&request(method, path, None)).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{method} {path}: {answer} {}", callbacks.output());
    }
    let written = |name: &String| name.contains("Put") || name.contains("Update") || name.contains("Transact");
    assert!(!endpoint.names().iter().any(written), "{:?}", endpoint.names());
}
