//! Every refusal is a problem document that says what is wrong.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use axum::{body::Body, http::StatusCode};
use bytes::Bytes;
use futures::stream;
use sendoff_producers::{RecordKey, api::Limits};
use serde_json::json;

use crate::world::World;

#[test]
fn an_unknown_path_is_a_problem() {
    let world = World::new();
    for path in ["/", "/v1", "/v2/users", "/v1/users/ada/secrets", "/v1/users/"] {
        assert_eq!(world.get(path).send().problem(StatusCode::NOT_FOUND), "no-such-route", "{path}");
    }
}

#[test]
fn a_method_that_the_path_does_not_take_is_a_problem_that_lists_the_others() {
    let reply = World::new().delete("/v1/users/ada").send();
    assert_eq!(reply.problem(StatusCode::METHOD_NOT_ALLOWED), "method-not-allowed");
    let allowed = reply.header("allow").unwrap();
    assert!(allowed.contains("PUT") && allowed.contains("GET"), "{allowed}");
}

#[test]
fn bad_json_is_located() {
    let reply = World::new().put("/v1/users/ada").body("{\n  \"name\": Ada\n}").send();
    assert_eq!(reply.problem(StatusCode::BAD_REQUEST), "bad-json");
    assert_eq!((&reply.json()["line"], &reply.json()["column"]), (&json!(2), &json!(11)));
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let world = World::furnished();
    let twice = world.put("/v1/users/ada").body(r#"{ "name": "B", "name": "C" }"#).send();
    assert_eq!(twice.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(twice.pointers(), ["#/name"]);
    let nested = r#"{ "fields": { "a": [{ "b": 1, "b": 1 }], "c": 1e-400 } }"#;
    let nested = world.post("/v1/apps/expenses/submissions").body(nested).send();
    assert_eq!(nested.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(nested.pointers(), ["#/fields/a/0/b", "#/fields/c"]);
}

#[test]
fn a_body_that_breaks_off_is_refused() {
    let chunks = stream::iter([Ok("{"), Err(std::io::Error::from(std::io::ErrorKind::TimedOut))]);
    let reply = World::new().put("/v1/users/ada").body(Body::from_stream(chunks)).send();
    assert_eq!(reply.problem(StatusCode::BAD_REQUEST), "invalid-request");
}

#[test]
fn a_missing_body_is_bad_json() {
    assert_eq!(World::new().put("/v1/users/ada").send().problem(StatusCode::BAD_REQUEST), "bad-json");
}

#[test]
fn bytes_that_are_not_utf8_are_bad_json() {
    let reply = World::new().put("/v1/users/ada").body(&b"{\"name\":\"\xff\xfe\"}"[..]).send();
    assert_eq!(reply.problem(StatusCode::BAD_REQUEST), "bad-json");
}

#[test]
fn deep_nesting_is_refused_before_it_is_parsed() {
    let world = World::furnished();
    let nested = |depth: usize| format!("{{\"fields\":{{\"a\":{}{}}}}}", "[".repeat(depth), "]".repeat(depth));
    world.post("/v1/apps/expenses/submissions").body(nested(30)).send().expect(StatusCode::CREATED);
    let reply = world.post("/v1/apps/expenses/submissions").body(nested(31)).send();
    assert_eq!(reply.problem(StatusCode::BAD_REQUEST), "json-too-deep");
    let bomb = world.put("/v1/users/ada").body("[".repeat(500_000)).send();
    assert_eq!(bomb.problem(StatusCode::BAD_REQUEST), "json-too-deep");
}

#[test]
fn values_without_end_are_refused_before_they_are_parsed() {
    let world = World::furnished();
    let list = |values: usize| format!("{{\"fields\":{{\"a\":[{}1]}}}}", "1,".repeat(values - 1));
    let make = |values| world.post("/v1/apps/expenses/submissions").body(list(values)).send();
    make(90_000).expect(StatusCode::CREATED);
    assert_eq!(make(500_000).problem(StatusCode::PAYLOAD_TOO_LARGE), "body-too-large");
}

#[test]
fn another_media_type_is_refused() {
    let world = World::new();
    let put = || world.put("/v1/users/ada").json(&json!({ "name": "Ada" }));
    let xml = put().header("content-type", "text/xml").send();
    assert_eq!(xml.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE), "unsupported-media-type");
    put().without("content-type").send().problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    put().header("content-type", "Application/JSON; charset=utf-8").send().expect(StatusCode::CREATED);
}

#[test]
fn ten_megabytes_are_refused_without_being_read() {
    let world = World::new();
    let read = Arc::new(AtomicUsize::new(0));
    let chunks = |read: Arc<AtomicUsize>| {
        stream::iter((0..160).map(move |_| {
            read.fetch_add(65_536, Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 65_536]))
        }))
    };
    let undeclared = world.put("/v1/users/ada").body(Body::from_stream(chunks(read.clone()))).send();
    assert_eq!(undeclared.problem(StatusCode::PAYLOAD_TOO_LARGE), "body-too-large");
    assert!(read.load(Relaxed) <= 1024 * 1024 + 65_536, "{} bytes were read", read.load(Relaxed));

    read.store(0, Relaxed);
    let body = Body::from_stream(chunks(read.clone()));
    let declared = world.put("/v1/users/ada").body(body).header("content-length", "10485760").send();
    assert_eq!(declared.problem(StatusCode::PAYLOAD_TOO_LARGE), "body-too-large");
    assert_eq!(read.load(Relaxed), 0);
}

