//! The document describes the router, the whole router and nothing but the router.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use sendoff_producers::api::openapi;
use serde_json::Value;

use crate::world::World;

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

#[test]
fn it_is_served_to_everybody() {
    let reply = World::new().get("/openapi.json").without("authorization").send().expect(StatusCode::OK);
    assert_eq!(reply.json(), openapi());
    assert_eq!(reply.json()["openapi"], "3.1.0");
}

#[test]
fn the_router_takes_exactly_the_methods_that_are_documented() {
    let world = World::new();
    let document = openapi();
    for (template, operations) in document["paths"].as_object().unwrap() {
        let path = template.replace("{user_id}", "ada").replace("{app_id}", "x").replace("{submission_id}", "y");
        let path = path.replace("{webhook_id}", "z").replace("{workflow}", "w").replace("{version}", "1");
        for method in METHODS {
            let reply = world.call(&method.to_uppercase(), &path).send();
            let routed = reply.status != StatusCode::METHOD_NOT_ALLOWED && !reply.text.contains("no-such-route");
            assert_eq!(routed, operations.get(method).is_some(), "{method} {template}: {}", reply.text);
        }
    }
}

#[test]
fn every_route_of_the_issue_is_there() {
    let document = openapi();
    let routes: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| operations.as_object().unwrap().keys().map(move |m| format!("{m} {path}")))
        .collect();
    let app = "/v1/apps/{app_id}";
    let expected = [
        "get /health".to_owned(),
        "get /openapi.json".into(),
        "get /v1/users".into(),
        "get /v1/users/{user_id}".into(),
        "put /v1/users/{user_id}".into(),
        "delete /v1/users/{user_id}/opted-out/{event}/{channel}".into(),
        "get /v1/apps".into(),
        format!("get {app}"),
        format!("put {app}"),
        format!("get {app}/assignments"),
        format!("get {app}/assignments/{{user_id}}"),
        format!("put {app}/assignments/{{user_id}}"),
        format!("delete {app}/assignments/{{user_id}}"),
        format!("get {app}/submissions"),
        format!("post {app}/submissions"),
        format!("get {app}/submissions/{{submission_id}}"),
        format!("put {app}/submissions/{{submission_id}}"),
        format!("get {app}/timeline"),
        format!("get {app}/webhooks"),
        format!("get {app}/webhooks/{{webhook_id}}"),
        format!("put {app}/webhooks/{{webhook_id}}"),
        format!("delete {app}/webhooks/{{webhook_id}}"),
        format!("delete {app}/workflows/{{workflow}}"),
        format!("get {app}/workflows/{{workflow}}/versions"),
        format!("post {app}/workflows/{{workflow}}/versions"),
        format!("get {app}/workflows/{{workflow}}/versions/{{version}}"),
        format!("post {app}/workflows/{{workflow}}/runs"),
        "get /v1/branding".into(),
        "put /v1/branding".into(),
    ];
    assert_eq!(routes, BTreeSet::from(expected));
}

#[test]
fn every_reference_leads_somewhere() {
    let document = openapi();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references stay inside the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[test]
fn operations_are_described_in_full() {
    let document = openapi();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            let public = ["/health", "/openapi.json"].contains(&path.as_str());
            assert_eq!(operation["security"].as_array().unwrap().is_empty(), public, "{path}");
            let responses = operation["responses"].as_object().unwrap();
            assert_eq!(responses.contains_key("401"), !public, "{path}");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('2') && *status != "204")
            {
                let content = &response["content"]["application/json"];
                assert!(content["schema"].is_object() && !content["example"].is_null(), "{method} {path} {status}");
            }
        }
    }
}
