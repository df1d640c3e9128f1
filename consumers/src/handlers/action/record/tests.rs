//! Calls over records in memory.

use std::sync::atomic::Ordering;

use futures::executor::block_on;
use sendoff_events::SubmissionId;
use sendoff_producers::model::{Submission, app_key, submission_key};

use super::{
    super::{ActionErrorKind, ActionStatus},
    *,
};
use crate::handlers::doubles::{World, tenant};

fn world() -> World {
    let world = World::new();
    world.records.put(app_key(&tenant(), &"orders".parse().unwrap()), json!({ "name": "Orders" }));
    world
}

fn call(key: &str, fields: Value) -> Value {
    let mut call = json!({
        "action": "record", "idempotency_key": key, "tenant": tenant(), "app": "orders", "author": "ada", "hops": 1,
    });
    call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    call
}

fn act(world: &World, call: &Value) -> Result<ActionResult, ActionError> {
    let actions = RecordActions::new(world.ports(), world.records.clone());
    block_on(actions.act(&call.to_string(), &Limits::none()))
}

fn error(world: &World, call: &Value) -> (ActionErrorKind, String) {
    let error = act(world, call).unwrap_err();
    (error.kind, error.reason)
}

fn submissions(world: &World) -> Vec<Submission> {
    let all = world.records.all().into_iter().filter(|(key, _)| key.starts_with("submissions/"));
    all.map(|(_, data)| serde_json::from_value(data).unwrap()).collect()
}

#[test]
fn a_submission_is_made_once_however_often_it_is_asked_for() {
    let world = world();
    let create = call("run/make", json!({ "create": { "fields": { "part": "'; drop table", "qty": 3 } } }));
    let first = act(&world, &create).unwrap();
    assert_eq!((first.status, &first.outputs["revision"]), (ActionStatus::Done, &json!(1)));
    assert_eq!(act(&world, &create), Ok(first.clone()));
    let made = submissions(&world);
    let [one] = &made[..] else { panic!("{made:?}") };
    assert_eq!(first.outputs["submission"], one.submission_id.as_str());
    assert_eq!((one.author_id.as_str(), &one.fields["part"], one.revision), ("ada", &json!("'; drop table"), 1));
    act(&world, &call("run/make/1", json!({ "create": { "fields": {} } }))).unwrap();
    assert_eq!(submissions(&world).len(), 2, "another call makes another one");
}

#[test]
fn one_whose_end_got_lost_is_found_and_not_made_again() {
    let world = world();
    let create = call("run/make", json!({ "create": { "fields": { "qty": 3 } } }));
    let first = act(&world, &create).unwrap();
    // The process vanished after the commit: its record in the inbox is that of an attempt that runs.
    for record in world.inbox.0.lock().unwrap().values_mut() {
        (record.status, record.expires_at) = (crate::Status::Claimed, None);
        record.steps.clear();
        record.lease_until = record.first_at;
    }
    world.clock.forward(Duration::from_secs(3600));
    assert_eq!(act(&world, &create), Ok(first));
    assert_eq!(submissions(&world).len(), 1);
}

#[test]
fn an_update_sets_its_fields_and_leaves_the_others() {
    let world = world();
    let made = act(&world, &call("run/make", json!({ "create": { "fields": { "part": "Bolt", "qty": 3 } } }))).unwrap();
    let id = made.outputs["submission"].clone();
    let update = call("run/change", json!({ "update": { "submission": id, "fields": { "qty": 4, "more": null } } }));
    assert_eq!(act(&world, &update).unwrap().outputs["revision"], json!(2));
    assert_eq!(act(&world, &update).unwrap().outputs["revision"], json!(2));
    let fields = &submissions(&world)[0].fields;
    assert_eq!(Value::Object(fields.clone()), json!({ "part": "Bolt", "qty": 4, "more": null }));
    let same = call("run/same", json!({ "update": { "submission": id, "fields": { "qty": 4 } } }));
    assert_eq!(act(&world, &same).unwrap().outputs["revision"], json!(2), "what is so already changes nothing");
}

