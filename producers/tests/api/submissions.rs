//! Submissions: made, replaced, guarded by their ETag.

use axum::http::StatusCode;
use sendoff_producers::{RecordKey, api::Limits};
use serde_json::{Map, Value, json};

use crate::{
    memory::Fault,
    world::{Reply, World, last_event},
};

const ALL: &str = "/v1/apps/expenses/submissions";

fn make(world: &World) -> (Reply, String) {
    let body = json!({ "fields": { "amount": 12.5, "reason": "Lunch" } });
    let reply = world.post(ALL).json(&body).send().expect(StatusCode::CREATED);
    let path = reply.header("location").unwrap().to_owned();
    (reply, path)
}

#[test]
fn a_submission_is_made_by_the_token_s_subject_with_its_event() {
    let world = World::furnished();
    let (reply, path) = make(&world);
    assert_eq!(reply.header("etag"), Some("\"1\""));
    let submission = reply.json();
    assert_eq!(submission["author_id"], "grace");
    assert_eq!(submission["revision"], 1);
    assert_eq!(path, format!("{ALL}/{}", submission["submission_id"].as_str().unwrap()));
    assert_eq!(world.get(&path).send().expect(StatusCode::OK).json(), submission);

    let event = last_event(&world);
    assert_eq!(event["type"], "submission.created.v2");
    assert_eq!(event["data"]["author_id"], "grace");
    assert_eq!(event["sequence"], "00000000000000000001");
    assert_eq!(reply.header("sendoff-event-id"), event["id"].as_str());
    assert!(event["data"].get("fields").is_none(), "fields may be personal data, so the event doesn't carry them");
}

#[test]
fn an_update_tells_which_fields_changed() {
    let world = World::furnished();
    let (_, path) = make(&world);
    let body = json!({ "fields": { "amount": 13, "comment": "with tip" } });
    let reply = world.put(&path).token(&world.token("acme", "linus")).json(&body).send().expect(StatusCode::OK);
    assert_eq!(reply.header("etag"), Some("\"2\""));
    assert_eq!(reply.json()["revision"], 2);
    assert_eq!(reply.json()["author_id"], "grace");
    assert_eq!(world.get(&path).send().json()["fields"], body["fields"]);

    let event = last_event(&world);
    assert_eq!(event["type"], "submission.updated.v1");
    assert_eq!(event["data"]["editor_id"], "linus");
    assert_eq!(event["data"]["changed_fields"], json!(["amount", "comment", "reason"]));
    assert_eq!(event["data"]["revision"], 2);
    assert_eq!(event["sequence"], "00000000000000000002");
}

#[test]
fn an_update_that_changes_nothing_keeps_the_revision_and_publishes_nothing() {
    let world = World::furnished();
    let (made, path) = make(&world);
    let body = json!({ "fields": { "reason": "Lunch", "amount": 12.5 } });
    let reply = world.put(&path).json(&body).send().expect(StatusCode::OK);
    assert_eq!(reply.json(), made.json());
    assert_eq!(reply.header("etag"), Some("\"1\""));
    assert_eq!(reply.header("sendoff-event-id"), None);
    assert_eq!(world.records.events().len(), 1);
}

#[test]
fn an_update_of_a_stale_version_is_refused() {
    let world = World::furnished();
    let (_, path) = make(&world);
    let put = |amount: u64| world.put(&path).json(&json!({ "fields": { "amount": amount } }));
    put(1).header("if-match", "\"7\", \"1\"").send().expect(StatusCode::OK);
    let stale = put(2).header("if-match", "\"1\"").send();
    assert_eq!(stale.problem(StatusCode::PRECONDITION_FAILED), "version-mismatch");
    put(2).header("if-match", "W/\"2\"").send().problem(StatusCode::PRECONDITION_FAILED);
    put(2).send().expect(StatusCode::OK);
}

#[test]
fn a_writer_who_comes_in_between_makes_the_update_start_over() {
    let world = World::furnished();
    let (made, path) = make(&world);
    let mut theirs = made.json();
    theirs["fields"] = json!({ "amount": 99 });
    theirs["revision"] = json!(2);
    let id = path.strip_prefix("/v1/apps/").unwrap().replace("/submissions/", "/");
    let key = RecordKey::new(&"acme".parse().unwrap(), "submissions", id);
    let change = || Fault::OthersFirst(key.clone(), theirs.clone());

    world.records.fail_next(change());
    let put = || world.put(&path).json(&json!({ "fields": { "amount": 1 } }));
    let reply = put().send().expect(StatusCode::OK);
    assert_eq!(reply.json()["revision"], 3);
    assert_eq!(last_event(&world)["data"]["changed_fields"], json!(["amount"]));

    world.records.fail_next(change());
    put().header("if-match", "\"3\"").json(&json!({ "fields": {} })).send().problem(StatusCode::PRECONDITION_FAILED);
}

#[test]
fn an_update_that_always_comes_second_gives_up_as_a_conflict() {
    let world = World::furnished();
    let (made, path) = make(&world);
    let id = path.strip_prefix("/v1/apps/").unwrap().replace("/submissions/", "/");
    let key = RecordKey::new(&"acme".parse().unwrap(), "submissions", id);
    for _ in 0..20 {
        world.records.fail_next(Fault::OthersFirst(key.clone(), made.json()));
    }
    let reply = world.put(&path).json(&json!({ "fields": { "amount": 1 } })).send();
    assert_eq!(reply.problem(StatusCode::CONFLICT), "conflict");
    assert_eq!(world.records.events().len(), 1);
}

#[test]
fn too_many_fields_bad_names_and_strange_members_are_refused() {
    let world = World::with(|state| state.with_limits(Limits { submission_fields: 2, ..Limits::default() })).furnish();
    let refused = |body: Value| {
        let reply = world.post(ALL).json(&body).send();
        assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
        reply.pointers()
    };
    assert_eq!(refused(json!({ "fields": { "a": 1, "b": 2, "c": 3 } })), ["#/fields"]);
    assert_eq!(refused(json!({ "fields": { "": 1, "a\nb": 2 } })), ["#/fields/", "#/fields/a%0Ab"]);
    assert_eq!(refused(json!({ "fields": [], "author_id": "eve" })), ["#/fields", "#/author_id"]);
    assert_eq!(refused(json!({})), ["#/fields"]);
    assert_eq!(refused(json!([])), ["#"]);
}

#[test]
fn five_hundred_fields_are_fine_and_one_more_is_not() {
    let world = World::furnished();
    let fields = |count: usize| (0..count).map(|n| (format!("f{n}"), json!(n))).collect::<Map<_, _>>();
    world.post(ALL).json(&json!({ "fields": fields(500) })).send().expect(StatusCode::CREATED);
    world.post(ALL).json(&json!({ "fields": fields(501) })).send().problem(StatusCode::UNPROCESSABLE_ENTITY);
}

#[test]
fn a_submission_needs_its_app() {
    let world = World::furnished();
    let reply = world.post("/v1/apps/nope/submissions").json(&json!({ "fields": {} })).send();
    assert_eq!(reply.problem(StatusCode::NOT_FOUND), "not-found");
    let reply = world.put(&format!("{ALL}/nope")).json(&json!({ "fields": {} })).send();
    assert_eq!(reply.problem(StatusCode::NOT_FOUND), "not-found");
}
