//! Workflows: what is published, what is switched on, and what is asked for.

use axum::http::StatusCode;
use futures::executor::block_on;
use sendoff_producers::{
    Lookup as _,
    model::{App, WorkflowVersion, app_key, decode, workflow_version_key},
};
use sendoff_workflows::{Problem, Problems};
use serde_json::{Value, json};

use crate::world::{Call, Reply, World, last_event};

const ONE: &str = "/v1/apps/expenses/workflows/expense-approval";
const VERSIONS: &str = "/v1/apps/expenses/workflows/expense-approval/versions";
const RUNS: &str = "/v1/apps/expenses/workflows/expense-approval/runs";

fn definition(limit: u32) -> Value {
    json!({
        "workflow": "expense-approval",
        "app": "expenses",
        "fields": { "amount": "number" },
        "on": [{ "submission": "created", "when": format!("{{amount}} > {limit}") }, { "manual": true }],
        "steps": [{ "id": "tell", "email": { "to": { "user": "{{ {submission.author} }}" }, "subject": "Hello", "text": "Hi" } }],
    })
}

fn publish(world: &World, definition: &Value) -> Call {
    world.post(VERSIONS).json(definition)
}

fn published(world: &World, limit: u32) -> Reply {
    publish(world, &definition(limit)).send()
}

fn app(world: &World) -> App {
    let key = app_key(&"acme".parse().unwrap(), &"expenses".parse().unwrap());
    decode(block_on(world.records.get(&key)).unwrap().unwrap()).unwrap().0
}

fn active(world: &World) -> Vec<(String, u32)> {
    app(world).workflows.iter().map(|active| (active.name.to_string(), active.version)).collect()
}

#[test]
fn a_version_is_stored_switched_on_and_told_in_one_commit() {
    let world = World::furnished();
    let reply = published(&world, 100).expect(StatusCode::CREATED);
    assert_eq!(reply.header("location"), Some(&*format!("{VERSIONS}/1")));
    assert_eq!(reply.header("etag"), Some("\"1\""));
    let view = reply.json();
    assert_eq!((&view["version"], &view["active"], &view["published_by"]), (&json!(1), &json!(true), &json!("grace")));
    assert_eq!(view["sha256"].as_str().unwrap().len(), 64);
    let event = last_event(&world);
    assert_eq!(event["type"], "workflow.published.v1");
    assert_eq!(event["data"], json!({ "app_id": "expenses", "workflow": "expense-approval", "version": 1 }));
    assert_eq!(reply.header("sendoff-event-id"), event["id"].as_str());
    let work = world.records.committed().pop().unwrap();
    assert_eq!((work.writes.len(), work.events.len()), (2, 1));

    let shown = world.get("/v1/apps/expenses").send().expect(StatusCode::OK).json();
    let on = json!([{ "name": "expense-approval", "version": 1, "on": ["created", "manual"] }]);
    assert_eq!(shown["workflows"], on, "the app shows what is switched on");
    world.put("/v1/apps/expenses").json(&json!({ "name": "Spending" })).send().expect(StatusCode::OK);
    world.put("/v1/apps/expenses").json(&shown).send().expect(StatusCode::OK);
    assert_eq!(active(&world), [("expense-approval".to_owned(), 1)], "and no request to the app changes it");
}

#[test]
fn what_is_published_can_be_run_as_it_was_published() {
    let world = World::furnished();
    let view = published(&world, 100).expect(StatusCode::CREATED).json();
    let (tenant, app, workflow) =
        ("acme".parse().unwrap(), "expenses".parse().unwrap(), "expense-approval".parse().unwrap());
    let key = workflow_version_key(&tenant, &app, &workflow, 1);
    let (version, _) = decode::<WorkflowVersion>(block_on(world.records.get(&key)).unwrap().unwrap()).unwrap();
    let published = version.published(&app, &workflow, 1);
    assert_eq!(Some(&*published.sha256), view["sha256"].as_str());
    let plan = published.plan().unwrap();
    assert_eq!((plan.name.as_str(), plan.block.len()), ("expense-approval", 1));
    let read = world.get(&format!("{VERSIONS}/1")).send().expect(StatusCode::OK);
    assert_eq!((read.json()["definition"].clone(), read.header("etag")), (published.definition, Some("\"1\"")));
    world.get(&format!("{VERSIONS}/2")).send().problem(StatusCode::NOT_FOUND);
    world.get(&format!("{VERSIONS}/x")).send().problem(StatusCode::BAD_REQUEST);
}

