//! Webhooks: put, shown without their secrets, and known to their app.

use axum::http::StatusCode;
use sendoff_producers::{
    Lookup as _,
    model::{App, WebhookEndpoint, app_key, decode, webhook_key},
};
use serde_json::{Value, json};

use crate::world::World;

const CRM: &str = "/v1/apps/expenses/webhooks/crm";
const OLD: &str = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk";
const NEW: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3";

fn hook() -> Value {
    json!({ "url": "https://hooks.example.org/sendoff?x=1", "events": ["submission.created"] })
}

fn stored(world: &World) -> WebhookEndpoint {
    let key = webhook_key(&"acme".parse().unwrap(), &"expenses".parse().unwrap(), "crm");
    let record = futures::executor::block_on(world.records.get(&key)).unwrap().expect("it is there");
    decode(record).unwrap().0
}

fn known(world: &World) -> Vec<String> {
    let key = app_key(&"acme".parse().unwrap(), &"expenses".parse().unwrap());
    let record = futures::executor::block_on(world.records.get(&key)).unwrap().unwrap();
    decode::<App>(record).unwrap().0.webhooks
}

fn secrets(world: &World) -> Vec<String> {
    stored(world).secrets.iter().map(|secret| secret.expose().clone()).collect()
}

#[test]
fn a_webhook_that_was_deleted_and_made_again_can_be_changed_by_its_etag() {
    let world = World::furnished();
    world.put(CRM).json(&hook()).send().expect(StatusCode::CREATED);
    world.delete(CRM).send().expect(StatusCode::NO_CONTENT);
    let again = world.put(CRM).json(&hook()).send().expect(StatusCode::CREATED);
    let etag = match again.header("etag") {
        Some(etag) => etag.to_owned(),
        None => world.get(CRM).send().expect(StatusCode::OK).header("etag").unwrap().to_owned(),
    };
    let mut changed = hook();
    changed["url"] = json!("https://hooks.example.org/other");
    world.put(CRM).header("if-match", &etag).json(&changed).send().expect(StatusCode::OK);
}

#[test]
fn a_new_webhook_gets_a_secret_that_is_shown_once_and_its_app_knows_it() {
    let world = World::furnished();
    let created = world.put(CRM).json(&hook()).send().expect(StatusCode::CREATED);
    assert_eq!(created.header("location"), Some(CRM));
    let secret = created.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 38, "{secret}");
    assert_eq!((secrets(&world), known(&world)), (vec![secret.clone()], vec!["crm".to_owned()]));

    let read = world.get(CRM).send().expect(StatusCode::OK);
    let mut expected = hook();
    (expected["app_id"], expected["webhook_id"]) = (json!("expenses"), json!("crm"));
    assert_eq!(read.json(), expected);
    let listed = world.get("/v1/apps/expenses/webhooks").send().expect(StatusCode::OK);
    assert_eq!(listed.json(), json!({ "items": [expected] }));

    // What was read can be written back, and changes nothing.
    let again = world.put(CRM).json(&read.json()).send().expect(StatusCode::OK);
    assert_eq!((again.header("etag"), again.json()), (Some("\"1\""), read.json()));
    assert_eq!(secrets(&world), [secret]);
    let other = world.put("/v1/apps/expenses/webhooks/other").json(&hook()).send().expect(StatusCode::CREATED);
    assert_ne!(other.json()["secret"], created.json()["secret"]);
}

#[test]
fn a_repeated_request_gets_the_same_secret_again() {
    let world = World::furnished();
    let first = world.put(CRM).json(&hook()).key("k").send().expect(StatusCode::CREATED);
    let again = world.put(CRM).json(&hook()).key("k").send().expect(StatusCode::CREATED);
    assert_eq!((first.json(), again.header("idempotency-replayed")), (again.json(), Some("true")));
}

#[test]
fn secrets_of_the_callers_own_are_taken_and_not_shown() {
    let world = World::furnished();
    let with = |secrets: Value| {
        let mut hook = hook();
        hook["secrets"] = secrets;
        hook
    };
    let created = world.put(CRM).json(&with(json!([OLD]))).send().expect(StatusCode::CREATED);
    let rotated = world.put(CRM).json(&with(json!([NEW, OLD]))).send().expect(StatusCode::OK);
    assert!(!created.text.contains("whsec_") && !rotated.text.contains("whsec_"));
    assert_eq!(secrets(&world), [NEW, OLD]);
    assert_eq!(rotated.header("etag"), Some("\"2\""));
}

