//! What workflows do in a deployed system: real state machines, with the tokens that tasks wait for, over the real functions.
//!
//! The emulator's histories say neither which event led to which nor what a task was asked, so what steps came to is looked at
//! where it arrives.

use reqwest::{Method, StatusCode};
use sendoff_consumers::{Run, RunFilter, RunStatus, RunsOf, Status};
use serde_json::{Value, json};

use crate::{
    caller::Caller,
    life::{mail_to, outcome},
    scheduler::Scheduled,
    stack::{PUBLIC_URL, Stack, eventually},
};

/// Publishes a workflow, and waits until there is its state machine.
async fn publish(stack: &Stack, caller: &Caller, workflow: Value) {
    let (app, name) = (workflow["app"].as_str().unwrap(), workflow["workflow"].as_str().unwrap());
    let path = format!("/v1/apps/{app}/workflows/{name}/versions");
    let (published, _) = caller.change(Method::POST, &path, Some(workflow.clone())).await;
    assert_eq!(outcome(stack, "workflow-kickoff", published.parse().unwrap()).await.0, Status::Done);
}

/// The run of an app, once it is over; there is one.
async fn ended(stack: &Stack, app: &str) -> Run {
    let workflows = stack.store().workflows();
    let filter = RunFilter { tenant: "acme".parse().unwrap(), of: RunsOf::App(app.parse().unwrap()), status: None };
    eventually(&format!("the end of a run of {app}"), async || {
        let page = workflows.list(&filter, None, 10).await.expect("the runs");
        assert!(page.runs.len() < 2, "{:?}", page.runs);
        page.runs.into_iter().find(|run| run.status != RunStatus::Running)
    })
    .await
}

/// The path of the link that the mail has to the page of an approval.
fn link(mail: &str) -> String {
    // Quoted-printable breaks lines where it likes.
    let text = mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let (_, rest) = text.split_once(&format!("{PUBLIC_URL}/approvals/")).expect("a link to the page");
    let token: String = rest.chars().take_while(|c| !c.is_whitespace() && !"\"<>'".contains(*c)).collect();
    format!("/approvals/{token}")
}