#[test]
fn what_does_not_exist_is_told_and_an_outage_is_waited_out() {
    let world = world();
    let create = |key: &str| call(key, json!({ "create": { "fields": {} } }));
    let mut nowhere = create("run/1");
    nowhere["app"] = json!("nowhere");
    assert_eq!(error(&world, &nowhere), (ActionErrorKind::Permanent, "app-missing".into()));
    let id: SubmissionId = "01938d1e-7b2c-7000-8000-000000000000".parse().unwrap();
    let update = json!({ "update": { "submission": id, "fields": { "a": 1 } } });
    assert_eq!(
        error(&world, &call("run/2", update.clone())),
        (ActionErrorKind::Permanent, "submission-missing".into())
    );
    // What another tenant has doesn't exist either.
    let other = "other".parse().unwrap();
    world.records.put(submission_key(&other, &"orders".parse().unwrap(), &id), json!({}));
    assert_eq!(error(&world, &call("run/3", update)).1, "submission-missing");
    world.records.read_only.store(true, Ordering::Relaxed);
    assert_eq!(error(&world, &create("run/4")).0, ActionErrorKind::Throttled);
    world.records.read_only.store(false, Ordering::Relaxed);
    assert_eq!(act(&world, &create("run/4")).unwrap().status, ActionStatus::Done);
}

#[test]
fn fields_keep_to_the_form_of_the_app() {
    let world = world();
    let form = json!({ "name": "Orders", "fields": { "qty": "number", "due": "date", "at": "datetime" } });
    world.records.put(app_key(&tenant(), &"orders".parse().unwrap()), form);
    let create = |key: &str, fields: Value| call(key, json!({ "create": { "fields": fields } }));
    for (key, fields, named) in
        [("run/1", json!({ "qty": "secret" }), "`qty`"), ("run/2", json!({ "qty": 1, "other": "secret" }), "`other`")]
    {
        let error = act(&world, &create(key, fields)).unwrap_err();
        assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Permanent, "fields-refused"));
        assert!(error.message.contains(named) && !error.message.contains("secret"), "{}", error.message);
    }
    let fields = json!({ "qty": 2.0, "due": "2026-11-26", "at": "2026-11-26T09:00:00+01:00" });
    act(&world, &create("run/3", fields)).unwrap();
    let made = submissions(&world);
    let expected = json!({ "qty": 2, "due": "2026-11-26", "at": "2026-11-26T08:00:00.000Z" });
    assert_eq!(Value::Object(made[0].fields.clone()), expected);
    let update = json!({ "update": { "submission": made[0].submission_id, "fields": { "due": "soon" } } });
    assert_eq!(error(&world, &call("run/4", update)).1, "fields-refused");
}

#[test]
fn a_chain_of_workflows_ends_somewhere() {
    let world = world();
    let create = |key: &str, hops: u32| call(key, json!({ "hops": hops, "create": { "fields": {} } }));
    assert_eq!(act(&world, &create("run/1", MAX_HOPS)).unwrap().status, ActionStatus::Done);
    let error = act(&world, &create("run/2", MAX_HOPS + 1)).unwrap_err();
    assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Permanent, "hop-limit"));
    assert_eq!(submissions(&world).len(), 1);
}

#[test]
fn a_call_is_read_strictly() {
    let world = world();
    for wrong in [
        json!({}),
        json!({ "create": { "fields": {} }, "update": { "submission": "x", "fields": {} } }),
        json!({ "create": {} }),
        json!({ "create": { "fields": [] } }),
        json!({ "create": { "fields": {}, "id": "x" } }),
        json!({ "create": { "fields": { "": 1 } } }),
        json!({ "create": { "fields": { "x".repeat(101): 1 } } }),
        json!({ "update": { "fields": {} } }),
        json!({ "update": { "submission": "../x", "fields": {} } }),
        json!({ "create": { "fields": {} }, "author": "" }),
        json!({ "create": { "fields": {} }, "app": "a/b" }),
        json!({ "create": { "fields": {} }, "hops": -1 }),
        json!({ "create": { "fields": {} }, "correlation": "a\nb" }),
    ] {
        assert_eq!(error(&world, &call("run/x", wrong.clone())).1, "invalid-call", "{wrong}");
    }
    assert_eq!(submissions(&world), []);
}