#[test]
fn a_webhook_that_was_disabled_is_called_again_when_it_is_put_without_that() {
    let world = World::furnished();
    world.put(CRM).json(&hook()).send().expect(StatusCode::CREATED);
    let key = webhook_key(&"acme".parse().unwrap(), &"expenses".parse().unwrap(), "crm");
    let disabled = WebhookEndpoint { disabled: Some("status 410".into()), ..stored(&world) };
    world.records.write(key, serde_json::to_value(disabled).unwrap());
    let read = world.get(CRM).send().expect(StatusCode::OK).json();
    assert_eq!(read["disabled"], "status 410");
    world.put(CRM).json(&read).send().expect(StatusCode::OK);
    assert_eq!(stored(&world).disabled.as_deref(), Some("status 410"), "what was read is written back");
    world.put(CRM).json(&hook()).send().expect(StatusCode::OK);
    assert_eq!(stored(&world).disabled, None);
}

#[test]
fn a_deleted_webhook_is_gone_and_its_app_does_not_know_it_any_more() {
    let world = World::furnished();
    for id in ["crm", "b", "a"] {
        world.put(&format!("/v1/apps/expenses/webhooks/{id}")).json(&hook()).send().expect(StatusCode::CREATED);
    }
    assert_eq!(known(&world), ["a", "b", "crm"]);
    world.delete(CRM).header("if-match", "\"7\"").send().problem(StatusCode::PRECONDITION_FAILED);
    world.delete(CRM).send().expect(StatusCode::NO_CONTENT);
    assert_eq!(known(&world), ["a", "b"]);
    for reply in [world.get(CRM).send(), world.delete(CRM).send()] {
        assert_eq!(reply.problem(StatusCode::NOT_FOUND), "not-found");
    }
}

#[test]
fn an_app_that_is_put_anew_keeps_its_webhooks_and_says_nothing_of_them() {
    let world = World::furnished();
    world.put(CRM).json(&hook()).send().expect(StatusCode::CREATED);
    let put = |body: Value| world.put("/v1/apps/expenses").json(&body).send();
    let renamed = put(json!({ "name": "Travel" })).expect(StatusCode::OK).json();
    assert_eq!((known(&world), renamed.get("webhooks")), (vec!["crm".to_owned()], None));
    assert_eq!(world.get("/v1/apps/expenses").send().json().get("webhooks"), None);
    assert_eq!(put(json!({ "name": "Travel", "webhooks": [] })).pointers(), ["#/webhooks"]);
}

#[test]
fn an_app_has_at_most_twenty() {
    let world = World::furnished();
    for number in 0..20 {
        let path = format!("/v1/apps/expenses/webhooks/h{number}");
        world.put(&path).json(&hook()).send().expect(StatusCode::CREATED);
    }
    assert_eq!(world.put(CRM).json(&hook()).send().problem(StatusCode::CONFLICT), "limit-reached");
    world.put("/v1/apps/expenses/webhooks/h7").json(&hook()).send().expect(StatusCode::OK);
}

#[test]
fn all_that_is_wrong_with_a_webhook_is_reported_at_once_and_no_secret_is_repeated() {
    let world = World::furnished();
    let body = json!({
        "url": "http://hooks.example.org", "events": ["app.archived", "workflow.step"], "secrets": ["whsec_c2hvcnQ=", "secret"], "x": 1,
    });
    let reply = world.put(CRM).json(&body).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(reply.pointers(), ["#/url", "#/events/0", "#/events/1", "#/secrets/0", "#/secrets/1", "#/x"]);
    assert!(!reply.text.contains("c2hvcnQ"));
    assert_eq!(
        world.put(CRM).json(&json!({ "url": "https://a.example", "secrets": [] })).send().pointers(),
        ["#/secrets"]
    );
    for hostile in [
        "https://user:pass@a.example/",
        "https://a.example/#x",
        "https://a.example:0/",
        "https://a.example:/",
        "ftp://a.example/",
        "https://a.example\\@b.example/",
        "https:///x",
        "a.example",
        "https://ä.example/",
    ] {
        let reply = world.put(CRM).json(&json!({ "url": hostile })).send();
        assert_eq!(reply.pointers(), ["#/url"], "{hostile}");
    }
    let reply = world.put("/v1/apps/nope/webhooks/crm").json(&hook()).send();
    assert_eq!(reply.problem(StatusCode::NOT_FOUND), "not-found");
    assert!(world.records.committed().len() == 2, "nothing was stored");
}

