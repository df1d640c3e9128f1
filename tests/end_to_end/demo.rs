use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::program::run;

/// What the report has as JSON.
pub(crate) const KEYS: [&str; 4] = ["dead_letters", "events", "lost", "mails"];

/// Each outcome: type, consumer, outcome.
pub(crate) fn outcomes(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let events = report["events"].as_array().expect("events");
    let rows = events.iter().flat_map(|event| {
        let outcomes = event["outcomes"].as_array().expect("outcomes");
        outcomes.iter().map(|o| (text(&event["type"]), text(&o["consumer"]), text(&o["outcome"])))
    });
    rows.collect()
}

#[test]
fn the_demo_delivers_mails_and_starts_the_workflow_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(folder.path(), ["demo", "--output", "json"]).json(0);

    assert_eq!(report.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS);
    let ids: BTreeSet<&str> = report["events"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 6, "each event has an id of its own");
    let row = |event: &str, consumer: &str| (event.to_owned(), consumer.to_owned(), "done".to_owned());
    assert_eq!(
        outcomes(&report),
        [
            row("app.assigned.v1", "email"),
            row("app.assigned.v1", "email"),
            row("submission.created.v2", "email"),
            row("submission.created.v2", "workflow-kickoff"),
            row("submission.created.v2", "email"),
            row("submission.created.v2", "workflow-kickoff"),
        ]
    );
    for outcome in report["events"].as_array().unwrap().iter().flat_map(|e| e["outcomes"].as_array().unwrap()) {
        assert_eq!(outcome["attempts"], 1);
        assert!(outcome["latency_ms"].is_u64(), "{outcome}");
    }
    assert_eq!(
        report["mails"],
        json!([
            { "to": "ada@example.org", "subject": "Expenses is ready for you" },
            { "to": "ada@example.org", "subject": "New submission in Holidays from Björn" },
            { "to": "bjorn@example.org", "subject": "Holidays steht für Sie bereit" },
            { "to": "bjorn@example.org", "subject": "Neuer Eintrag in Expenses von Ada" },
            { "to": "bjorn@example.org", "subject": "Neuer Eintrag in Holidays von Björn" },
        ])
    );
    assert_eq!(report["dead_letters"], json!([]));
    assert_eq!(report["lost"], 0);
}

#[test]
fn poisoned_submissions_end_as_dead_letters_with_one_reason_and_stop_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(folder.path(), ["demo", "--poison", "3", "--output", "json"]).json(0);
    assert_eq!(report["dead_letters"], json!([{ "consumer": "email", "reason": "bad-template", "count": 3 }]));
    let outcomes = outcomes(&report);
    let count =
        |consumer: &str, outcome: &str| outcomes.iter().filter(|(_, c, o)| c == consumer && o == outcome).count();
    assert_eq!(count("email", "dead-lettered"), 3);
    assert_eq!(count("email", "done"), 4);
    assert_eq!(count("workflow-kickoff", "done"), 5, "the workflows of the same submissions are not held up");
    assert_eq!(report["mails"].as_array().unwrap().len(), 5);
    assert_eq!(report["lost"], 0);
}

#[test]
fn the_table_tells_the_same_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), ["demo", "--poison", "1"]);
    let table = ended.with(0);
    for told in [
        "bjorn@example.org  Neuer Eintrag in Holidays von Björn",
        "approve-holiday v1  succeeded  check-balance > ask-manager > book",
        "holidays  admin  user unassigned     bjorn",
        "dead-lettered: bad-template",
        "email     bad-template  1",
        "12 requests, 7 events, 8 outcomes: 7 done, 1 dead-lettered, 0 in doubt; 5 mails received; lost 0",
    ] {
        assert!(table.contains(told), "{told}\nnot in\n{table}");
    }
}

#[test]
fn two_demos_in_the_same_folder_do_not_meet_and_their_events_can_be_traced() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let report = run(folder.path(), ["demo", "--output", "json"]).json(0);
        assert_eq!((&report["lost"], report["mails"].as_array().unwrap().len()), (&json!(0), 5));
        let id = report["events"][2]["id"].as_str().unwrap();
        let life = run(folder.path(), ["trace", id, "--output", "json"]).json(0);
        assert_eq!(life["runs"][0]["workflow"], "approve-holiday");
    }
    let mails = run(folder.path(), ["mail", "ls", "--output", "json"]).json(0);
    assert_eq!(mails.as_array().unwrap().len(), 10);
}

#[test]
fn the_demo_sends_nothing_out_whatever_the_environment_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::program::sendoff(folder.path());
    command.args(["demo", "--output", "json"]).env("SMTP_URL", "smtp://127.0.0.1:1");
    let report = crate::program::finish(&mut command).json(0);
    assert_eq!(report["mails"].as_array().unwrap().len(), 5);

    let refused = run(folder.path(), ["demo", "--set", "smtp.url=smtp://127.0.0.1:1"]);
    refused.with(5);
    assert!(refused.err.contains("the demo keeps all mail on this machine"), "{}", refused.err);
}
