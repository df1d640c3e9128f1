//! How users want to be reached, and how messages look.

use axum::http::StatusCode;
use futures::executor::block_on;
use sendoff_producers::{Lookup as _, model::user_key};
use serde_json::{Value, json};

use crate::world::World;

fn grace() -> Value {
    json!({
        "name": "Grace",
        "events": { "app.assigned": { "email": false, "sms": true }, "submission.updated": { "push": false } },
        "quiet_hours": { "from": "22:00", "to": "07:30" },
        "push_tokens": ["token-1", "token:2"],
    })
}

#[test]
fn wishes_by_event_quiet_hours_and_devices_are_kept_and_can_be_written_back() {
    let world = World::new();
    world.put("/v1/users/grace").json(&grace()).send().expect(StatusCode::CREATED);
    let read = world.get("/v1/users/grace").send().expect(StatusCode::OK).json();
    for field in ["events", "quiet_hours", "push_tokens"] {
        assert_eq!(read[field], grace()[field], "{field}");
    }
    let again = world.put("/v1/users/grace").json(&read).send().expect(StatusCode::OK);
    assert_eq!(again.header("etag"), Some("\"1\""));
}

#[test]
fn what_recipients_opted_out_of_themselves_is_shown_and_no_request_sets_or_clears_it() {
    let world = World::new();
    let put = |body: &Value| world.put("/v1/users/grace").json(body).send();
    let own = json!({ "app.assigned": ["email"] });
    let with = |opted_out: Value| {
        let mut grace = grace();
        grace["opted_out"] = opted_out;
        grace
    };
    let created = put(&with(own.clone())).expect(StatusCode::CREATED);
    assert_eq!(created.json().get("opted_out"), None, "a request doesn't set it");
    let key = user_key(&"acme".parse().unwrap(), &"grace".parse().unwrap());
    let stored = || block_on(world.records.get(&key)).unwrap().unwrap().data;
    let mut unsubscribed = stored();
    unsubscribed["opted_out"] = own.clone();
    world.records.write(key.clone(), unsubscribed);
    let read = world.get("/v1/users/grace").send().expect(StatusCode::OK).json();
    assert_eq!(read["opted_out"], own);
    let listed = world.get("/v1/users").send().expect(StatusCode::OK).json();
    assert_eq!(listed["items"][0]["opted_out"], own);
    let mut allowed = grace();
    allowed["events"] = json!({ "app.assigned": { "email": true } });
    for body in [grace(), with(json!({})), with(json!(null)), with(json!({ "x": ["sms"] })), allowed] {
        assert_eq!(put(&body).expect(StatusCode::OK).json()["opted_out"], own);
        assert_eq!(stored()["opted_out"], own);
    }
    put(&grace());
    let before = world.get("/v1/users/grace").send().header("etag").map(str::to_owned);
    let again = put(&world.get("/v1/users/grace").send().json()).expect(StatusCode::OK);
    assert_eq!(again.header("etag"), before.as_deref(), "what was read can be written back");
}

#[test]
fn what_somebody_has_unsubscribed_from_is_taken_back_one_by_one_and_nothing_else_is_changed() {
    let world = World::new();
    world.put("/v1/users/grace").json(&grace()).send().expect(StatusCode::CREATED);
    let key = user_key(&"acme".parse().unwrap(), &"grace".parse().unwrap());
    let mut stored = block_on(world.records.get(&key)).unwrap().unwrap().data;
    stored["opted_out"] = json!({ "app.assigned": ["email", "sms"], "workflow": ["email"] });
    world.records.write(key, stored);
    let before = world.get("/v1/users/grace").send().expect(StatusCode::OK).json();
    let take_back = |what: &str| world.delete(&format!("/v1/users/grace/opted-out/{what}"));

    take_back("app.assigned/email").send().expect(StatusCode::NO_CONTENT);
    let mut after = before.clone();
    after["opted_out"] = json!({ "app.assigned": ["sms"], "workflow": ["email"] });
    assert_eq!(world.get("/v1/users/grace").send().json(), after);
    for unknown in ["app.assigned/email", "app.unassigned/email", "workflow/sms"] {
        assert_eq!(take_back(unknown).send().problem(StatusCode::NOT_FOUND), "not-found");
    }
    assert_eq!(take_back("workflow/fax").send().problem(StatusCode::BAD_REQUEST), "invalid-request");
    let stale = take_back("workflow/email").header("if-match", "\"1\"").send();
    stale.expect(StatusCode::PRECONDITION_FAILED);
    take_back("workflow/email").send().expect(StatusCode::NO_CONTENT);
    take_back("app.assigned/sms").send().expect(StatusCode::NO_CONTENT);
    assert_eq!(world.get("/v1/users/grace").send().json().get("opted_out"), None);
    let nobody = world.delete("/v1/users/nobody/opted-out/workflow/email").send();
    assert_eq!(nobody.problem(StatusCode::NOT_FOUND), "not-found");
}

