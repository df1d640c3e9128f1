//! Assigning apps: one event per change, none without one.

use axum::http::StatusCode;
use sendoff_producers::{RecordKey, model};
use serde_json::{Value, json};

use crate::world::{World, last_event};

const ONE: &str = "/v1/apps/expenses/assignments/ada";

#[test]
fn assigning_commits_the_assignment_and_its_event_in_one_step() {
    let world = World::furnished();
    let reply = world.put(ONE).send().expect(StatusCode::CREATED);
    assert_eq!(reply.json(), json!({ "app_id": "expenses", "user_id": "ada", "assigned_by": "grace" }));
    assert_eq!(reply.header("location"), Some(ONE));

    let work = world.records.committed().pop().unwrap();
    assert_eq!(work.actor, "grace");
    assert_eq!(work.events.len(), 1);
    let key = model::assignment_key(&work.tenant, &"expenses".parse().unwrap(), &"ada".parse().unwrap());
    assert!(work.writes.iter().any(|write| write.key == key));

    let event = last_event(&world);
    assert_eq!(event["type"], "app.assigned.v1");
    assert_eq!(event["source"], "/sendoff/api");
    assert_eq!(event["tenantid"], "acme");
    assert_eq!(event["subject"], "apps/expenses/assignments/ada");
    assert_eq!(event["data"], reply.json());
    assert_eq!(reply.header("sendoff-event-id"), event["id"].as_str());
    assert_eq!(event["correlationid"], event["id"]);
}

#[test]
fn assigning_again_changes_nothing_and_publishes_nothing() {
    let world = World::furnished();
    world.put(ONE).send().expect(StatusCode::CREATED);
    let again = world.put(ONE).token(&world.token("acme", "linus")).send().expect(StatusCode::OK);
    assert_eq!(again.json()["assigned_by"], "grace");
    assert_eq!(again.header("sendoff-event-id"), None);
    assert_eq!(world.records.events().len(), 1);
}

#[test]
fn unassigning_publishes_once_and_then_there_is_nothing_to_unassign() {
    let world = World::furnished();
    world.put(ONE).send().expect(StatusCode::CREATED);
    let reply = world.delete(ONE).send().expect(StatusCode::NO_CONTENT);
    assert_eq!(reply.text, "");
    let event = last_event(&world);
    assert_eq!(event["type"], "app.unassigned.v1");
    assert_eq!(event["data"], json!({ "app_id": "expenses", "user_id": "ada", "unassigned_by": "grace" }));
    assert_eq!(reply.header("sendoff-event-id"), event["id"].as_str());

    assert_eq!(world.delete(ONE).send().problem(StatusCode::NOT_FOUND), "not-found");
    assert_eq!(world.get(ONE).send().problem(StatusCode::NOT_FOUND), "not-found");
    assert_eq!(world.records.events().len(), 2);
}

