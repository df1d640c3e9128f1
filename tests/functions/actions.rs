//! The functions that do nothing but actions of workflows.

use sendoff_tests::{lambda::FunctionError, servers::OrdersStub};
use serde_json::{Value, json};

use crate::{
    endpoint::{Call, Endpoint},
    given::{function, function_with},
};

/// The secrets that are read before anything is done, and an inbox in which nothing stands.
fn aws(call: &Call) -> Option<(u16, Value)> {
    match &*call.name {
        "GetSecretValue" => Some((200, json!({ "Name": "a secret", "SecretString": "0123456789abcdef" }))),
        "GetItem" | "PutItem" => Some((200, json!({}))),
        _ => None,
    }
}

fn refused(answer: Result<Value, FunctionError>) -> String {
    match answer {
        Err(FunctionError::Failed { kind, message }) if kind == "Action.Permanent" => message,
        other => panic!("it isn't refused for good: {other:?}"),
    }
}

#[tokio::test]
async fn steps_reckons_a_time_of_the_day_and_calls_nothing_for_it() {
    let endpoint = Endpoint::start(aws).await;
    let mut steps = function("steps", &endpoint).await;
    let call = |date: Value| json!({ "action": "moment", "date": date, "minute": 540, "zone": "Europe/Berlin" });
    let told = steps.invoke(&call("2026-11-26".into())).await;
    assert_eq!(told, Ok(json!({ "status": "done", "at": "2026-11-26T08:00:00.000Z" })), "{}", steps.output());
    let told = steps.invoke(&call(Value::Null)).await;
    assert_eq!(told, Ok(json!({ "status": "done", "at": "1970-01-01T00:00:00.000Z" })));
    assert!(refused(steps.invoke(&call("soon".into())).await).contains("soon"));
    // The secret of links, for the function as a whole.
    assert_eq!(endpoint.names(), ["GetSecretValue"]);
}

#[tokio::test]
async fn each_function_does_its_own_actions_and_names_them_to_who_asks_for_another() {
    let endpoint = Endpoint::start(aws).await;
    for (name, own) in [("steps", "`approval` or `moment` or `record`"), ("external", "`database` or `http`")] {
        let mut function = function(name, &endpoint).await;
        let call = json!({ "action": "sms", "idempotency_key": "run/step", "tenant": "acme" });
        let message = refused(function.invoke(&call).await);
        assert!(message.contains(own), "{name}: {message}");
    }
}

#[tokio::test]
async fn external_reads_the_secrets_of_its_connections_and_calls_no_other_system() {
    let endpoint = Endpoint::start(|call| match &*call.name {
        "GetSecretValue" => Some((200, json!({ "Name": "crm", "SecretString": "https://crm.example.org/api" }))),
        _ => None,
    })
    .await;
    let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:crm";
    let connections = json!({ "crm": { "url_secret": arn, "tenants": "acme" } }).to_string();
    let mut external = function_with("external", &endpoint, [("SENDOFF_CONNECTIONS", connections)]).await;
    let call = |tenant: &str, connection: &str| {
        json!({
            "action": "http", "idempotency_key": "run/step", "tenant": tenant,
            "connection": connection, "method": "GET", "path": "/orders",
        })
    };
    for (tenant, connection) in [("acme", "billing"), ("other", "crm")] {
        let message = refused(external.invoke(&call(tenant, connection)).await);
        assert!(message.contains("connection-unknown"), "{message}");
    }
    let calls = endpoint.calls();
    assert!(calls.iter().all(|call| call.name == "GetSecretValue" && call.body["SecretId"] == arn), "{calls:?}");
    assert_eq!(calls.len(), 1, "once for all calls");
}

#[tokio::test]
async fn external_calls_a_private_system_only_where_its_connection_says_that_it_is_one() {
    let endpoint = Endpoint::start(aws).await;
    let orders = OrdersStub::start().await;
    let call = json!({
        "action": "http", "idempotency_key": "run/step", "tenant": "acme",
        "connection": "shop", "method": "POST", "path": "/orders", "body": { "part": "bolt" },
    });
    let by_tls = orders.url().replace("http:", "https:");
    for (url, named) in [(orders.url(), "https"), (by_tls, "127.0.0.1")] {
        let connections = json!({ "shop": { "url": url, "tenants": "acme" } }).to_string();
        let mut external = function_with("external", &endpoint, [("SENDOFF_CONNECTIONS", connections)]).await;
        let answer = external.invoke(&call).await;
        let Err(FunctionError::Failed { kind, message }) = answer else { panic!("{url} was called: {answer:?}") };
        assert_eq!(kind, "Action.Transient", "{message}");
        assert!(message.contains("connections-unusable") && message.contains(named), "{message}");
    }
    assert_eq!(orders.peer().requests(), []);

    let connections = json!({ "shop": { "url": orders.url(), "tenants": "acme", "private": true } }).to_string();
    let mut external = function_with("external", &endpoint, [("SENDOFF_CONNECTIONS", connections)]).await;
    let answer = external.invoke(&call).await.expect("it is called");
    // What it came to stands in the ledger, which this endpoint doesn't keep.
    assert_eq!(answer["status"], "done", "{answer}");
    let requests = orders.peer().requests();
    assert_eq!((requests.len(), &*requests[0].path, &*requests[0].body), (1, "/orders", &br#"{"part":"bolt"}"#[..]));
}

#[tokio::test]
async fn external_refuses_settings_that_are_wrong_and_a_connection_that_a_function_cannot_have() {
    let endpoint = Endpoint::start(aws).await;
    let call = json!({
        "action": "database", "idempotency_key": "run/step", "tenant": "acme", "connection": "parts", "sql": "select 1",
    });
    let connections = |json: Value| [("SENDOFF_CONNECTIONS", json.to_string())];
    for (settings, says) in [
        (json!({ "parts": { "url": "sqlite:/tmp/parts.db" } }), "tenants"),
        (json!({ "parts": { "url": "sqlite:/tmp/parts.db", "tenants": "*" } }), "SQLite"),
    ] {
        let mut external = function_with("external", &endpoint, connections(settings)).await;
        let Err(FunctionError::Failed { kind, message }) = external.invoke(&call).await else {
            panic!("it does without {says}")
        };
        assert!(kind == "Action.Transient" && message.contains(says), "{kind}: {message}");
    }
    assert_eq!(endpoint.names(), [] as [&str; 0]);
}