#[test]
fn the_body_limit_is_a_setting() {
    let world = World::with(|state| state.with_limits(Limits { body_bytes: 20, ..Limits::default() }));
    world.put("/v1/users/ada").json(&json!({ "name": "Ada" })).send().expect(StatusCode::CREATED);
    let reply = world.put("/v1/users/ada").json(&json!({ "name": "Ada Lovelace" })).send();
    assert_eq!(reply.problem(StatusCode::PAYLOAD_TOO_LARGE), "body-too-large");
}

#[test]
fn an_id_that_is_none_is_refused_with_its_rule() {
    let world = World::new();
    for id in ["a%20b", "%2e%2e", "-x", "%ff", "a%2Fb", &"x".repeat(65)] {
        let reply = world.get(&format!("/v1/users/{id}")).send();
        assert_eq!(reply.problem(StatusCode::BAD_REQUEST), "invalid-request", "{id}");
    }
}

#[test]
fn records_that_do_not_answer_make_the_api_unavailable_and_unhealthy() {
    let world = World::new();
    world.get("/health").without("authorization").send().expect(StatusCode::OK);
    world.records.fail_reads(true);
    for path in ["/health", "/v1/users/ada", "/v1/users"] {
        let reply = world.get(path).send();
        assert_eq!(reply.problem(StatusCode::SERVICE_UNAVAILABLE), "unavailable");
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(!reply.text.contains("planted"), "{}", reply.text);
    }
    world.records.fail_reads(false);
    world.get("/health").send().expect(StatusCode::OK);
    world.clock.flies.store(true, Relaxed);
    assert_eq!(world.get("/health").send().problem(StatusCode::SERVICE_UNAVAILABLE), "unavailable");
}

#[test]
fn a_panic_is_a_problem_that_tells_nothing_of_the_inside() {
    let world = World::new();
    world.records.panic_on_reads();
    let reply = world.get("/v1/users/ada").send();
    assert_eq!(reply.problem(StatusCode::INTERNAL_SERVER_ERROR), "internal");
    assert!(!reply.text.contains("planted") && !reply.text.contains("secret"), "{}", reply.text);
    assert!(reply.json()["instance"].as_str().unwrap().starts_with("urn:uuid:"));
}

#[test]
fn a_damaged_record_is_a_problem_that_tells_nothing_of_the_inside() {
    let world = World::new();
    world.records.write(RecordKey::new(&"acme".parse().unwrap(), "users", "ada"), json!({ "nmae": "hidden" }));
    let reply = world.get("/v1/users/ada").send();
    assert_eq!(reply.problem(StatusCode::INTERNAL_SERVER_ERROR), "internal");
    assert!(!reply.text.contains("nmae"), "{}", reply.text);
}
