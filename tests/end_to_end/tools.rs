use std::process::Stdio;

use serde_json::{Value, json};

use crate::{
    program::{Streaming, run, sendoff, wait_for},
    server::Server,
};

/// Traces an event until it stands so at the consumer.
fn traced(data: &std::path::Path, event: &str, consumer: &str, outcome: &str) -> Value {
    wait_for("the event comes to its end", || {
        let life = run(data, ["trace", event, "--output", "json"]).json(0);
        let found = life["consumers"].as_array()?.iter().any(|c| c["consumer"] == consumer && c["outcome"] == outcome);
        found.then_some(life)
    })
}

#[tokio::test]
async fn trace_tells_the_life_of_an_event_beside_the_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.api.prepare().await;
    let event = server.api.submit(json!({ "amount": 3 })).await;
    traced(folder.path(), &event, "workflow-kickoff", "done");
    let life = traced(folder.path(), &event, "email", "done");
    assert_eq!(
        (&life["id"], &life["type"], &life["tenant"]),
        (&json!(event), &json!("submission.created.v2"), &json!("acme"))
    );
    assert!(life["published_at"].is_string());
    assert_eq!(life["changed"][0]["version"], 1);
    assert_eq!(life["consumers"][0]["steps"][0]["state"], "done");
    assert!(life["consumers"][0]["steps"][0]["provider_id"].is_string());
    assert_eq!((&life["runs"][0]["status"], &life["runs"][0]["steps"]), (&json!("succeeded"), &json!(["end"])));

    let ended = run(folder.path(), ["trace", &event]);
    for told in [format!("event        {event}"), "CONSUMER          OUTCOME".into(), "started run approve-".into()] {
        assert!(ended.with(0).contains(&told), "{told}\nnot in\n{}", ended.out);
    }
    assert_eq!(server.process.stop("INT"), Some(0));
}

#[tokio::test]
async fn trace_tells_where_a_dead_letter_lies_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.api.prepare().await;
    let template = json!({ "subject": "New", "text": "{{ submission.fields.nobody }}" });
    let app = json!({ "name": "Expenses", "owners": ["ada"], "submission_mail": template });
    server.api.change("PUT", "/v1/apps/expenses", Some(app)).await;
    let event = server.api.submit(json!({})).await;
    let life = traced(folder.path(), &event, "email", "dead-lettered");
    let email = &life["consumers"][0];
    assert_eq!(
        (&email["failure"]["reason"], &email["waits_in"]["queue"]),
        (&json!("bad-template"), &json!("email-dlq"))
    );
    assert_eq!(email["failed_attempts"][0]["class"], "rejected");
}

#[test]
fn an_unknown_event_matches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), ["demo"]).with(0);
    let unknown = run(folder.path(), ["trace", "01938d1e-7b2c-7000-8000-000000000000"]);
    assert_eq!(unknown.with(4), "");
    assert!(unknown.err.contains("there is no event 01938d1e"), "{}", unknown.err);
}

#[tokio::test]
async fn tail_follows_events_and_outcomes_and_ends_at_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.api.prepare().await;
    let before = server.api.submit(json!({ "told": "because of --since" })).await;
    let tail = Streaming::start(sendoff(folder.path()).args(["tail", "--since", "1h", "--output", "ndjson"]));
    let mut told = Vec::new();
    let mut read = |until: &dyn Fn(&[Value]) -> bool| {
        while !until(&told) {
            told.push(serde_json::from_str::<Value>(&tail.line()).expect("a line of JSON"));
        }
    };
    let has = |lines: &[Value], event: &str, what: &str, consumer: Value| {
        lines.iter().any(|l| l["event"] == event && l["what"] == what && l["consumer"] == consumer)
    };
    read(&|lines| has(lines, &before, "done", json!("email")));
    let after = server.api.submit(json!({ "told": "as it happens" })).await;
    let ends = ["email", "push", "sms", "webhook", "whatsapp", "workflow-kickoff"];
    let all = |lines: &[Value], event: &str| ends.iter().all(|consumer| has(lines, event, "done", json!(consumer)));
    read(&|lines| all(lines, &before) && all(lines, &after));
    assert!(has(&told, &before, "event", Value::Null) && has(&told, &after, "event", Value::Null));
    // The workflow that was published is one of them, and its end.
    assert_eq!(told.len(), 16, "each thing is told once: {told:#?}");
    assert_eq!(tail.stop("INT"), Some(0));
}

#[test]
fn tail_says_why_something_failed() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), ["demo", "--poison", "1"]).with(0);
    let tail = Streaming::start(sendoff(folder.path()).args(["tail", "--since", "1h"]));
    let line = std::iter::repeat_with(|| tail.line()).find(|line| line.contains("dead-lettered")).unwrap();
    assert!(line.contains("  dead-lettered: bad-template: ") && line.contains("there is no such variable"), "{line}");
    assert_eq!(tail.stop("INT"), Some(0));
}

#[tokio::test]
async fn mail_is_listed_and_shown_by_the_beginning_of_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.api.prepare().await;
    let event = server.api.change("PUT", "/v1/apps/expenses/assignments/ada", None).await.remove(0);
    traced(folder.path(), &event, "email", "done");
    let mails = run(folder.path(), ["mail", "ls", "--output", "json"]).json(0);
    assert_eq!(
        (&mails[0]["to"], &mails[0]["subject"]),
        (&json!(["ada@example.org"]), &json!("Expenses is ready for you"))
    );
    let listed = run(folder.path(), ["mail", "ls"]);
    assert!(listed.with(0).contains("ada@example.org  Expenses is ready for you"), "{}", listed.out);
    let shown = run(folder.path(), ["mail", "show", &mails[0]["id"].as_str().unwrap()[..8]]);
    assert!(
        shown.with(0).contains("Subject:  Expenses is ready for you") && shown.out.contains("Hello Ada,"),
        "{}",
        shown.out
    );
    run(folder.path(), ["mail", "show", "ffff"]).with(4);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = sendoff(folder.path()).arg("demo").stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let status = wait_for("the demo ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
