//! The function `api`.

use serde_json::{Value, json};

use crate::{
    authorizer::{SECRET, endpoint_with_keys, token},
    given::{function, request},
};

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn it_answers_over_the_table_and_checks_tokens_itself() {
    let endpoint = endpoint_with_keys().await;
    let mut api = function("api", &endpoint).await;

    let health = api.invoke(&request("GET", "/health", None)).await.unwrap();
    assert_eq!(
        (&health["statusCode"], body(&health)),
        (&json!(200), json!({ "status": "ok", "load_tests": false })),
        "{}",
        api.output()
    );

    let refused = api.invoke(&request("GET", "/v1/users/ada", None)).await.unwrap();
    assert_eq!(refused["statusCode"], 401);
    assert!(refused["headers"]["www-authenticate"].as_str().unwrap().starts_with("Bearer"));
    assert_eq!(body(&refused)["status"], 401);

    let good = format!("Bearer {}", token("one", SECRET));
    let missing = api.invoke(&request("GET", "/v1/users/ada", Some(&good))).await.unwrap();
    assert_eq!(missing["statusCode"], 404, "{missing}");
}