pub(crate) async fn a_decision_by_a_link_goes_on_to_other_systems_and_apps(stack: &Stack, caller: &Caller) {
    for (app, name) in [("purchases", "Purchases"), ("orders", "Orders")] {
        caller.change(Method::PUT, &format!("/v1/apps/{app}"), Some(json!({ "name": name, "owners": ["ada"] }))).await;
    }
    let note = json!({
        "workflow": "note", "app": "orders", "fields": { "order": "text" }, "on": [{ "submission": "created" }],
        "steps": [{ "id": "end", "stop": true }],
    });
    publish(stack, caller, note).await;
    publish(stack, caller, purchase()).await;
    let body = json!({ "fields": { "part": "bolt", "amount": 1200 } });
    caller.change(Method::POST, "/v1/apps/purchases/submissions", Some(body)).await;

    // A person decides, by the link in the mail; looking at the page decides nothing.
    let path = link(&mail_to(stack, "hedy").await);
    let (status, page) = caller.browse(&path, None).await;
    assert!(status.is_success() && page.contains("Buy bolt for 1200?"), "{status} {page}");
    let forged = format!("{}x", path.trim_end_matches(char::is_alphanumeric));
    let (status, _) = caller.browse(&forged, Some("decision=approved")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(stack.orders.peer().requests().len(), 0, "nobody has decided yet");
    let (status, page) = caller.browse(&path, Some("decision=approved&comment=Fine")).await;
    assert!(status.is_success(), "{status} {page}");

    let run = ended(stack, "purchases").await;
    assert_eq!((run.status, &run.failure), (RunStatus::Succeeded, &None));

    // A call of another system, with the key of its step.
    let requests = stack.orders.peer().requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!((&*requests[0].path, &body["part"], body["amount"].as_f64()), ("/orders", &json!("bolt"), Some(1200.0)));
    assert!(requests[0].header("idempotency-key").is_some_and(|key| key.len() == 36), "a UUID: {requests:?}");
    // A row in a database, under the key of its step.
    assert_eq!(stack.postgres.psql("select part, length(key) from orders"), "bolt|36");
    // A submission in another app, with what the steps came to; its workflow knows that it is the second of a chain.
    let noted = ended(stack, "orders").await;
    assert_eq!((&run.started.input["hops"], &noted.started.input["hops"]), (&json!(1), &json!(2)));
    let made = noted.started.input["submission"]["id"].as_str().expect("a submission").to_owned();
    let (_, _, made) = caller.call(Method::GET, &format!("/v1/apps/orders/submissions/{made}"), None).await;
    let told = json!({ "order": "O-1", "by": "hedy", "comment": "Fine", "rows": 1, "refused": "Action.Permanent" });
    assert_eq!((&made["fields"], &made["author_id"]), (&told, &json!("grace")), "{made}");

    // The first decision stands.
    let (status, page) = caller.browse(&path, Some("decision=rejected")).await;
    assert!(status == StatusCode::CONFLICT && !page.contains("<form"), "{status} {page}");
}

fn purchase() -> Value {
    let insert = "insert into orders (key, part) values (:idempotency_key, :part) on conflict do nothing";
    let bought = json!([
        { "id": "order", "http": {
            "connection": "shop", "method": "POST", "path": "/orders", "idempotent": true,
            "body": { "part": "{{ {part} }}", "amount": "{{ {amount} }}" },
            "response": { "id": { "at": "/order/id", "type": "text" } },
        } },
        { "id": "elsewhere", "http": { "connection": "billing", "method": "POST", "path": "/bills" }, "on_error": "continue" },
        { "id": "stock", "database": { "connection": "stock", "sql": insert, "params": { "part": "{part}" } } },
        { "id": "rows", "database": {
            "connection": "stock", "sql": "select count(*) as n from orders", "returns": { "n": "number" },
        } },
        { "id": "make", "record": { "app": "orders", "create": { "fields": {
            "order": "{{ {steps.order.response.id} }}", "by": "{{ {steps.ask.by} }}",
            "comment": "{{ {steps.ask.comment} }}", "rows": "{{ {steps.rows.first.n} }}",
            // The connection of another tenant is none.
            "refused": "{{ {steps.elsewhere.error} }}",
        } } } },
    ]);
    json!({
        "workflow": "purchase", "app": "purchases", "fields": { "part": "text", "amount": "number" },
        "on": [{ "submission": "created" }],
        "steps": [
            { "id": "ask", "approval": {
                "approvers": "[\"hedy\"]", "title": "Buy {{ {part} }} for {{ {amount} }}?", "deadline": "1h",
            } },
            { "id": "decided", "if": "{steps.ask.decision} = \"approved\"", "then": bought,
              "else": [{ "id": "no", "fail": "Not approved" }] },
        ],
    })
}

pub(crate) async fn a_schedule_starts_a_run_and_puts_the_next_one(stack: &Stack, caller: &Caller) {
    caller.change(Method::PUT, "/v1/apps/cleaning", Some(json!({ "name": "Cleaning", "owners": ["ada"] }))).await;
    let sweep = json!({
        "workflow": "sweep-floors", "app": "cleaning",
        "on": [{ "schedule": { "at": "06:30", "zone": "UTC" } }], "steps": [{ "id": "end", "stop": true }],
    });
    publish(stack, caller, sweep).await;
    let first = Scheduled::naming(stack, "sweep-floors", None).await;
    assert!(first.due.to_string().ends_with("T06:30:00Z"), "{}", first.due);
    first.run(stack).await;
    let run = ended(stack, "cleaning").await;
    assert_eq!(run.status, RunStatus::Succeeded);
    let input = &run.started.input;
    assert_eq!((&input["trigger"]["kind"], &input["submission"]["id"]), (&json!("schedule"), &Value::Null));
    let next = Scheduled::naming(stack, "sweep-floors", Some(first.due)).await;
    assert_eq!(next.due.duration_since(first.due).as_hours(), 24);
    assert_ne!(next.name, first.name, "it takes the place of no other, which may be on its way");
}
