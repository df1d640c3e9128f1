//! `sendoff workflow dry-run`.

use std::fs;

use serde_json::{Value, json};

use crate::program::{Ended, examples, golden, workflow};

/// Tries an example at a fixed moment.
fn dry_run(name: &str, more: &[&str]) -> Ended {
    let (definition, submission) = (format!("{name}.yaml"), format!("{name}.submission.json"));
    let args = ["dry-run", &definition, "--submission", &submission, "--at", "2026-11-26T08:00:00Z"];
    workflow(&examples(), args.iter().chain(more))
}

#[test]
fn every_example_is_shown_with_its_messages_waits_and_costs() {
    for name in ["customer-feedback", "expense-approval", "field-service", "inventory-reorder", "leave-request"] {
        golden(&format!("{name}.txt"), dry_run(name, &[]).with(0));
    }
}

#[test]
fn the_other_ways_of_the_examples_are_shown_too() {
    golden(
        "leave-request.nobody.txt",
        dry_run("leave-request", &["--approve", "ask=nobody", "--approve", "ask_head=rejected"]).with(0),
    );
    let fail = ["--fail", "dispatch", "--fail", "fallback=States.Timeout"];
    golden("field-service.unreachable.txt", dry_run("field-service", &fail).with(1));
    let first =
        r#"lookup/1={"first":{"name":"Belt","reorder_below":5,"reorder_quantity":20,"supplier":"belts@acme.example"}}"#;
    let args = ["--answer", first, "--fail", "order/1"];
    golden("inventory-reorder.by-hand.txt", dry_run("inventory-reorder", &args).with(0));
    let answer = r#"pay={"response":{"payout":"P-77","on":"2026-12-01"}}"#;
    let paid = dry_run("expense-approval", &["--answer", answer]);
    assert!(paid.with(0).contains("by 2026-12-01 (payout P-77)."), "{}", paid.with(0));
    let by_the_clock = ["dry-run", "inventory-reorder.yaml", "--trigger", "schedule", "--at", "2026-11-30T05:30:00Z"];
    let by_the_clock = workflow(&examples(), by_the_clock);
    assert!(by_the_clock.with(0).contains("A stocktake is due"), "{}", by_the_clock.with(0));
}

#[test]
fn what_is_sent_is_counted_and_priced_by_ones_own_prices() {
    let folder = tempfile::tempdir().unwrap();
    let prices = folder.path().join("prices.json");
    let own =
        json!({ "of": "ours", "transition": 0.0, "email": 0.0, "sms_segment": 2.0, "whatsapp": 0.5, "push": 0.0 });
    fs::write(&prices, own.to_string()).unwrap();
    let played = dry_run("field-service", &["--prices", prices.to_str().unwrap(), "--output", "json"]).json(0);
    assert_eq!((&played["cost"]["dollars"], &played["cost"]["prices"]), (&json!(2.5), &json!("ours")));
    let channels: Vec<&str> =
        played["messages"].as_array().unwrap().iter().map(|m| m["channel"].as_str().unwrap()).collect();
    assert_eq!(channels, ["whatsapp", "sms", "push"]);
    assert_eq!(played["messages"][1]["segments"], 1);
    assert_eq!(played["status"], "succeeded");
}

/// Tries a workflow that tells several users by several channels; of each message whom it goes to, how and in what language, and
/// of each step what came of it.
fn told(submission: &Value, more: &[&str]) -> (Vec<[String; 3]>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let definition = "workflow: tell\napp: a\non: [{ submission: created }]\nsteps:\n\
        - { id: mail, email: { to: { user: ada }, template: { name: app-assigned, data: { app: { name: A, id: a }, assigned_by: { name: B } } } } }\n\
        - { id: fixed, sms: { to: { user: ada }, template: { name: app-assigned, locale: en, data: { app: { name: A, id: a }, assigned_by: { name: B } } } } }\n\
        - { id: own, sms: { to: { user: ada }, template: { name: app-assigned, data: { app: { name: A, id: a }, assigned_by: { name: B } } } } }\n\
        - { id: none, email: { to: { user: bob }, subject: Hi, text: Hi } }\n\
        - { id: unwanted, push: { to: { user: cleo }, title: Hi, body: Hi } }\n\
        - { id: gone, sms: { to: { user: nobody }, text: Hi } }\n\
        - { id: outside, sms: { to: { address: '+4915187654321' }, text: Hi } }\n";
    fs::write(folder.path().join("tell.yaml"), definition).unwrap();
    fs::write(folder.path().join("submission.json"), submission.to_string()).unwrap();
    fs::write(folder.path().join("users.json"), users().to_string()).unwrap();
    let args = ["dry-run", "tell.yaml", "--submission", "submission.json", "--output", "json"];
    let played = workflow(folder.path(), args.iter().chain(more)).json(0);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = played["messages"].as_array().unwrap().iter();
    let messages = messages.map(|message| ["step", "to", "locale"].map(|name| text(&message[name]))).collect();
    let history = played["history"].as_array().unwrap().iter().filter(|entry| entry["what"] == "skipped");
    (messages, history.map(|entry| text(&entry["output"]["reason"])).collect())
}

