//! Lists: page by page, in order, and never across tenants.

use axum::http::StatusCode;
use sendoff_producers::{RecordKey, api::TIMELINE};
use serde_json::{Value, json};

use crate::world::World;

fn all_pages(world: &World, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut after = String::new();
    loop {
        let page = world.get(&format!("{path}?limit={limit}{after}")).send().expect(StatusCode::OK).json();
        let part = page["items"].as_array().unwrap();
        assert!(part.len() <= limit);
        items.extend(part.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return items,
        }
    }
}

#[test]
fn users_and_apps_are_listed_page_by_page_in_order() {
    let world = World::new();
    for name in ["cleo", "ada", "bob", "dan", "eve"] {
        world.put(&format!("/v1/users/{name}")).json(&json!({ "name": name })).send().expect(StatusCode::CREATED);
        world.put(&format!("/v1/apps/{name}")).json(&json!({ "name": name })).send().expect(StatusCode::CREATED);
    }
    for (path, id) in [("/v1/users", "user_id"), ("/v1/apps", "app_id")] {
        let items = all_pages(&world, path, 2);
        let ids: Vec<_> = items.iter().map(|item| item[id].as_str().unwrap()).collect();
        assert_eq!(ids, ["ada", "bob", "cleo", "dan", "eve"]);
    }
}

#[test]
fn assignments_and_submissions_are_listed_by_app() {
    let world = World::furnished();
    world.put("/v1/apps/expenses-2").json(&json!({ "name": "Another" })).send().expect(StatusCode::CREATED);
    for app in ["expenses", "expenses-2"] {
        world.put(&format!("/v1/apps/{app}/assignments/ada")).send().expect(StatusCode::CREATED);
        for amount in 0..3 {
            let body = json!({ "fields": { "amount": amount } });
            world.post(&format!("/v1/apps/{app}/submissions")).json(&body).send().expect(StatusCode::CREATED);
        }
    }
    let assignments = all_pages(&world, "/v1/apps/expenses/assignments", 1);
    assert_eq!(assignments, [json!({ "app_id": "expenses", "user_id": "ada", "assigned_by": "grace" })]);
    let submissions = all_pages(&world, "/v1/apps/expenses/submissions", 2);
    assert_eq!(submissions.len(), 3);
    assert!(submissions.iter().all(|submission| submission["app_id"] == "expenses"));
}

#[test]
fn the_timeline_shows_what_the_reaction_wrote_in_order() {
    let world = World::furnished();
    let tenant = "acme".parse().unwrap();
    for at in ["2026-01-02/b", "2026-01-01/a", "2026-01-03/c"] {
        let key = RecordKey::new(&tenant, TIMELINE, format!("expenses/{at}"));
        world.records.write(key, json!({ "at": at, "action": "app.assigned" }));
    }
    let items = all_pages(&world, "/v1/apps/expenses/timeline", 1);
    let times: Vec<_> = items.iter().map(|item| item["at"].as_str().unwrap()).collect();
    assert_eq!(times, ["2026-01-01/a", "2026-01-02/b", "2026-01-03/c"]);
}

#[test]
fn lists_of_an_app_that_does_not_exist_say_so() {
    let world = World::new();
    for list in ["assignments", "submissions", "timeline"] {
        let reply = world.get(&format!("/v1/apps/nope/{list}")).send();
        assert_eq!(reply.problem(StatusCode::NOT_FOUND), "not-found");
    }
}

#[test]
fn all_wrong_parameters_are_reported_at_once() {
    let reply = World::new().get("/v1/users?limit=0&after=zz&aftr=61").send();
    assert_eq!(reply.problem(StatusCode::BAD_REQUEST), "invalid-request");
    let errors = reply.json()["errors"].clone();
    let names: Vec<_> = errors.as_array().unwrap().iter().map(|flaw| flaw["parameter"].as_str().unwrap()).collect();
    assert_eq!(names, ["limit", "after", "aftr"]);
}

#[test]
fn another_tenant_s_data_does_not_exist() {
    let world = World::furnished();
    world.put("/v1/apps/expenses/assignments/ada").send().expect(StatusCode::CREATED);
    let made = world.post("/v1/apps/expenses/submissions").json(&json!({ "fields": {} })).send();
    let submission = made.header("location").unwrap();
    let stranger = world.token("umbrella", "grace");
    for path in [
        "/v1/users/ada",
        "/v1/apps/expenses",
        "/v1/apps/expenses/assignments",
        "/v1/apps/expenses/assignments/ada",
        "/v1/apps/expenses/submissions",
        submission,
        "/v1/apps/expenses/timeline",
    ] {
        let reply = world.get(path).token(&stranger).send();
        assert_eq!(reply.problem(StatusCode::NOT_FOUND), "not-found", "{path}");
    }
    for path in ["/v1/users", "/v1/apps"] {
        let reply = world.get(path).token(&stranger).send().expect(StatusCode::OK);
        assert_eq!(reply.json(), json!({ "items": [] }));
    }
    let put = world.put(submission).json(&json!({ "fields": { "stolen": true } })).token(&stranger).send();
    assert_eq!(put.problem(StatusCode::NOT_FOUND), "not-found");
    let assign = world.put("/v1/apps/expenses/assignments/ada").token(&stranger).send();
    assert_eq!(assign.problem(StatusCode::NOT_FOUND), "not-found");
    let unassign = world.delete("/v1/apps/expenses/assignments/ada").token(&stranger).send();
    assert_eq!(unassign.problem(StatusCode::NOT_FOUND), "not-found");
}
