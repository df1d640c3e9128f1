use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::program::run;

/// What the report has as JSON.
pub(crate) const KEYS: [&str; 5] = ["dead_letters", "events", "lost", "mails", "messages"];

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
    assert_eq!(ids.len(), 9, "each event has an id of its own");
    let channels = ["email", "push", "sms", "webhook", "whatsapp"];
    let row = |event: &str, consumer: &str| (event.to_owned(), consumer.to_owned(), "done".to_owned());
    let rows = |event: &'static str, more: &[&'static str]| {
        channels.iter().chain(more).map(|consumer| row(event, consumer)).collect::<Vec<_>>()
    };
    let assigned = [(); 4].map(|()| rows("app.assigned.v1", &[]));
    let submitted = [(); 2].map(|()| rows("submission.created.v2", &["workflow-kickoff"]));
    let published = [row("workflow.published.v1", "workflow-kickoff")];
    let updated = ["webhook", "workflow-kickoff"].map(|consumer| row("submission.updated.v1", consumer));
    let last = [row("app.unassigned.v1", "webhook")];
    let all = [assigned.concat(), published.to_vec(), submitted.concat(), updated.to_vec(), last.to_vec()];
    assert_eq!(outcomes(&report), all.concat());
    for outcome in report["events"].as_array().unwrap().iter().flat_map(|e| e["outcomes"].as_array().unwrap()) {
        assert_eq!(outcome["attempts"], 1);
        assert!(outcome["latency_ms"].is_u64(), "{outcome}");
    }
    assert_eq!(
        report["mails"],
        json!([
            { "to": "ada@example.org", "subject": "New submission in Holidays from Björn" },
            { "to": "bjorn@example.org", "subject": "Neuer Eintrag in Expenses von Ada" },
            { "to": "bjorn@example.org", "subject": "Neuer Eintrag in Holidays von Björn" },
            { "to": "bjorn@example.org", "subject": "Your 11 days of holidays" },
            { "to": "chen@example.org", "subject": "Holidays is ready for you" },
        ])
    );
    let received: Vec<_> =
        report["messages"].as_array().unwrap().iter().map(|m| (m["channel"].clone(), m["to"].clone())).collect();
    assert_eq!(
        received,
        [
            ("sms", "+447700900102"),
            ("whatsapp", "+447700900101"),
            ("push", "ada-phone"),
            ("push", "ada-phone"),
            ("push", "ada-phone"),
            ("webhook", "/webhooks/ledger"),
            ("webhook", "/webhooks/ledger"),
            ("webhook", "/webhooks/ledger"),
        ]
        .map(|(channel, to)| (json!(channel), json!(to)))
    );
    assert_eq!(report["dead_letters"], json!([]));
    assert_eq!(report["lost"], 0);
}

/// What became of a person on a channel, with the event of their assignment at this place.
fn fate(report: &Value, event: usize, channel: &str, person: &str) -> (String, String) {
    let outcomes = report["events"][event]["outcomes"].as_array().unwrap();
    let outcome = outcomes.iter().find(|outcome| outcome["consumer"] == channel).unwrap();
    let step = outcome["steps"].as_array().unwrap().iter().find(|step| step["step"] == person).unwrap();
    (step["state"].as_str().unwrap().to_owned(), step["reason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn each_person_of_the_demo_is_told_once_by_the_first_channel_of_the_chain_that_reaches_them() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(folder.path(), ["demo", "--output", "json"]).json(0);
    let fates = |event, person| ["whatsapp", "sms", "email"].map(|channel| fate(&report, event, channel, person));
    let told = || ("done".to_owned(), String::new());
    let skipped = |why: &str| ("skipped".to_owned(), why.to_owned());
    let (no_phone, off) =
        (skipped("the user has no phone number"), |what| skipped(&format!("the user has turned {what} off")));
    assert_eq!(fates(0, "bjorn"), [off("whatsapp"), told(), skipped("told by sms")]);
    assert_eq!(fates(1, "ada"), [told(), skipped("told by whatsapp"), skipped("told by whatsapp")]);
    assert_eq!(fates(2, "chen"), [no_phone.clone(), no_phone, told()]);
    assert_eq!(
        fates(3, "dana"),
        [off("whatsapp"), off("sms"), off("email")],
        "who wants nothing gets a reason, not silence"
    );
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
    assert_eq!(count("email", "done"), 6);
    assert_eq!(count("workflow-kickoff", "done"), 7, "the workflows of the same submissions are not held up");
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
        "approve-holiday v1  succeeded  count > is_long > hand_over > confirm",
        "holidays  admin  user unassigned     bjorn",
        "dead-lettered: bad-template",
        "email     bad-template  1",
        "ada-phone  Expenses is ready for you: admin has given you this app.",
        "+447700900101  template app_assigned (en): Ada | admin | Expenses",
        "/webhooks/ledger  submission.updated.v1",
        "17 requests, 10 events, 42 outcomes: 41 done, 1 dead-lettered, 0 in doubt; 5 mails and 9 other messages received; lost \
         0",
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
        let id = report["events"][5]["id"].as_str().unwrap();
        let life = run(folder.path(), ["trace", id, "--output", "json"]).json(0);
        assert_eq!(life["runs"][0]["workflow"], "approve-holiday");
    }
    let mails = run(folder.path(), ["mail", "ls", "--output", "json"]).json(0);
    assert_eq!(mails.as_array().unwrap().len(), 10);
    let messages = run(folder.path(), ["messages", "ls", "--channel", "sms", "--output", "ndjson"]);
    assert_eq!(messages.with(0).lines().count(), 2);
}

#[test]
fn the_demo_sends_nothing_out_whatever_the_environment_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::program::sendoff(folder.path());
    command.args(["demo", "--output", "json"]).env("SMTP_URL", "smtp://127.0.0.1:1");
    command.env("TWILIO_ACCOUNT_SID", "AC1").env("FCM_BASE_URL", "nowhere");
    let report = crate::program::finish(&mut command).json(0);
    assert_eq!(report["mails"].as_array().unwrap().len(), 5);

    let refused = run(folder.path(), ["demo", "--set", "smtp.url=smtp://127.0.0.1:1"]);
    refused.with(5);
    assert!(refused.err.contains("the demo keeps all mail on this machine"), "{}", refused.err);
    let refused = run(folder.path(), ["demo", "--set", "channels.sink=false"]);
    refused.with(5);
    assert!(refused.err.contains("the demo keeps all messages on this machine"), "{}", refused.err);
}