#[test]
fn an_address_that_no_call_would_go_to_is_refused_at_once_and_the_rule_is_named() {
    let world = World::furnished();
    let put = |url: &str| world.put(CRM).json(&json!({ "url": url })).send();
    for (url, why) in [
        ("https://127.0.0.1/", "127.0.0.1 is not a public address"),
        ("https://10.1.2.3:8443/x", "10.1.2.3 is not a public address"),
        ("https://[::1]/", "::1 is not a public address"),
        ("https://[fd00:ec2::254]/", "fd00:ec2::254 is not a public address"),
        ("https://2130706433/", "`2130706433` is not how an IP address is written"),
        ("https://0x7f.1/", "`0x7f.1` is not how an IP address is written"),
        ("https://localhost/", "names in `localhost` are not public"),
        ("https://LOCALHOST:8443/", "names in `localhost` are not public"),
        ("https://db.internal/", "names in `internal` are not public"),
        ("https://printer.local/", "names in `local` are not public"),
        ("https://metadata/", "`metadata` is not a full name"),
        ("https://hooks.example.org./", "ends with a dot"),
        ("https://hooks.example.org:25/", "port is 25: only 443 and ports above 1023"),
    ] {
        let reply = put(url);
        assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields", "{url}");
        assert_eq!(reply.pointers(), ["#/url"], "{url}");
        assert!(reply.json()["errors"][0]["detail"].as_str().unwrap().contains(why), "{url}: {}", reply.text);
    }
    for url in ["https://8.8.8.8/", "https://[2606:4700::1111]:8443/", "https://hooks.example.org:1024/"] {
        assert!(put(url).status.is_success(), "{url}");
    }
}

#[test]
fn a_server_that_a_developer_allowed_may_be_anywhere() {
    let allowed = ["localhost:8443", "hooks.test:443", "[::1]:9000"].map(str::to_owned);
    let world = World::with(|state| state.with_plain_webhooks(allowed)).furnish();
    let put = |url: &str| world.put(CRM).json(&json!({ "url": url })).send();
    for url in ["https://LocalHost:8443/in", "https://hooks.test/", "http://[::1]:9000/"] {
        assert!(put(url).status.is_success(), "{url}");
    }
    for url in ["https://localhost/", "https://a.hooks.test/", "http://hooks.test/", "https://x@localhost:8443/"] {
        assert_eq!(put(url).pointers(), ["#/url"], "{url}");
    }
}

#[test]
fn plain_http_is_taken_only_where_a_developer_allowed_it() {
    let world = World::with(|state| state.with_plain_webhooks(["127.0.0.1:9000".to_owned()])).furnish();
    let put = |url: &str| world.put(CRM).json(&json!({ "url": url })).send();
    put("http://127.0.0.1:9000/hook").expect(StatusCode::CREATED);
    for other in ["http://127.0.0.1:9001/", "http://127.0.0.1/", "http://x@127.0.0.1:9000/", "ftp://127.0.0.1:9000/"] {
        assert_eq!(put(other).pointers(), ["#/url"], "{other}");
    }
}

#[test]
fn another_tenants_webhooks_do_not_exist() {
    let world = World::furnished();
    world.put(CRM).json(&hook()).send().expect(StatusCode::CREATED);
    let stranger = world.token("umbrella", "grace");
    for reply in [
        world.get(CRM).token(&stranger).send(),
        world.get("/v1/apps/expenses/webhooks").token(&stranger).send(),
        world.delete(CRM).token(&stranger).send(),
        world.put(CRM).json(&hook()).token(&stranger).send(),
    ] {
        assert_eq!(reply.problem(StatusCode::NOT_FOUND), "not-found");
    }
}
