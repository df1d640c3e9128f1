//! `Idempotency-Key`: a repeated request gets the first answer, whatever happened in between.

use axum::http::StatusCode;
use futures::{executor::block_on, future::join_all};
use serde_json::{Value, json};

use crate::{
    memory::Fault,
    world::{Call, Reply, World},
};

const SUBMISSIONS: &str = "/v1/apps/expenses/submissions";
const ASSIGNMENT: &str = "/v1/apps/expenses/assignments/ada";

fn submit(world: &World, body: &Value) -> Call {
    world.post(SUBMISSIONS).json(body).key("k-1")
}

fn lunch() -> Value {
    json!({ "fields": { "amount": 12, "reason": "Lunch" } })
}

/// Same status, headers and body, and marked as given before.
fn assert_replayed(first: &Reply, again: &Reply) {
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    for name in ["location", "etag", "sendoff-event-id", "content-type"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
}

#[test]
fn a_repeated_post_gets_the_first_answer_and_makes_nothing() {
    let world = World::furnished();
    let first = submit(&world, &lunch()).send().expect(StatusCode::CREATED);
    assert_eq!(first.header("idempotency-replayed"), None);
    assert!(first.header("sendoff-event-id").is_some());
    assert_replayed(&first, &submit(&world, &lunch()).send());
    assert_eq!(world.records.events().len(), 1);
}

#[test]
fn the_bare_key_and_another_layout_of_the_body_are_the_same_request() {
    let world = World::furnished();
    let first = submit(&world, &lunch()).send();
    let call = world.post(SUBMISSIONS).body(r#"{ "fields" : {"reason":"Lunch", "amount":12} }"#);
    assert_replayed(&first, &call.header("idempotency-key", "k-1").send());
}

#[test]
fn a_put_and_a_delete_are_replayed_too_even_when_the_state_moved_on() {
    let world = World::furnished();
    let assigned = world.put(ASSIGNMENT).key("put").send().expect(StatusCode::CREATED);
    let gone = world.delete(ASSIGNMENT).key("delete").send().expect(StatusCode::NO_CONTENT);
    assert_replayed(&assigned, &world.put(ASSIGNMENT).key("put").send());
    assert_replayed(&gone, &world.delete(ASSIGNMENT).key("delete").send());
    world.get(ASSIGNMENT).send().expect(StatusCode::NOT_FOUND);
}

#[test]
fn an_answer_without_any_change_is_kept_as_well() {
    let world = World::furnished();
    world.put(ASSIGNMENT).send().expect(StatusCode::CREATED);
    let first = world.put(ASSIGNMENT).key("again").send().expect(StatusCode::OK);
    world.delete(ASSIGNMENT).send().expect(StatusCode::NO_CONTENT);
    assert_replayed(&first, &world.put(ASSIGNMENT).key("again").send());
}

#[test]
fn the_same_key_for_another_request_is_refused() {
    let world = World::furnished();
    submit(&world, &lunch()).send().expect(StatusCode::CREATED);
    let other_body = submit(&world, &json!({ "fields": { "amount": 13 } })).send();
    let other_path = world.put(ASSIGNMENT).key("k-1").send();
    let other_caller = submit(&world, &lunch()).token(&world.token("acme", "linus")).send();
    for reply in [other_body, other_path, other_caller] {
        assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "idempotency-key-reused");
    }
    assert_eq!(world.records.events().len(), 1);
}

#[test]
fn a_condition_is_part_of_the_request() {
    let world = World::new();
    let put = |header: &'static str, tags: &str| {
        world.put("/v1/users/ada").json(&json!({ "name": "Ada" })).key("k-1").header(header, tags).send()
    };
    let first = put("if-none-match", "*").expect(StatusCode::CREATED);
    assert_replayed(&first, &put("if-none-match", "*"));
    for (header, tags) in [("if-none-match", "\"9\""), ("if-match", "*"), ("if-match", "\"1\"")] {
        let other = put(header, tags).problem(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(other, "idempotency-key-reused", "{header}: {tags}");
    }
    let none = world.put("/v1/users/ada").json(&json!({ "name": "Ada" })).key("k-1").send();
    assert_eq!(none.problem(StatusCode::UNPROCESSABLE_ENTITY), "idempotency-key-reused");
}

#[test]
fn requests_that_differ_only_in_what_a_number_can_not_hold_are_no_repetition() {
    let world = World::furnished();
    let number = |number: &str| {
        let body =
            format!(r#"{{ "fields": {{ "iban_ref": {number}, "whole": 18446744073709551615, "half": [0.5] }} }}"#);
        world.post(SUBMISSIONS).body(body).key("k-1").send()
    };
    for changed in ["98765432109876543210", "98765432109876543999", "0.10000000000000000001"] {
        let refused = number(changed);
        assert_eq!(refused.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
        assert_eq!(refused.pointers(), ["#/fields/iban_ref"]);
    }
    let first = number("\"98765432109876543210\"").expect(StatusCode::CREATED);
    assert_eq!(first.json()["fields"]["iban_ref"], "98765432109876543210");
    assert_eq!(first.json()["fields"]["whole"], u64::MAX);
    let other = number("\"98765432109876543999\"");
    assert_eq!(other.problem(StatusCode::UNPROCESSABLE_ENTITY), "idempotency-key-reused");
}

#[test]
fn the_same_key_in_two_tenants_is_two_requests() {
    let world = World::furnished();
    let other = world.token("umbrella", "grace");
    world.put("/v1/apps/expenses").json(&json!({ "name": "E" })).token(&other).send().expect(StatusCode::CREATED);
    let ours = submit(&world, &lunch()).send().expect(StatusCode::CREATED);
    let theirs = submit(&world, &lunch()).token(&other).send().expect(StatusCode::CREATED);
    assert_eq!(theirs.header("idempotency-replayed"), None);
    assert_ne!(ours.header("location"), theirs.header("location"));
}

#[test]
fn concurrent_duplicates_get_the_same_answer_and_one_change() {
    let world = World::furnished();
    let replies = block_on(join_all((0..5).map(|_| submit(&world, &lunch()).sending())));
    assert_eq!(world.records.events().len(), 1);
    let (first, twins): (Vec<_>, Vec<_>) =
        replies.iter().partition(|reply| reply.header("idempotency-replayed").is_none());
    assert_eq!((first.len(), twins.len()), (1, 4));
    twins.iter().for_each(|twin| assert_replayed(first[0], twin));
}

#[test]
fn a_duplicate_that_finds_the_work_done_gets_the_first_answer_and_no_refusal() {
    let world = World::furnished();
    world.put(ASSIGNMENT).send().expect(StatusCode::CREATED);
    let replies = block_on(join_all((0..5).map(|_| world.delete(ASSIGNMENT).key("delete").sending())));
    assert!(replies.iter().all(|reply| reply.status == StatusCode::NO_CONTENT), "{replies:?}");
    assert_eq!(world.records.events().len(), 2);
}

#[test]
fn after_a_lost_answer_the_same_key_tells_what_became_of_it() {
    let world = World::furnished();
    world.records.fail_next(Fault::LostAnswer);
    let lost = submit(&world, &lunch()).send();
    assert_eq!(lost.problem(StatusCode::SERVICE_UNAVAILABLE), "unavailable");
    assert!(lost.header("retry-after").is_some());

    let again = submit(&world, &lunch()).send().expect(StatusCode::CREATED);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let event = world.records.events().pop().unwrap();
    assert_eq!(again.header("sendoff-event-id"), Some(event.id().to_string().as_str()));
    assert_eq!(world.records.events().len(), 1);
}

#[test]
fn after_a_lost_request_the_same_key_does_the_work() {
    let world = World::furnished();
    world.records.fail_next(Fault::LostRequest);
    submit(&world, &lunch()).send().problem(StatusCode::SERVICE_UNAVAILABLE);
    let again = submit(&world, &lunch()).send().expect(StatusCode::CREATED);
    assert_eq!(again.header("idempotency-replayed"), None);
    assert_eq!(world.records.events().len(), 1);
}

#[test]
fn what_is_known_not_to_be_stored_is_told_so() {
    let world = World::furnished();
    let make = || world.post(SUBMISSIONS).json(&lunch()).send();
    world.records.fail_next(Fault::NoRoom);
    let refused = make();
    assert_eq!(refused.problem(StatusCode::SERVICE_UNAVAILABLE), "unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.text.contains("nothing was stored, try again"), "{}", refused.text);
    assert!(!refused.text.contains("planted"), "{}", refused.text);
    world.records.fail_next(Fault::LostRequest);
    assert!(make().text.contains("is not known"));
    make().expect(StatusCode::CREATED);
}

#[test]
fn a_refused_request_does_not_use_up_its_key() {
    let world = World::new();
    submit(&world, &lunch()).send().problem(StatusCode::NOT_FOUND);
    submit(&world.furnish(), &lunch()).send().expect(StatusCode::CREATED);
}

#[test]
fn malformed_keys_are_refused() {
    let world = World::furnished();
    for key in ["", "\"\"", "\"open", "a b", &"k".repeat(256)] {
        let reply = world.put(ASSIGNMENT).header("idempotency-key", key).send();
        assert_eq!(reply.problem(StatusCode::BAD_REQUEST), "invalid-request");
    }
    assert!(world.records.events().is_empty());
}
