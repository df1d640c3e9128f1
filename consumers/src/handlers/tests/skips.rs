//! Who is told nothing has the reason on record.

use sendoff_producers::model::{Channel, Suppression, SuppressionReason, suppression_key};
use serde_json::{json, to_value};

use super::{Play, Stage, assigned, chain, done, reason, submitted};
use crate::{SendOutcome, Status, StepState, routing::Routing, templates::Templates};

const ALL: [&str; 4] = ["push", "whatsapp", "sms", "email"];

#[test]
fn whoever_has_opted_out_of_everything_is_skipped_with_the_reason_on_each_channel() {
    let stage = Stage::new();
    let off = json!({ "email": false, "sms": false, "whatsapp": false, "push": false });
    stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org", "phone": "+4930123456", "channels": off }));
    let (delivery, id) = stage.world.delivery(assigned("ada"));
    for channel in ALL {
        assert_eq!(stage.process(channel, &delivery), done(), "{channel}");
        assert_eq!(stage.ledger(channel, id).status, Status::Done);
        let why = format!("the user has turned {channel} off");
        assert_eq!(stage.step(channel, id, "ada"), (StepState::Skipped, Some(why)));
    }
    assert!(stage.mails.recipients().is_empty() && stage.texts.recipients().is_empty());
    assert!(stage.whatsapps.recipients().is_empty() && stage.pushes.recipients().is_empty());
}

#[test]
fn each_channel_says_why_it_tells_nobody() {
    let stage = Stage::new();
    stage.user("ada", json!({ "name": "Ada", "phone": "+4930123456" }));
    let (delivery, id) = stage.world.delivery(submitted());
    for channel in ALL {
        assert_eq!(stage.process(channel, &delivery), done(), "{channel}");
    }
    for (channel, step, why) in [
        ("push", "ada", "the user has no device for push messages"),
        ("whatsapp", "ada", "no rule sends this by whatsapp"),
        ("sms", "bob", "no rule sends this by sms"),
        ("email", "ada", "the user has no email address"),
    ] {
        assert_eq!(stage.step(channel, id, step), (StepState::Skipped, Some(why.into())), "{channel}");
    }
    assert_eq!(stage.step("email", id, "bob").0, StepState::Done);

    stage.app(json!({ "name": "Expenses", "owners": [] }));
    let (verdict, _, id) = stage.deliver("email", submitted());
    assert_eq!(verdict, done());
    let why = "it concerns nobody whom a rule names".to_owned();
    assert_eq!(stage.step("email", id, "(nobody)"), (StepState::Skipped, Some(why)));
    let stage = Stage::playing(chain(r#"["email"]"#));
    let (_, _, id) = stage.deliver("email", submitted());
    let why = "no rule tells of this event".to_owned();
    assert_eq!(stage.step("email", id, "(nobody)"), (StepState::Skipped, Some(why)));
}

#[test]
fn nothing_is_sent_to_a_suppressed_address_whoevers_it_is_and_the_next_channel_takes_over() {
    let stage = Stage::playing(chain(r#"["sms", "email"]"#));
    stage.reachable("ada");
    let stopped = Suppression::new(SuppressionReason::Stopped, "2026-11-24", "twilio");
    stage.world.records.put(suppression_key(Channel::Sms, "+4930123456"), to_value(stopped).unwrap());
    let (delivery, id) = stage.world.delivery(assigned("ada"));
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.process("sms", &delivery), done());
    let why = "the address is suppressed: stopped".to_owned();
    assert_eq!(stage.step("sms", id, "ada"), (StepState::Skipped, Some(why)));
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
}

#[test]
fn who_has_stopped_by_whatsapp_is_written_to_in_no_spelling_of_their_number() {
    for (stopped, dialled) in [("+5215512345678", "+525512345678"), ("+553187654321", "+5531987654321")] {
        let stage = Stage::playing(chain(r#"["whatsapp", "sms"]"#));
        stage.user("ada", json!({ "name": "Ada", "phone": dialled }));
        let stop = Suppression::new(SuppressionReason::Stopped, "2026-11-24", "meta");
        stage.world.records.put(suppression_key(Channel::Whatsapp, stopped), to_value(stop).unwrap());
        let (delivery, id) = stage.world.delivery(assigned("ada"));
        assert_eq!(stage.process("whatsapp", &delivery), done());
        let why = "the address is suppressed: stopped".to_owned();
        assert_eq!(stage.step("whatsapp", id, "ada"), (StepState::Skipped, Some(why)));
        assert_eq!(stage.process("sms", &delivery), done());
        assert_eq!(stage.texts.recipients(), [dialled], "a text message goes by the number alone");
    }
}

#[test]
fn a_user_whose_quiet_hours_are_damaged_is_told_of_to_whom_can_mend_them() {
    let stage = Stage::playing(chain(r#"["sms", "email"]"#));
    let hours = json!({ "from": "late", "to": "early" });
    stage.user(
        "ada",
        json!({ "name": "Ada", "phone": "+4930123456", "email": "ada@example.org", "quiet_hours": hours }),
    );
    let (delivery, _) = stage.world.delivery(assigned("ada"));
    let verdict = stage.process("sms", &delivery);
    assert_eq!(reason(verdict), "record-damaged");
}

#[test]
fn whoever_is_meant_by_two_rules_is_told_by_the_first() {
    let rules = r#"{ "events": { "submission.created": [
        { "to": "author", "template": "submission-created", "channels": [["sms"]] },
        { "to": "app_owners", "template": "submission-created", "channels": [["email"]] }
    ] } }"#;
    let routing = Routing::parse(rules, &Templates::standard().unwrap()).unwrap();
    let stage = Stage::playing(Play { routing, ..Play::default() });
    stage.app(json!({ "name": "Expenses", "owners": ["eve", "bob"] }));
    stage.reachable("eve");
    let (delivery, id) = stage.world.delivery(submitted());
    for channel in ["sms", "email"] {
        assert_eq!(stage.process(channel, &delivery), done());
    }
    assert_eq!((stage.texts.recipients().len(), stage.mails.recipients()), (1, vec!["bob@example.org".into()]));
    assert_eq!(stage.step("email", id, "eve").1.as_deref(), Some("no rule sends this by email"));
}

#[test]
fn an_address_in_the_event_is_written_to_and_never_stands_in_the_ledger() {
    let rules = r#"{ "events": { "submission.created": [{
        "to": { "address": "/submission/fields/Email", "channel": "email" }, "template": "submission-created"
    }] } }"#;
    let stage = |email: serde_json::Value| {
        let routing = Routing::parse(rules, &Templates::standard().unwrap()).unwrap();
        let stage = Stage::playing(Play { routing, ..Play::default() });
        stage.submission(json!({ "Email": email }));
        stage
    };
    let good = stage(json!(" guest@example.org "));
    let (verdict, delivery, id) = good.deliver("email", submitted());
    assert_eq!(verdict, done());
    assert_eq!(good.mails.recipients(), ["guest@example.org"]);
    let steps = good.ledger("email", id).steps;
    let (step, _) = steps.first_key_value().unwrap();
    assert!(steps.len() == 1 && step.starts_with("address-") && !step.contains("guest"), "{step}");
    // Nothing of an address goes in, not even a hash, by which a number could be found by trying: the step is that of the place.
    let other = stage(json!("else@example.org"));
    let (_, _, other_id) = other.deliver("email", submitted());
    assert_eq!(other.ledger("email", other_id).steps.keys().collect::<Vec<_>>(), [step]);
    assert_eq!(good.process("sms", &delivery), done());
    assert_eq!(good.mails.sent.lock().unwrap()[0].list_unsubscribe, None, "there is no user to unsubscribe");
    for (given, why) in [
        (json!("guest@example.org\r\nBcc: eve@example.org"), "the address at /submission/fields/Email is not valid"),
        (json!(7), "the event has no address at /submission/fields/Email"),
        (json!(""), "the event has no address at /submission/fields/Email"),
    ] {
        let stage = stage(given.clone());
        let (verdict, _, id) = stage.deliver("email", submitted());
        assert_eq!(verdict, done(), "{given}");
        assert_eq!(stage.step("email", id, step), (StepState::Skipped, Some(why.into())), "{given}");
        assert_eq!(stage.mails.recipients(), [""; 0]);
    }
}

