//! Rules, good and bad.

use std::time::Duration;

use sendoff_producers::model::Channel::{Email, Push, Sms, Whatsapp};

use super::{Routing, Rule, To};
use crate::templates::Templates;

fn parse(text: &str) -> Result<Routing, Vec<String>> {
    Routing::parse(text, &Templates::standard().unwrap()).map_err(|error| error.problems)
}

#[test]
fn the_rules_that_come_with_sendoff_are_good() {
    let routing = Routing::standard(&Templates::standard().unwrap()).unwrap();
    assert_eq!(routing.grace, Duration::from_secs(60));
    let [assigned] = routing.rules("app.assigned") else { panic!("{routing:?}") };
    assert_eq!((&assigned.to, assigned.urgent), (&To::Assignee, false));
    assert_eq!(assigned.chain(Sms), Some(&[Whatsapp, Sms, Email][..]));
    assert_eq!(assigned.chain(Push), Some(&[Push][..]));
    let [created] = routing.rules("submission.created") else { panic!("{routing:?}") };
    assert_eq!((&created.to, created.chain(Email), created.chain(Sms)), (&To::AppOwners, Some(&[Email][..]), None));
    assert_eq!(routing.rules("app.unassigned"), []);
}

#[test]
fn an_address_in_the_event_has_the_one_channel_that_stands_beside_it() {
    let text = r#"{ "grace": "2m", "events": { "submission.created": [{
        "to": { "address": "/submission/fields/Email", "channel": "email" },
        "template": "submission-created", "urgent": true
    }] } }"#;
    let routing = parse(text).unwrap();
    let to = To::Address { pointer: "/submission/fields/Email".into(), channel: Email };
    let rule = Rule { to, template: "submission-created".into(), channels: vec![vec![Email]], urgent: true };
    assert_eq!((routing.grace, routing.rules("submission.created")), (Duration::from_secs(120), &[rule][..]));
}

#[test]
fn everything_that_is_wrong_is_told_together_with_its_place() {
    let problems = parse(
        r#"{ "grace": "2h", "events": {
            "app.archived": [],
            "app.assigned": [
                { "to": "author", "template": "app-asigned", "channels": [["fax"], []] },
                { "to": "assignee", "template": "app-assigned", "channels": [["sms", "email"], ["sms"]] },
                { "to": "assignee", "template": "app-assigned", "channels": [] }
            ],
            "submission.created": [
                { "to": { "address": "x", "channel": "push" }, "template": "submission-created", "channels": [["sms"]] },
                { "to": "app_owners", "template": "nope", "channels": [["email"]] }
            ]
        } }"#,
    )
    .unwrap_err();
    let expected = [
        "`grace`: it is not between 0s and 1h",
        "`events.app.archived`: nobody can be told of it; there are `app.assigned`, `submission.created`",
        "`events.app.assigned[0].to`: this event has no `author`; it has `assignee`, `assigner`, or an address",
        "`events.app.assigned[0].channels[0][0]`: there is no channel `fax`; there are `email`, `sms`, `whatsapp`, `push`",
        "`events.app.assigned[0].channels[1]`: the chain is empty: leave it out, or name a channel",
        "`events.app.assigned[1].channels[1][0]`: `sms` stands in this rule already: one channel tells a person once",
        "`events.app.assigned[2].channels`: it needs 1 to 20 chains such as `[\"whatsapp\", \"sms\", \"email\"]`",
        "`events.submission.created[0].channels`: an address has one channel, which stands beside it: leave this out",
        "`events.submission.created[0].to.address`: it is no JSON Pointer such as `/submission/fields/Email`",
        "`events.submission.created[0].to.channel`: nobody writes a device's registration token into a form",
    ];
    assert_eq!(problems[..expected.len()], expected);
    let [template] = &problems[expected.len()..] else { panic!("{problems:#?}") };
    assert!(
        template.starts_with("`events.submission.created[1].template`: ") && template.contains("nope"),
        "{template}"
    );
}

#[test]
fn a_text_of_another_shape_is_refused_with_its_place() {
    for (text, what) in [
        ("", "EOF"),
        ("7", "invalid type"),
        (r#"{ "event": {} }"#, "unknown field `event`"),
        (r#"{ "events": { "app.assigned": [{ "to": 7, "template": "x" }] } }"#, "`to` is a word"),
        (r#"{ "events": { "app.assigned": [{ "to": "assignee", "template": "x", "chanels": [] }] } }"#, "`chanels`"),
        (r#"{ "events": {}, "grace": "soon" }"#, "line 1"),
    ] {
        let problems = parse(text).unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains(what) && problems[0].contains("line"), "{problems:?}");
    }
}
