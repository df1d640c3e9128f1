//! Users and apps: put as a whole, read back, validated.

use axum::http::StatusCode;
use sendoff_producers::model::{MailFlaw, MailPart, MailTemplate};
use serde_json::{Value, json};

use crate::world::World;

fn ada() -> Value {
    json!({
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "phone": "+4930123456",
        "locale": "en-GB",
        "time_zone": "europe/london",
        "channels": { "sms": false },
    })
}

#[test]
fn a_user_is_created_replaced_and_read_back() {
    let world = World::new();
    let created = world.put("/v1/users/ada").json(&ada()).send().expect(StatusCode::CREATED);
    assert_eq!(created.header("location"), Some("/v1/users/ada"));
    assert_eq!(created.header("etag"), Some("\"1\""));
    assert_eq!(created.header("sendoff-event-id"), None);
    assert_eq!(created.json()["time_zone"], "Europe/London");

    let replaced = world.put("/v1/users/ada").json(&json!({ "name": "Ada" })).send().expect(StatusCode::OK);
    assert_eq!(replaced.header("etag"), Some("\"2\""));

    let read = world.get("/v1/users/ada").send().expect(StatusCode::OK);
    assert_eq!(read.header("etag"), Some("\"2\""));
    let defaults = json!({ "user_id": "ada", "name": "Ada", "locale": "en", "time_zone": "UTC", "channels": {} });
    assert_eq!(read.json(), defaults);
}

#[test]
fn what_was_read_can_be_written_back_and_writes_nothing() {
    let world = World::new();
    world.put("/v1/users/ada").json(&ada()).send().expect(StatusCode::CREATED);
    let read = world.get("/v1/users/ada").send();
    let again = world.put("/v1/users/ada").json(&read.json()).send().expect(StatusCode::OK);
    assert_eq!(again.header("etag"), Some("\"1\""));
    assert_eq!(world.records.committed().len(), 1);
}

#[test]
fn a_user_under_another_id_than_the_path_says_is_refused() {
    let reply = World::new().put("/v1/users/ada").json(&json!({ "name": "Ada", "user_id": "bob" })).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(reply.pointers(), ["#/user_id"]);
}

#[test]
fn all_invalid_fields_of_a_user_are_reported_at_once() {
    let world = World::new();
    let body = json!({
        "email": "ada@example.org\r\nBcc: eve@example.org",
        "phone": "0301234",
        "locale": "english",
        "time_zone": "Mars/Olympus",
        "channels": { "email": "yes", "fax": true },
        "nmae": "Ada",
    });
    let reply = world.put("/v1/users/ada").json(&body).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    let mut pointers = reply.pointers();
    pointers.sort();
    let wrong = ["channels/email", "channels/fax", "email", "locale", "name", "nmae", "phone", "time_zone"];
    assert_eq!(pointers, wrong.map(|field| format!("#/{field}")));
    assert!(world.records.committed().is_empty());
}

#[test]
fn an_app_is_created_and_read_back() {
    let world = World::new();
    let app = json!({
        "name": "Expenses",
        "owners": ["ada"],
        "submission_mail": { "subject": "New", "text": "Line 1\nLine 2" },
        "fields": {
            "amount": "number",
            "due": "date",
            "lines": { "list": { "object": { "part": "text", "ordered": "datetime", "urgent": "boolean" } } },
        },
    });
    world.put("/v1/apps/expenses").json(&app).send().expect(StatusCode::CREATED);
    let mut read = world.get("/v1/apps/expenses").send().expect(StatusCode::OK).json();
    assert_eq!(read.as_object_mut().unwrap().remove("app_id"), Some(json!("expenses")));
    assert_eq!(read, app);
}

#[test]
fn a_mail_template_with_flaws_is_refused_and_its_parts_are_named() {
    let flaws = |template: &MailTemplate| {
        let parts = [(MailPart::Subject, &template.subject), (MailPart::Text, &template.text)];
        let bad = parts.into_iter().filter(|(_, text)| text.contains("bad"));
        bad.map(|(part, text)| MailFlaw { part, detail: format!("line 1: {text}") }).collect()
    };
    let world = World::with(|state| state.with_mail_flaws(flaws));
    let app = |subject: &str, text: &str| {
        let body = json!({ "name": "Expenses", "submission_mail": { "subject": subject, "text": text } });
        world.put("/v1/apps/expenses").json(&body).send()
    };
    let reply = app("good", "bad luck");
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(reply.json()["errors"], json!([{ "pointer": "#/submission_mail/text", "detail": "line 1: bad luck" }]));
    assert_eq!(app("bad", "bad").json()["errors"].as_array().map(Vec::len), Some(2));
    assert!(world.records.committed().is_empty());
    app("good", "good").expect(StatusCode::CREATED);
}

#[test]
fn all_invalid_fields_of_an_app_are_reported_at_once() {
    let body = json!({
        "name": "",
        "owners": ["ada", "no/slash", 7],
        "submission_mail": { "subject": "two\nlines" },
        "fields": {
            "": "text",
            "amount": "money",
            "both": { "list": "text", "object": {} },
            "deep": { "list": { "list": { "list": { "list": { "list": "text" } } } } },
            "lines": { "list": { "object": { "part": 1 } } },
            "odd": { "object": ["text"] },
        },
    });
    let reply = World::new().put("/v1/apps/expenses").json(&body).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    let wrong = [
        "name",
        "owners/1",
        "owners/2",
        "submission_mail/subject",
        "submission_mail/text",
        "fields/",
        "fields/amount",
        "fields/both",
        "fields/deep/list/list/list/list",
        "fields/lines/list/object/part",
        "fields/odd/object",
    ];
    assert_eq!(reply.pointers(), wrong.map(|field| format!("#/{field}")));
}

#[test]
fn if_match_lets_nobody_overwrite_what_they_have_not_seen() {
    let world = World::new();
    let put = |name: &str| world.put("/v1/users/ada").json(&json!({ "name": name }));
    put("Nobody").header("if-match", "*").send().problem(StatusCode::PRECONDITION_FAILED);
    put("Ada").send().expect(StatusCode::CREATED);
    put("Ada L").header("if-match", "\"1\"").send().expect(StatusCode::OK);
    let stale = put("Ada M").header("if-match", "\"1\"").send();
    assert_eq!(stale.problem(StatusCode::PRECONDITION_FAILED), "version-mismatch");
    let malformed = put("Ada M").header("if-match", "1").send();
    assert_eq!(malformed.problem(StatusCode::BAD_REQUEST), "invalid-request");
}

#[test]
fn if_none_match_lets_nobody_overwrite_what_is_there() {
    let world = World::new();
    let put = |name: &str, tags: &str| {
        world.put("/v1/users/ada").json(&json!({ "name": name })).header("if-none-match", tags).send()
    };
    put("Ada", "*").expect(StatusCode::CREATED);
    for tags in ["*", "\"1\"", "W/\"1\"", "\"7\", \"1\""] {
        assert_eq!(put("Grace", tags).problem(StatusCode::PRECONDITION_FAILED), "version-mismatch", "{tags}");
    }
    assert_eq!(world.get("/v1/users/ada").send().json()["name"], "Ada");
    put("Ada L", "\"7\"").expect(StatusCode::OK);
    assert_eq!(put("Ada M", "1").problem(StatusCode::BAD_REQUEST), "invalid-request");
}