#[test]
fn versions_are_counted_and_what_says_the_same_is_no_new_one() {
    let world = World::furnished();
    for limit in 1..=6 {
        let reply = published(&world, limit).expect(StatusCode::CREATED);
        assert_eq!(reply.json()["version"], limit);
        let commits = world.records.committed().len();
        let mut reordered = definition(limit);
        let name = reordered.as_object_mut().unwrap().remove("workflow").unwrap();
        reordered["workflow"] = name;
        let again = publish(&world, &reordered).send().expect(StatusCode::OK);
        assert_eq!((again.json(), again.header("etag")), (reply.json(), reply.header("etag")));
        assert_eq!(world.records.committed().len(), commits, "nothing is written");
    }
    // What an older version said is a new one: the latest says something else.
    assert_eq!(published(&world, 1).expect(StatusCode::CREATED).json()["version"], 7);
    let listed = world.get(&format!("{VERSIONS}?limit=5")).send().expect(StatusCode::OK).json();
    let rest = format!("{VERSIONS}?after={}", listed["next"].as_str().unwrap());
    let rest = world.get(&rest).send().expect(StatusCode::OK).json();
    let of = |page: &Value| -> Vec<(u64, bool)> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| (item["version"].as_u64().unwrap(), item["active"].as_bool().unwrap())).collect()
    };
    assert_eq!(of(&listed), [(1, false), (2, false), (3, false), (4, false), (5, false)]);
    assert_eq!(of(&rest), [(6, false), (7, true)]);
}