#[test]
fn an_address_that_stands_at_two_places_is_written_to_once() {
    let rule = |field: &str| {
        json!({
            "to": { "address": format!("/submission/fields/{field}"), "channel": "email" },
            "template": "submission-created",
        })
    };
    let rules = json!({ "events": { "submission.created": [rule("Email"), rule("Billing")] } }).to_string();
    for (billing, sent) in [("Guest@example.org", 1), ("billing@example.org", 2)] {
        let routing = Routing::parse(&rules, &Templates::standard().unwrap()).unwrap();
        let stage = Stage::playing(Play { routing, ..Play::default() });
        stage.submission(json!({ "Email": "guest@example.org", "Billing": billing }));
        let (verdict, _, id) = stage.deliver("email", submitted());
        assert_eq!(verdict, done(), "{billing}");
        assert_eq!((stage.mails.recipients().len(), stage.ledger("email", id).steps.len()), (sent, 2), "{billing}");
    }
}

#[test]
fn a_place_that_several_rules_name_is_written_to_once_on_each_of_their_channels() {
    let rule = |channel: &str| json!({ "to": { "address": "/submission/fields/Phone", "channel": channel }, "template": "submission-created" });
    let rules = json!({ "events": { "submission.created": [rule("sms"), rule("whatsapp"), rule("sms")] } });
    let routing = Routing::parse(&rules.to_string(), &Templates::standard().unwrap()).unwrap();
    let stage = Stage::playing(Play { routing, ..Play::default() });
    stage.submission(json!({ "Phone": "+4930123456" }));
    let (delivery, id) = stage.world.delivery(submitted());
    for channel in ["sms", "whatsapp"] {
        assert_eq!(stage.process(channel, &delivery), done(), "{channel}");
        assert_eq!(stage.ledger(channel, id).steps.len(), 2, "{channel}: one each for its own and the other channel");
    }
    assert_eq!((stage.texts.recipients().len(), stage.whatsapps.recipients().len()), (1, 1));
}

#[test]
fn an_opt_out_does_not_hide_that_a_message_may_have_gone_out_before() {
    let stage = Stage::playing(chain(r#"["sms"]"#));
    stage.reachable("ada");
    let lost = SendOutcome::Unknown { provider: None, reason: "connection lost".into() };
    stage.texts.answer("+4930123456", lost);
    let (verdict, delivery, id) = stage.deliver("sms", assigned("ada"));
    assert!(matches!(verdict, crate::Verdict::Snooze { .. }), "{verdict:?}");
    stage.user("ada", json!({ "name": "Ada", "phone": "+4930123456", "channels": { "sms": false } }));
    stage.forward(60);
    assert!(matches!(stage.process("sms", &delivery), crate::Verdict::Snooze { .. }));
    assert_eq!(stage.step("sms", id, "ada").0, StepState::InDoubt);
    stage.forward(1800);
    assert_eq!(reason(stage.process("sms", &delivery)), "outcome-unknown");
    assert_eq!(stage.texts.recipients().len(), 1);
}
