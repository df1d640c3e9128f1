//! What every function does before it knows its event, and when it can't start.

use sendoff_tests::lambda::FunctionError;
use serde_json::json;

use crate::{
    binaries::FUNCTIONS,
    endpoint::Endpoint,
    given::{bare, function},
};

#[tokio::test]
async fn a_ping_of_the_warmer_is_answered_without_settings_and_without_any_call() {
    let endpoint = Endpoint::start(|_| None).await;
    for (name, _) in FUNCTIONS {
        let mut function = bare(name, &endpoint).await;
        function.ready().await.unwrap();
        for ping in [json!({ "source": "warmer" }), json!({ "source": "warmer", "concurrency": 3 })] {
            assert_eq!(function.invoke(&ping).await, Ok(json!({ "warm": true })), "{name}: {}", function.output());
        }
    }
    assert_eq!(endpoint.names(), [] as [&str; 0]);
}

#[tokio::test]
async fn everything_that_is_missing_is_told_at_once_and_no_call_is_made() {
    let endpoint = Endpoint::start(|_| None).await;
    let mut email = bare("email", &endpoint).await;
    let Err(FunctionError::Failed { kind, message }) = email.invoke(&json!({ "Records": [] })).await else {
        panic!("it has nothing to start with")
    };
    assert_eq!(kind, "Sendoff.Start");
    for name in ["SENDOFF_TABLE", "SENDOFF_INBOX_TABLE", "SENDOFF_QUEUE_URL_BASE", "SENDOFF_MAIL_FROM", "SMTP_URL"] {
        assert!(message.contains(name), "{name} is missing from: {message}");
    }
    assert_eq!(email.invoke(&json!({ "source": "warmer" })).await, Ok(json!({ "warm": true })), "it lives on");
    assert_eq!(endpoint.names(), [] as [&str; 0]);
}

#[tokio::test]
async fn an_event_of_another_shape_is_an_error_that_says_what_was_expected() {
    let keys = r#"{"keys":[{"id":"k","algorithm":"HS256","issuer":"i","audience":"a","secret":"0123456789abcdef0123456789abcdef"}]}"#;
    let endpoint = Endpoint::start(move |call| {
        (call.name == "GetSecretValue").then(|| (200, json!({ "Name": "keys", "SecretString": keys })))
    })
    .await;
    for (name, _) in FUNCTIONS.into_iter().filter(|(name, _)| *name != "sweep") {
        let mut function = function(name, &endpoint).await;
        let Err(FunctionError::Failed { kind, message }) = function.invoke(&json!({ "hello": "hunter2" })).await else {
            panic!("{name} takes anything")
        };
        assert_eq!(kind, "Sendoff.Event", "{name}: {message}");
        assert!(message.contains("expected") && message.contains("hello") && !message.contains("hunter2"), "{message}");
    }
}