#[test]
fn what_cannot_be_carried_out_here_is_refused_before_it_takes_the_place_of_what_can() {
    let world = World::with(|state| {
        state.with_workflow_check(|plan| {
            let told = Problem::new("", format!("there is no room for `{}` today", plan.name)).help("come tomorrow");
            let is_large = plan.block.len() > 1;
            if is_large { Err(Problems(vec![told])) } else { Ok(()) }
        })
    });
    let world = world.furnish();
    published(&world, 1).expect(StatusCode::CREATED);
    let commits = world.records.committed().len();
    let mut large = definition(2);
    let step = large["steps"][0].clone();
    large["steps"].as_array_mut().unwrap().push(step);
    large["steps"][1]["id"] = "again".into();
    let refused = publish(&world, &large).send();
    assert_eq!(refused.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(refused.pointers(), ["#"]);
    let told = refused.json()["errors"][0]["detail"].clone();
    assert_eq!(told, "there is no room for `expense-approval` today; come tomorrow");
    assert_eq!(active(&world), [("expense-approval".to_owned(), 1)]);
    assert_eq!(world.records.committed().len(), commits, "nothing is written");
}

#[test]
fn a_workflow_that_is_switched_off_starts_nothing_until_it_is_published_again() {
    let world = World::furnished();
    for limit in 1..=3 {
        published(&world, limit).expect(StatusCode::CREATED);
    }
    world.delete(ONE).header("if-match", "\"2\"").send().problem(StatusCode::PRECONDITION_FAILED);
    world.delete(ONE).header("if-match", "\"3\"").send().expect(StatusCode::NO_CONTENT);
    assert_eq!(active(&world), []);
    world.delete(ONE).send().problem(StatusCode::NOT_FOUND);
    world.post(RUNS).json(&json!({})).send().problem(StatusCode::NOT_FOUND);
    assert_eq!(world.get(&format!("{VERSIONS}/3")).send().expect(StatusCode::OK).json()["active"], false);

    let events = world.records.events().len();
    let again = published(&world, 3).expect(StatusCode::OK);
    assert_eq!((again.json()["version"].clone(), again.json()["active"].clone()), (json!(3), json!(true)));
    assert_eq!((active(&world), world.records.events().len()), (vec![("expense-approval".to_owned(), 3)], events + 1));
    world.delete(ONE).send().expect(StatusCode::NO_CONTENT);
    assert_eq!(published(&world, 4).expect(StatusCode::CREATED).json()["version"], 4, "numbers go on");
}

#[test]
fn nobody_publishes_over_a_version_that_they_have_not_seen() {
    let world = World::furnished();
    let over = |limit, tag: &str| publish(&world, &definition(limit)).header("if-match", tag).send();
    over(1, "*").problem(StatusCode::PRECONDITION_FAILED);
    published(&world, 1).expect(StatusCode::CREATED);
    over(2, "\"1\"").expect(StatusCode::CREATED);
    assert_eq!(over(3, "\"1\"").problem(StatusCode::PRECONDITION_FAILED), "version-mismatch");
    assert_eq!(active(&world), [("expense-approval".to_owned(), 2)]);
}

#[test]
fn a_repeated_request_is_answered_like_the_first() {
    let world = World::furnished();
    let first = publish(&world, &definition(1)).key("k1").send().expect(StatusCode::CREATED);
    published(&world, 2).expect(StatusCode::CREATED);
    let again = publish(&world, &definition(1)).key("k1").send().expect(StatusCode::CREATED);
    assert_eq!((again.json(), again.header("idempotency-replayed")), (first.json(), Some("true")));
    assert_eq!(active(&world), [("expense-approval".to_owned(), 2)], "and the newer one stays");
    let run = |key| world.post(RUNS).json(&json!({})).key(key).send().expect(StatusCode::ACCEPTED);
    let (run, events) = (run("k2").header("sendoff-event-id").unwrap().to_owned(), world.records.events().len());
    let again = world.post(RUNS).json(&json!({})).key("k2").send().expect(StatusCode::ACCEPTED);
    assert_eq!((again.header("sendoff-event-id"), world.records.events().len()), (Some(&*run), events));
}

#[test]
fn a_definition_with_faults_is_refused_with_all_of_them_and_where() {
    let world = World::furnished();
    let commits = world.records.committed().len();
    let mut wrong = definition(1);
    wrong["on"][0]["when"] = json!("{amuont} > 1");
    wrong["steps"][0]["email"]["subject"] = json!("{{ {nobody} }}");
    let reply = publish(&world, &wrong).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(reply.pointers(), ["#/on/0/when", "#/steps/0/email/subject"]);
    assert!(reply.text.contains("amount"), "it suggests what was meant: {}", reply.text);
    let mut unknown = definition(1);
    unknown["surprise"] = json!(1);
    unknown["steps"][0]["fax"] = json!({});
    publish(&world, &unknown).send().problem(StatusCode::UNPROCESSABLE_ENTITY);
    for body in ["[]", "7", "null"] {
        world.post(VERSIONS).body(body).send().problem(StatusCode::UNPROCESSABLE_ENTITY);
    }
    for (field, value) in [("workflow", "another"), ("app", "crm")] {
        let mut other = definition(1);
        other[field] = json!(value);
        assert_eq!(publish(&world, &other).send().pointers(), [format!("#/{field}")]);
    }
    let mut huge = definition(1);
    huge["description"] = json!("x".repeat(300 * 1024));
    publish(&world, &huge).send().problem(StatusCode::UNPROCESSABLE_ENTITY);
    let deep = format!("{}{}", "[".repeat(130), "]".repeat(130));
    world.post(VERSIONS).body(deep).send().problem(StatusCode::BAD_REQUEST);
    for path in ["/v1/apps/expenses/workflows/Expense/versions", "/v1/apps/expenses/workflows/a_b/versions"] {
        world.post(path).json(&definition(1)).send().problem(StatusCode::BAD_REQUEST);
    }
    world.post("/v1/apps/crm/workflows/expense-approval/versions").json(&json!({})).send();
    assert_eq!(world.records.committed().len(), commits, "nothing of it is stored");
}

#[test]
fn steps_may_be_nested_deeper_than_other_bodies() {
    let world = World::furnished();
    let mut steps = json!([{ "id": "end", "stop": true }]);
    for depth in 0..18 {
        steps = json!([{ "id": format!("if{depth}"), "if": "{amount} > 1", "then": steps }]);
    }
    let mut deep = definition(1);
    deep["steps"] = steps;
    publish(&world, &deep).send().expect(StatusCode::CREATED);
}

#[test]
fn a_workflow_and_submissions_keep_to_the_form_of_the_app() {
    let world = World::furnished();
    let form = json!({ "name": "Expenses", "fields": { "amount": "text", "due": "date" } });
    world.put("/v1/apps/expenses").json(&form).send().expect(StatusCode::OK);
    let reply = published(&world, 1);
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(reply.pointers(), ["#/fields/amount"]);
    let form = json!({ "name": "Expenses", "fields": { "amount": "number", "due": "date" } });
    world.put("/v1/apps/expenses").json(&form).send().expect(StatusCode::OK);
    published(&world, 1).expect(StatusCode::CREATED);

    let submissions = "/v1/apps/expenses/submissions";
    let wrong = json!({ "fields": { "amount": "12", "due": "tomorrow", "other": 1 } });
    let reply = world.post(submissions).json(&wrong).send();
    assert_eq!(reply.problem(StatusCode::UNPROCESSABLE_ENTITY), "invalid-fields");
    assert_eq!(reply.pointers(), ["#/fields/amount", "#/fields/due", "#/fields/other"]);
    let right = json!({ "fields": { "amount": 12, "due": null } });
    let made = world.post(submissions).json(&right).send().expect(StatusCode::CREATED).json();
    let one = format!("{submissions}/{}", made["submission_id"].as_str().unwrap());
    assert_eq!(world.put(&one).json(&wrong).send().pointers().len(), 3);
    world.put(&one).json(&json!({ "fields": { "amount": 13 } })).send().expect(StatusCode::OK);
}

#[test]
fn a_run_is_asked_for_of_what_is_switched_on_and_takes_asking() {
    let world = World::furnished();
    world.post(RUNS).json(&json!({})).send().problem(StatusCode::NOT_FOUND);
    published(&world, 1).expect(StatusCode::CREATED);
    let made = world.post("/v1/apps/expenses/submissions").json(&json!({ "fields": { "amount": 1 } })).send().json();
    let body = json!({ "submission_id": made["submission_id"] });
    let reply = world.post(RUNS).json(&body).send().expect(StatusCode::ACCEPTED);
    let event = last_event(&world);
    assert_eq!(event["type"], "workflow.requested.v1");
    let data = json!({
        "app_id": "expenses", "workflow": "expense-approval", "submission_id": made["submission_id"],
        "requested_by": "grace",
    });
    assert_eq!((&event["data"], &reply.json()), (&data, &data));
    assert_eq!(reply.header("sendoff-event-id"), event["id"].as_str());
    assert_eq!(event.get("sequence"), None, "there is no record that it would count");

    world.post(RUNS).json(&json!({ "submission_id": "nowhere" })).send().problem(StatusCode::NOT_FOUND);
    world.post(RUNS).json(&json!({ "submission_id": "a/b" })).send().problem(StatusCode::UNPROCESSABLE_ENTITY);
    world.post(RUNS).json(&json!({ "version": 1 })).send().problem(StatusCode::UNPROCESSABLE_ENTITY);
    let mut automatic = definition(1);
    automatic["on"] = json!([{ "submission": "updated" }]);
    publish(&world, &automatic).send().expect(StatusCode::CREATED);
    let events = world.records.events().len();
    world.post(RUNS).json(&json!({})).send().problem(StatusCode::NOT_FOUND);
    assert_eq!(world.records.events().len(), events);
}

#[test]
fn an_app_has_so_many_workflows_switched_on_and_no_more() {
    let world = World::furnished();
    let one = |n: usize| {
        let mut definition = definition(1);
        definition["workflow"] = json!(format!("w{n}"));
        world.post(&format!("/v1/apps/expenses/workflows/w{n}/versions")).json(&definition).send()
    };
    for n in 0..20 {
        one(n).expect(StatusCode::CREATED);
    }
    assert_eq!(one(20).problem(StatusCode::CONFLICT), "limit-reached");
    assert!(active(&world).is_sorted());
    world.delete("/v1/apps/expenses/workflows/w7").send().expect(StatusCode::NO_CONTENT);
    one(20).expect(StatusCode::CREATED);
}

#[test]
fn another_tenant_sees_and_starts_nothing() {
    let world = World::furnished();
    published(&world, 1).expect(StatusCode::CREATED);
    let other = world.token("globex", "eve");
    for call in [
        world.get(VERSIONS),
        world.get(&format!("{VERSIONS}/1")),
        world.delete(ONE),
        world.post(RUNS).json(&json!({})),
        publish(&world, &definition(2)),
    ] {
        call.token(&other).send().problem(StatusCode::NOT_FOUND);
    }
    assert_eq!(active(&world), [("expense-approval".to_owned(), 1)]);
}

/// The app with this form.
fn form(world: &World, fields: &Value) -> Call {
    form_at(world, "/v1/apps/expenses", fields)
}

fn form_at(world: &World, path: &str, fields: &Value) -> Call {
    world.put(path).json(&json!({ "name": "Expenses", "fields": fields }))
}

#[test]
fn a_form_that_a_workflow_would_no_longer_fit_is_refused_with_every_place_that_it_matters_at() {
    let world = World::furnished();
    form(&world, &json!({ "amount": "number", "note": "text" })).send().expect(StatusCode::OK);
    let mut written = definition(100);
    written["fields"]["note"] = json!("text");
    written["steps"][0]["email"]["text"] = json!("{{ {amount} }}");
    publish(&world, &written).send().expect(StatusCode::CREATED);

    let refused = form(&world, &json!({ "amount": "text" })).send();
    assert_eq!(refused.problem(StatusCode::CONFLICT), "breaks-workflows");
    let problem = refused.json();
    assert!(problem["detail"].as_str().unwrap().contains("`force=true`"), "{problem}");
    let errors = problem["errors"].as_array().unwrap().iter();
    let errors: Vec<_> = errors.map(|flaw| (&flaw["pointer"], &flaw["detail"])).collect();
    let of = "workflow `expense-approval`, version 1";
    let other = "the field `amount` is declared as number, and in the form of the app it is text";
    assert_eq!(
        errors,
        [
            (&json!("#/fields/amount"), &json!(format!("{of}, on[0].when: {other}"))),
            (&json!("#/fields/amount"), &json!(format!("{of}, step `tell`, steps[0].email.text: {other}"))),
            (
                &json!("#/fields/note"),
                &json!(format!("{of}, which declares it: the field `note` is not in the form of the app"))
            ),
        ]
    );
    let number = &app(&world).fields["amount"];
    assert_eq!(number.to_string(), "number", "nothing was changed");

    // What it doesn't use may change, and a form that asks for nothing fits all.
    for fields in [json!({ "amount": "number", "note": "text", "more": "date" }), json!({})] {
        form(&world, &fields).send().expect(StatusCode::OK);
    }
}

#[test]
fn who_wants_a_form_whatever_becomes_of_workflows_says_so() {
    let world = World::furnished();
    let fields = |amount: &str| json!({ "amount": amount });
    form(&world, &fields("number")).send().expect(StatusCode::OK);
    published(&world, 100).expect(StatusCode::CREATED);
    let at = |query: &str| format!("/v1/apps/expenses?{query}");
    for query in ["force=yes", "force", "forced=true"] {
        form_at(&world, &at(query), &fields("text")).send().problem(StatusCode::BAD_REQUEST);
    }
    form_at(&world, &at("force=false"), &fields("text")).send().problem(StatusCode::CONFLICT);
    form_at(&world, &at("force=true"), &fields("text")).send().expect(StatusCode::OK);
    // It is told once: what it doesn't fit already is no reason against another change.
    let with = |more: &str| json!({ "amount": "text", "more": more });
    form(&world, &with("date")).send().expect(StatusCode::OK);
    world.delete(ONE).send().expect(StatusCode::NO_CONTENT);
    form(&world, &json!({ "more": "date" })).send().expect(StatusCode::OK);
}

#[test]
fn a_workflow_that_is_switched_off_stands_against_no_form() {
    let world = World::furnished();
    form(&world, &json!({ "amount": "number" })).send().expect(StatusCode::OK);
    published(&world, 100).expect(StatusCode::CREATED);
    world.delete(ONE).send().expect(StatusCode::NO_CONTENT);
    form(&world, &json!({ "amount": "text" })).send().expect(StatusCode::OK);
}