#[test]
fn a_wish_about_the_messages_of_workflows_is_taken() {
    let body = json!({ "name": "Grace", "events": { "workflow": { "email": false } } });
    let world = World::new();
    let created = world.put("/v1/users/grace").json(&body).send().expect(StatusCode::CREATED);
    assert_eq!(created.json()["events"], body["events"]);
}

#[test]
fn all_that_is_wrong_with_them_is_reported_at_once() {
    let body = json!({
        "name": "Grace",
        "phone": "+49 30 987654",
        "events": { "app.archived": {}, "app.assigned": { "fax": true, "sms": "no" }, "app.unassigned": true },
        "quiet_hours": { "from": "24:00", "until": "07:00" },
        "push_tokens": ["a b", "", 7],
    });
    let reply = World::new().put("/v1/users/grace").json(&body).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    let mut pointers = reply.pointers();
    pointers.sort();
    let wrong = [
        "events/app.archived",
        "events/app.assigned/fax",
        "events/app.assigned/sms",
        "events/app.unassigned",
        "phone",
        "push_tokens/0",
        "push_tokens/1",
        "push_tokens/2",
        "quiet_hours/from",
        "quiet_hours/to",
        "quiet_hours/until",
    ];
    assert_eq!(pointers, wrong.map(|field| format!("#/{field}")));
    assert!(!reply.text.contains("987654"), "personal data isn't repeated: {}", reply.text);
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (field, value, pointer, why) in [
        ("quiet_hours", json!({ "from": "22:00", "to": "22:00" }), "#/quiet_hours/to", "when they begin"),
        ("push_tokens", json!(["a", "a"]), "#/push_tokens", "twice"),
        ("push_tokens", json!(vec!["a"; 11]), "#/push_tokens", "more than 10"),
    ] {
        let reply = World::new().put("/v1/users/grace").json(&json!({ "name": "Grace", field: value })).send();
        assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
        assert!(reply.pointers() == [pointer] && reply.text.contains(why), "{}", reply.text);
    }
}

#[test]
fn each_mistake_in_a_phone_number_is_named() {
    for (number, why) in [
        ("4477001234", "begin with + and the country code"),
        ("004930123456", "write + instead"),
        ("+49-30-123456", "only digits"),
        ("+04930123456", "begins with 0"),
        ("+44770", "fewer than 7"),
        ("+4477001234567890", "more than 15"),
        ("+4930123456\r\nBcc: x", "only digits"),
    ] {
        let reply = World::new().put("/v1/users/grace").json(&json!({ "name": "Grace", "phone": number })).send();
        assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
        let errors = reply.json()["errors"].to_string();
        assert!(errors.contains(why), "{number}: {errors}");
    }
}

#[test]
fn a_branding_is_empty_until_it_is_put_and_belongs_to_its_tenant() {
    let world = World::new();
    let none = world.get("/v1/branding").send().expect(StatusCode::OK);
    assert_eq!((none.json(), none.header("etag")), (json!({}), None));
    let branding =
        json!({ "name": "Acme", "logo_url": "https://acme.example/l.png", "color": "#0055AA", "footer": "Road 1" });
    let created = world.put("/v1/branding").json(&branding).send().expect(StatusCode::CREATED);
    assert_eq!((created.header("location"), created.header("etag")), (Some("/v1/branding"), Some("\"1\"")));
    let read = world.get("/v1/branding").send().expect(StatusCode::OK);
    assert_eq!((read.json(), read.header("etag")), (branding, Some("\"1\"")));
    world.put("/v1/branding").json(&json!({})).header("if-match", "\"1\"").send().expect(StatusCode::OK);
    world
        .put("/v1/branding")
        .json(&json!({}))
        .header("if-match", "\"1\"")
        .send()
        .problem(StatusCode::PRECONDITION_FAILED);
    let other = world.token("umbrella", "grace");
    assert_eq!(world.get("/v1/branding").token(&other).send().header("etag"), None);
}

#[test]
fn all_that_is_wrong_with_a_branding_is_reported_at_once() {
    let body =
        json!({ "name": "", "logo_url": "http://acme.example/l.png", "color": "blue", "footer": "a\nb", "font": "x" });
    let reply = World::new().put("/v1/branding").json(&body).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(reply.pointers(), ["#/name", "#/logo_url", "#/color", "#/footer", "#/font"]);
    for hostile in [
        "javascript:alert(1)",
        "https://",
        "https://user@acme.example/",
        "https://acme.example/\"onload=\"x",
        "https://acme.example/ x",
        "https:\\\\acme.example",
        "//acme.example/l.png",
    ] {
        let reply = World::new().put("/v1/branding").json(&json!({ "logo_url": hostile })).send();
        assert_eq!(reply.pointers(), ["#/logo_url"], "{hostile}");
    }
}