fn users() -> Value {
    json!({
        "ada": { "name": "Ada", "email": "ada@example.org", "phone": "+4915112345678", "locale": "de-CH" },
        "bob": { "name": "Bob" },
        "cleo": { "name": "Cleo", "push_tokens": ["abc"], "events": { "workflow": { "push": false } } },
    })
}

#[test]
fn users_are_reached_as_the_file_says_in_their_own_language() {
    let expected = [
        ["mail", "ada@example.org (user ada)", "de-CH"],
        ["fixed", "+4915112345678 (user ada)", "en"],
        ["own", "+4915112345678 (user ada)", "de-CH"],
        ["outside", "+4915187654321", "en"],
    ];
    let skipped = ["the user has no email address", "the user has turned push off", "there is no such user"];
    let plain = json!({ "fields": {} });
    let (messages, reasons) = told(&plain, &["--users", "users.json"]);
    assert_eq!(
        (messages, reasons),
        (expected.map(|told| told.map(str::to_owned)).to_vec(), skipped.map(str::to_owned).to_vec())
    );
    // The file of the submission can hold them too.
    let (messages, reasons) = told(&json!({ "fields": {}, "users": users() }), &[]);
    assert_eq!((messages.len(), reasons), (4, skipped.map(str::to_owned).to_vec()));
    // Otherwise nobody is looked up.
    let (messages, reasons) = told(&plain, &["--locale", "de"]);
    assert_eq!((messages.len(), reasons.len()), (7, 0));
    assert_eq!(messages[0], ["mail", "user ada", "de"].map(str::to_owned));
}

#[test]
fn who_can_not_be_reached_is_asked_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.json");
    let with = |users: Value| {
        fs::write(&file, users.to_string()).unwrap();
        dry_run("expense-approval", &["--users", file.to_str().unwrap()])
    };
    let played = with(json!({ "grace": { "name": "Grace" }, "ada": { "name": "Ada" } }));
    assert!(played.with(1).contains("none of the approvers can be reached by mail"), "{}", played.with(1));
    with(json!({ "grace": { "name": "Grace", "emial": "x" } })).with(2);
}

#[test]
fn each_approver_who_can_be_reached_gets_a_mail_in_their_own_language_which_is_priced() {
    let folder = tempfile::tempdir().unwrap();
    let definition = "workflow: w\napp: a\non: [{ manual: true }]\nsteps:\n  \
        - { id: ask, approval: { approvers: '[\"bob\", \"ada\", \"dora\", \"ada\"]', title: Two chairs, deadline: 2d } }\n";
    fs::write(folder.path().join("w.yaml"), definition).unwrap();
    let mut known = users();
    known["dora"] = json!({ "name": "Dora", "email": "dora@example.org" });
    fs::write(folder.path().join("users.json"), known.to_string()).unwrap();
    let run = |more: &[&str]| {
        let args =
            ["dry-run", "w.yaml", "--trigger", "manual", "--users", "users.json", "--at", "2026-11-26T08:00:00Z"];
        workflow(folder.path(), args.iter().chain(more))
    };
    for decision in ["approved", "rejected", "nobody"] {
        let played = run(&["--approve", &format!("ask={decision}"), "--output", "json"]).json(0);
        let mails = played["messages"].as_array().unwrap();
        let told: Vec<_> =
            mails.iter().map(|mail| ["step", "to", "subject"].map(|name| mail[name].as_str().unwrap())).collect();
        let expected = [
            ["ask", "ada@example.org (user ada)", "Bitte entscheiden Sie: Two chairs"],
            ["ask", "dora@example.org (user dora)", "Please decide: Two chairs"],
        ];
        assert_eq!(told, expected, "{decision}");
        assert!(mails[1]["text"].as_str().unwrap().contains("You can decide until 2026-11-28 07:59 UTC."), "{mails:?}");
        let lines = played["cost"]["lines"].as_array().unwrap();
        assert!(lines.iter().any(|line| line["what"] == "mails" && line["count"] == 2), "{lines:?}");
    }
    let printed = run(&[]);
    let printed = printed.with(0);
    assert!(
        printed.contains("Hello Dora, your decision is needed.") && printed.contains("approved by ada"),
        "{printed}"
    );
}

