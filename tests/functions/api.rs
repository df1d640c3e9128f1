//! The function `api`.

use serde_json::{Value, json};

use crate::{
    authorizer::{SECRET, endpoint_with_keys, expired, token},
    given::{function, function_with, request},
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

    // Whatever somebody asks for is a request, and no error of the function.
    for (path, query, host, status) in
        [("/health", "a=<b>", "api.example.org", 200), ("/<\u{7f}>", "#", "a b", 404), ("/health", "", "a<b", 200)]
    {
        let mut odd = request("GET", path, None);
        (odd["rawQueryString"], odd["headers"]["host"]) = (query.into(), host.into());
        odd["headers"]["x-forwarded-proto"] = "1//".into();
        assert_eq!(api.invoke(&odd).await.unwrap()["statusCode"], status, "{path} {query} {host}");
    }

    // The authorizer lets it through, so that whoever sent it is told.
    let old = format!("Bearer {}", expired());
    let refused = api.invoke(&request("GET", "/v1/users/ada", Some(&old))).await.unwrap();
    assert_eq!(refused["statusCode"], 401);
    assert!(body(&refused)["detail"].as_str().unwrap().contains("the token has expired"), "{refused}");

    let good = format!("Bearer {}", token("one", SECRET));
    let missing = api.invoke(&request("GET", "/v1/users/ada", Some(&good))).await.unwrap();
    assert_eq!(missing["statusCode"], 404, "{missing}");
}

#[tokio::test]
async fn it_publishes_no_workflow_that_cannot_run_in_this_deployment() {
    let endpoint = endpoint_with_keys().await;
    let mut api = function_with("api", &endpoint, [("SENDOFF_CHANNELS", "email,push".to_owned())]).await;
    let good = format!("Bearer {}", token("one", SECRET));
    let step = |n: usize, action: &str, text: &str| {
        let mut step = json!({ "id": format!("s{n}") });
        step[action] = json!({ "to": { "user": "ada" }, "text": text });
        if action == "email" {
            step[action]["subject"] = "Hello".into();
        }
        step
    };
    let mut publish = async |steps: Vec<Value>| {
        let mut event = request("POST", "/v1/apps/crm/workflows/greet/versions", Some(&good));
        let definition = json!({ "workflow": "greet", "app": "crm", "on": [{ "manual": true }], "steps": steps });
        event["body"] = definition.to_string().into();
        let answer = api.invoke(&event).await.unwrap();
        (answer["statusCode"].clone(), body(&answer)["errors"][0]["detail"].as_str().map(str::to_owned))
    };
    let (status, told) = publish(vec![step(0, "sms", "Hello")]).await;
    assert_eq!(status, 422);
    assert!(told.as_ref().is_some_and(|told| told.contains("the channel `sms`, which is off")), "{told:?}");
    // An expression is longer in a state machine than as it was written.
    let long = "{{ ROUND(1.5 / 3, 2) }} ".repeat(20);
    let (status, told) = publish((0..400).map(|n| step(n, "email", &long)).collect()).await;
    assert_eq!(status, 422, "{told:?}");
    assert!(told.as_ref().is_some_and(|told| told.contains("Step Functions takes 1048576")), "{told:?}");
    assert_eq!(endpoint.names(), ["GetSecretValue"], "no record was asked for");
}