#[test]
fn the_events_of_an_assignment_are_numbered_on_through_every_turn() {
    let world = World::furnished();
    for _ in 0..2 {
        world.put(ONE).send().expect(StatusCode::CREATED);
        world.delete(ONE).send().expect(StatusCode::NO_CONTENT);
    }
    world.put(ONE).send().expect(StatusCode::CREATED);
    let sequences = world.records.events().into_iter().map(|event| {
        let event: Value = serde_json::from_slice(event.body()).unwrap();
        event["sequence"].as_str().unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(sequences.collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let key = RecordKey::new(&"acme".parse().unwrap(), "assignments", "expenses/ada");
    assert_eq!(world.records.version(&key), Some(5));
}

#[test]
fn a_condition_on_an_assignment_is_held() {
    let world = World::furnished();
    world.put(ONE).header("if-match", "*").send().problem(StatusCode::PRECONDITION_FAILED);
    world.put(ONE).send().expect(StatusCode::CREATED);
    let tag = world.get(ONE).send().header("etag").unwrap().to_owned();
    let stale = world.delete(ONE).header("if-match", "\"7\"").send();
    assert_eq!(stale.problem(StatusCode::PRECONDITION_FAILED), "version-mismatch");
    let gone = world.delete(ONE).header("if-match", &tag).send().expect(StatusCode::NO_CONTENT);
    assert_eq!((gone.header("content-type"), &*gone.text), (None, ""));
}

#[test]
fn what_is_missing_is_named() {
    let world = World::furnished();
    let no_app = world.put("/v1/apps/nope/assignments/ada").send();
    assert_eq!(no_app.problem(StatusCode::NOT_FOUND), "not-found");
    assert_eq!(no_app.json()["detail"], "app `nope` does not exist");
    let no_user = world.put("/v1/apps/expenses/assignments/nobody").send();
    assert_eq!(no_user.problem(StatusCode::NOT_FOUND), "not-found");
    assert_eq!(no_user.json()["detail"], "user `nobody` does not exist");
    assert!(world.records.events().is_empty());
}

#[test]
fn a_field_in_the_body_is_refused_rather_than_ignored() {
    let world = World::furnished();
    world.put(ONE).json(&json!({})).send().expect(StatusCode::CREATED);
    let reply = world.put(ONE).json(&json!({ "role": "admin" })).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(reply.pointers(), ["#/role"]);
}

#[test]
fn correlation_and_trace_of_the_request_go_on_in_the_event() {
    let world = World::furnished();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    world
        .put(ONE)
        .header("x-correlation-id", "order-7")
        .header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
        .send()
        .expect(StatusCode::CREATED);
    let event = last_event(&world);
    assert_eq!(event["correlationid"], "order-7");
    let parent = event["traceparent"].as_str().unwrap();
    assert!(parent.contains(trace) && !parent.contains("00f067aa0ba902b7"), "{parent}");
}

#[test]
fn a_load_test_neither_silences_messages_nor_sends_real_ones_where_it_is_not_allowed() {
    let world = World::furnished();
    let health = |world: &World| world.get("/health").send().expect(StatusCode::OK).json()["load_tests"].clone();
    assert_eq!(health(&world), false);
    let longest = format!("load/{}/{}", "a".repeat(40), u64::MAX);
    for id in ["load/night/7", "load/0-a/0", &longest, "load/load_approval-7f"] {
        for name in ["x-correlation-id", "x-request-id"] {
            let reply = world.put(ONE).header(name, id).send();
            assert_eq!(reply.problem(StatusCode::FORBIDDEN), "load-tests-off", "{name}: {id}");
        }
    }
    world.get(ONE).send().expect(StatusCode::NOT_FOUND);

    let world = World::with(|state| state.with_load_tests(true)).furnish();
    assert_eq!(health(&world), true);
    world.put(ONE).header("x-correlation-id", "load/night/7").send().expect(StatusCode::CREATED);
    assert_eq!(last_event(&world)["correlationid"], "load/night/7");
}

#[test]
fn a_correlation_that_only_begins_like_that_of_a_load_test_is_passed_over() {
    let world = World::furnished();
    for id in ["load/balancer", "load/", "load/eu-1/7f3a", "load/Edge/7", "load/a/b/7", "load/edge/7?"] {
        world.put(ONE).header("x-correlation-id", id).send().expect(StatusCode::CREATED);
        let event = last_event(&world);
        assert_eq!(event["correlationid"], event["id"], "taken, {id} would keep the messages from going out");
        world.delete(ONE).send();
    }
    world.put(ONE).header("x-correlation-id", "load/balancer").header("x-request-id", "order-7").send();
    assert_eq!(last_event(&world)["correlationid"], "order-7");
    let both = world.delete(ONE).header("x-correlation-id", "load/balancer").header("x-request-id", "load/night/7");
    assert_eq!(both.send().problem(StatusCode::FORBIDDEN), "load-tests-off");
}

#[test]
fn a_broken_correlation_or_trace_starts_a_new_chain() {
    let world = World::furnished();
    let call = world.put(ONE).header("x-correlation-id", "two words").header("traceparent", "garbage");
    call.send().expect(StatusCode::CREATED);
    let event = last_event(&world);
    assert_eq!(event["correlationid"], event["id"]);
    assert!(event["traceparent"].is_string());
}