#[test]
fn what_has_no_price_is_unknown_and_not_in_the_sum() {
    let folder = tempfile::tempdir().unwrap();
    let prices = folder.path().join("prices.json");
    fs::write(&prices, json!({ "of": "ours", "sms_segment": 2.0 }).to_string()).unwrap();
    let printed = dry_run("field-service", &["--prices", prices.to_str().unwrap()]);
    let costs: Vec<Vec<&str>> = printed
        .with(0)
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect())
        .collect();
    for line in [vec!["WhatsApp messages", "1", "unknown"], vec!["together, without what is unknown", "2.000000"]] {
        assert!(costs.contains(&line), "{line:?} in {costs:?}");
    }
    let cost = dry_run("field-service", &["--output", "json"]).json(0)["cost"].take();
    assert_eq!(cost["is_complete"], false, "what Meta asks for a template depends on the country");
    let sms =
        cost["lines"].as_array().unwrap().iter().find(|line| line["what"] == "segments of text messages").unwrap();
    let source = sms["source"].as_str().unwrap();
    assert!(source.contains("https://www.twilio.com/") && source.ends_with("; read on 2026-11-26"), "{source}");
}

#[test]
fn a_submission_that_starts_no_run_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let submission = folder.path().join("submission.json");
    let with = |amount: serde_json::Value| {
        fs::write(&submission, json!({ "fields": { "amount": amount } }).to_string()).unwrap();
        workflow(&examples(), ["dry-run", "expense-approval.yaml", "--submission", submission.to_str().unwrap()])
    };
    let refused = with(json!(0));
    assert_eq!(refused.with(4), "");
    assert!(refused.err.contains("the condition `when` of the trigger `created` doesn't hold"), "{}", refused.err);
    let refused = with(json!("much"));
    assert_eq!(refused.with(1), "");
    assert!(refused.err.contains("fields.amount"), "{}", refused.err);
}

/// What becomes of these steps with a blank field `no`, `../admin` in `way`, two lines in `line` and 60 numbers in `l`.
fn tried(steps: &str, more: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let head = "workflow: w\napp: a\nfields: { no: text, way: text, line: text, l: { list: number } }\non: [{ submission: created }]\nsteps:\n";
    fs::write(folder.path().join("w.yaml"), format!("{head}{steps}")).unwrap();
    let submission =
        json!({ "fields": { "no": "", "way": "../admin", "line": "a\r\nb", "l": (0..60).collect::<Vec<_>>() } });
    fs::write(folder.path().join("s.json"), submission.to_string()).unwrap();
    workflow(folder.path(), ["dry-run", "w.yaml", "--submission", "s.json"].iter().chain(more))
}

#[test]
fn what_an_action_refuses_on_sight_fails_here_too() {
    for (step, why) in [
        ("http: { connection: c, method: DELETE, path: '/orders/{{ {no} }}' }", "is a value missing there?"),
        ("http: { connection: c, method: PUT, path: '/orders/{{ {way} }}/x' }", "must be without `/` and `%`"),
        ("http: { connection: c, method: GET, path: /, headers: { X: '{{ {line} }}' } }", "no header can have"),
        ("email: { to: { address: '{{ {way} }}' }, subject: S, text: T }", "`to.address` can't be used"),
        ("sms: { to: { address: '{{ {way} }}' }, text: T }", "`to.address` can't be used"),
        ("sms: { to: { user: ada }, text: '{{ {no} }}' }", "`text` must have 1 to"),
        ("push: { to: { user: '{{ {no} }}' }, title: T, body: B }", "`to.user` must have 1 to"),
        ("record: { app: b, author: '{{ {no} }}', create: { fields: { n: 1 } } }", "`author` must have 1 to"),
        ("approval: { approvers: '[{way}]', title: T, deadline: 1d }", "`approvers` must be a list of users' ids"),
        ("approval: { approvers: '[{no}]', title: T, deadline: 1d }", "`approvers` must be a list of users' ids"),
        ("approval: { approvers: '[\"ada\"]', title: '{{ {no} }}', deadline: 1d }", "`title` must have 1 to"),
    ] {
        let played = tried(&format!("  - {{ id: s, {step} }}\n"), &[]);
        let printed = played.with(1);
        assert!(printed.contains("failed with Action.Permanent: invalid-call: ") && printed.contains(why), "{printed}");
        assert!(!printed.contains("/../"), "{printed}");
    }
    let slash = tried("  - { id: s, http: { connection: c, method: GET, path: '/orders/{{ LEN({way}) }}/' } }\n", &[]);
    assert!(slash.with(0).contains("http GET c:/orders/8/\n"), "{}", slash.with(0));
}

#[test]
fn the_items_of_a_list_in_a_list_are_counted_once_each() {
    let steps = "  - { id: outer, for_each: '{l}', do: [{ id: each, as: inner, for_each: '{l}', do: [\
                 { id: h, http: { connection: c, method: GET, path: /a } }, { id: i, http: { connection: c, method: GET, path: /b } }] }] }\n";
    let played = tried(steps, &["--output", "json"]).json(0);
    // The first and the last state; the outer list, its count and 60 items; in each of these an inner list, its count and 60 items,
    // and in each of those two calls.
    let expected = 2 + 2 + 60 * (2 + 2) + 3600 * (2 + 2);
    assert_eq!(played["cost"]["transitions"], expected);
}

#[test]
fn an_answer_that_the_action_can_not_give_is_refused() {
    let steps = "  - { id: h, http: { connection: c, method: GET, path: /a, response: { id: { at: /id, type: text } } } }\n  \
                 - { id: s, sms: { to: { user: ada }, text: T } }\n  \
                 - { id: q, database: { connection: c, sql: select 1, returns: { n: number } } }\n";
    for (answer, why) in [
        (r#"h={"response":{"id":5}}"#, "its response.id is a number, not a text"),
        (r#"h={"response":{"di":"5"}}"#, "its step has no `response.di`"),
        (r#"h={"bogus":1}"#, "its step has no `bogus`; there is `code` (number)"),
        (r#"h={"error":"x"}"#, "its step has no `error`"),
        (r#"h={"status":"weird"}"#, "its status is never `weird`, but done"),
        (r#"s={"status":"done"}"#, "its status is never `done`, but sent or skipped"),
        (r#"q={"rows":[{"n":1},{"m":1}]}"#, "its step has no `rows[1].m`"),
    ] {
        let refused = tried(steps, &["--answer", answer]);
        refused.with(2);
        assert!(refused.err.contains(why), "{answer}: {}", refused.err);
    }
    let good = [r#"h={"code":201,"response":{"id":"5"}}"#, r#"q={"rows":[{"n":1}],"affected":1}"#];
    tried(steps, &["--answer", good[0], "--answer", good[1]]).with(0);
}

#[test]
fn flags_that_name_no_step_of_the_definition_are_refused() {
    for (flag, value, why) in [
        ("--approve", "pay=approved", "no step `pay` that asks somebody"),
        ("--fail", "ask", "no step `ask` that does something"),
        ("--answer", "gone={}", "no step `gone` that does something"),
        ("--approve", "ask=maybe", "there are approved, rejected and nobody"),
        ("--answer", "pay=[]", "no JSON object"),
    ] {
        let refused = dry_run("expense-approval", &[flag, value]);
        refused.with(2);
        assert!(refused.err.contains(why), "{flag} {value}: {}", refused.err);
    }
}
