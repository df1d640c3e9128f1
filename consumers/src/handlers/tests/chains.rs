//! A chain of channels that find each other's work in the ledger.

use sendoff_events::EventId;
use serde_json::json;

use super::{Play, Stage, assigned, chain, done, put_off, reason, submitted};
use crate::{Delivery, DeliveryStatus, Found, NotSent, REPLAY_ATTRIBUTE, SendOutcome, Status, StepState, Verdict};

const CHAIN: &str = r#"["whatsapp", "sms", "email"]"#;
const PHONE: &str = "+4930123456";

fn refused() -> SendOutcome {
    SendOutcome::NotSent(NotSent::Permanent { reason: "no such number".into() })
}

fn lost() -> SendOutcome {
    SendOutcome::Unknown { provider: Some("fake".into()), reason: "connection lost".into() }
}

/// Ada, who can be reached on every channel, is given an app; nothing is delivered yet.
fn stage() -> (Stage, Delivery, EventId) {
    let stage = Stage::playing(chain(CHAIN));
    stage.reachable("ada");
    let (delivery, id) = stage.world.delivery(assigned("ada"));
    (stage, delivery, id)
}

/// A submission, of which the owners are told by SMS or else by mail: Ada, who can be reached on every channel, and Bob.
fn owners() -> (Stage, Delivery, EventId) {
    let rules = r#"{ "events": { "submission.created": [
        { "to": "app_owners", "template": "submission-created", "channels": [["sms", "email"]] }
    ] } }"#;
    let templates = crate::templates::Templates::standard().unwrap();
    let routing = crate::routing::Routing::parse(rules, &templates).unwrap();
    let stage = Stage::playing(Play { routing, ..Play::default() });
    stage.reachable("ada");
    let (delivery, id) = stage.world.delivery(submitted());
    (stage, delivery, id)
}

/// How many messages went by WhatsApp, SMS and email.
fn sent(stage: &Stage) -> [usize; 3] {
    [stage.whatsapps.recipients().len(), stage.texts.recipients().len(), stage.mails.recipients().len()]
}

#[test]
fn later_channels_wait_for_the_first_and_leave_it_out_once_it_has_arrived() {
    let (stage, delivery, id) = stage();
    for later in ["sms", "email"] {
        assert_eq!(put_off(&stage.process(later, &delivery)), 2, "{later}");
    }
    assert_eq!(stage.process("whatsapp", &delivery), done());
    stage.tell("whatsapp", id, "ada", DeliveryStatus::Delivered);
    stage.forward(2);
    for later in ["sms", "email"] {
        assert_eq!(stage.process(later, &delivery), done(), "{later}");
        assert_eq!(stage.step(later, id, "ada"), (StepState::Skipped, Some("told by whatsapp".into())));
    }
    assert_eq!(sent(&stage), [1, 0, 0]);
}

#[test]
fn a_later_channel_takes_over_from_one_that_was_refused_or_left_out() {
    let (stage, delivery, id) = stage();
    stage.whatsapps.answer(PHONE, refused());
    assert_eq!(reason(stage.process("whatsapp", &delivery)), "refused-by-provider");
    assert_eq!(put_off(&stage.process("email", &delivery)), 2, "the text message comes before it");
    assert_eq!(stage.process("sms", &delivery), done());
    assert_eq!(stage.step("sms", id, "ada").0, StepState::Done);
    stage.forward(61);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.step("email", id, "ada"), (StepState::Skipped, Some("told by sms".into())));
    assert_eq!(sent(&stage), [1, 1, 0]);
}

#[test]
fn a_later_channel_takes_over_when_its_provider_says_that_the_message_did_not_arrive() {
    let (stage, delivery, id) = stage();
    assert_eq!(stage.process("whatsapp", &delivery), done());
    // Accepted, and then refused by a callback, as Twilio does outside of WhatsApp's 24 hours.
    assert_eq!(put_off(&stage.process("sms", &delivery)), 60, "there may be bad news");
    stage.forward(30);
    assert_eq!(put_off(&stage.process("sms", &delivery)), 30);
    stage.tell("whatsapp", id, "ada", DeliveryStatus::Undelivered);
    assert_eq!(stage.process("sms", &delivery), done());
    assert_eq!(sent(&stage), [1, 1, 0]);
}

#[test]
fn without_news_the_message_that_a_provider_took_counts_after_the_grace() {
    let (stage, delivery, id) = stage();
    assert_eq!(stage.process("whatsapp", &delivery), done());
    stage.tell("whatsapp", id, "ada", DeliveryStatus::Sent);
    stage.forward(59);
    assert_eq!(put_off(&stage.process("email", &delivery)), 1, "on its way is not there");
    stage.forward(1);
    for later in ["sms", "email"] {
        assert_eq!(stage.process(later, &delivery), done(), "{later}");
    }
    assert_eq!(sent(&stage), [1, 0, 0]);
}

#[test]
fn no_channel_ever_takes_over_from_an_unknown_outcome() {
    let (stage, delivery, id) = stage();
    stage.whatsapps.answer(PHONE, lost());
    assert!(matches!(stage.process("whatsapp", &delivery), Verdict::Snooze { .. }));
    assert_eq!(stage.ledger("whatsapp", id).status, Status::InDoubt);
    for (forward, look) in [(0, 2), (600, 300), (1000, 200)] {
        stage.forward(forward);
        assert_eq!(put_off(&stage.process("sms", &delivery)), look, "until it is known, or given up");
    }
    stage.forward(200);
    assert_eq!(reason(stage.process("whatsapp", &delivery)), "outcome-unknown");
    for later in ["sms", "email"] {
        assert_eq!(stage.process(later, &delivery), done(), "{later}");
        let why = "whatsapp may have told them; a person decides there".to_owned();
        assert_eq!(stage.step(later, id, "ada"), (StepState::Skipped, Some(why)));
    }
    assert_eq!(sent(&stage), [1, 0, 0]);
}

#[test]
fn a_doubt_that_turns_out_to_be_a_failure_hands_over_and_one_that_is_a_success_does_not() {
    for (found, expected) in [
        (Found::Failed { reason: "undelivered".into() }, [1, 1, 0]),
        (Found::Sent { provider: None, provider_id: None }, [1, 0, 0]),
        // It is sent after all, and not a second time by another channel.
        (Found::NotSent { reason: "it isn't listed".into() }, [2, 0, 0]),
    ] {
        let (stage, delivery, _) = stage();
        stage.whatsapps.answer(PHONE, lost());
        assert!(matches!(stage.process("whatsapp", &delivery), Verdict::Snooze { .. }));
        *stage.whatsapps.finds.lock().unwrap() = Some(found.clone());
        stage.forward(60);
        let _ = stage.process("whatsapp", &delivery);
        stage.forward(61);
        assert_eq!(stage.process("sms", &delivery), done(), "{found:?}");
        stage.forward(61);
        assert_eq!(stage.process("email", &delivery), done(), "{found:?}");
        assert_eq!(sent(&stage), expected, "{found:?}");
    }
}

#[test]
fn a_callback_settles_a_doubt_before_the_provider_is_asked() {
    let (stage, delivery, id) = stage();
    stage.whatsapps.answer(PHONE, lost());
    let _ = stage.process("whatsapp", &delivery);
    *stage.whatsapps.finds.lock().unwrap() = Some(Found::NotSent { reason: "not listed yet".into() });
    stage.tell("whatsapp", id, "ada", DeliveryStatus::Delivered);
    stage.forward(60);
    assert_eq!(stage.process("whatsapp", &delivery), done());
    assert_eq!(stage.step("whatsapp", id, "ada").0, StepState::Done);
    assert_eq!(sent(&stage), [1, 0, 0]);
}

#[test]
fn a_channel_of_which_nothing_is_heard_for_a_day_is_told_and_not_passed_over() {
    let (stage, delivery, _) = stage();
    assert_eq!(put_off(&stage.process("sms", &delivery)), 2);
    stage.forward(3600);
    assert_eq!(put_off(&stage.process("sms", &delivery)), 900, "a look now and then");
    stage.forward(23 * 3600);
    assert_eq!(reason(stage.process("sms", &delivery)), "no-news-of-earlier-channel");
    assert_eq!(sent(&stage), [0, 0, 0]);
}

#[test]
fn channels_that_are_off_or_cannot_reach_the_user_are_not_waited_for() {
    let on = [super::Channel::Email].into();
    let stage = Stage::playing(Play { on, ..chain(CHAIN) });
    stage.reachable("ada");
    let (verdict, delivery, id) = stage.deliver("email", assigned("ada"));
    assert_eq!(verdict, done());
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
    assert_eq!(stage.process("sms", &delivery), done());
    assert_eq!(stage.step("sms", id, "ada"), (StepState::Skipped, Some("the channel is off here".into())));

    let stage = Stage::playing(chain(CHAIN));
    stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org", "phone": "030 1234" }));
    assert_eq!(stage.deliver("email", assigned("ada")).0, done());
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
}

#[test]
fn channels_of_different_chains_both_tell() {
    let stage = Stage::playing(chain(r#"["push"], ["sms", "email"]"#));
    stage.reachable("ada");
    let (delivery, _) = stage.world.delivery(assigned("ada"));
    for channel in ["push", "sms"] {
        assert_eq!(stage.process(channel, &delivery), done(), "{channel}");
    }
    assert_eq!((stage.pushes.recipients().len(), sent(&stage)), (1, [0, 1, 0]));
}

#[test]
fn a_replayed_channel_does_not_tell_whom_a_later_one_has_told_meanwhile() {
    let (stage, mut delivery, id) = stage();
    stage.whatsapps.answer(PHONE, refused());
    assert_eq!(reason(stage.process("whatsapp", &delivery)), "refused-by-provider");
    assert_eq!(stage.process("sms", &delivery), done());
    delivery.attributes.insert(REPLAY_ATTRIBUTE.into(), "1".into());
    assert_eq!(stage.process("whatsapp", &delivery), done());
    assert_eq!(stage.step("whatsapp", id, "ada"), (StepState::Skipped, Some("told by sms".into())));
    assert_eq!(sent(&stage), [1, 1, 0]);
}

#[test]
fn each_recipient_goes_through_the_chain_on_their_own() {
    let (stage, delivery, id) = owners();
    // Bob has no phone: his mail goes at once, and the message comes back for Ada's.
    assert_eq!(put_off(&stage.process("email", &delivery)), 2);
    assert_eq!(stage.mails.recipients(), ["bob@example.org"]);
    stage.texts.answer(PHONE, refused());
    assert_eq!(reason(stage.process("sms", &delivery)), "refused-by-provider");
    stage.forward(2);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.mails.recipients(), ["bob@example.org", "ada@example.org"]);
    assert_eq!(stage.step("email", id, "ada").0, StepState::Done);
}

#[test]
fn who_cannot_be_reached_does_not_end_the_wait_of_another() {
    let (stage, delivery, id) = owners();
    let mail = || {
        let full = SendOutcome::NotSent(NotSent::Transient { reason: "452 4.2.2 mailbox full".into() });
        stage.mails.answer("bob@example.org", full);
        stage.process("email", &delivery)
    };
    // More often than any mail is tried.
    for _ in 0..60 {
        match mail() {
            Verdict::Retry { after } | Verdict::Snooze { after, .. } => stage.forward(after.as_secs().max(1)),
            other => panic!("{other:?}"),
        }
    }
    stage.texts.answer(PHONE, refused());
    assert_eq!(reason(stage.process("sms", &delivery)), "refused-by-provider");
    let mut last = mail();
    while let Verdict::Retry { after } | Verdict::Snooze { after, .. } = last {
        stage.forward(after.as_secs().max(1));
        last = mail();
    }
    assert_eq!(stage.step("email", id, "ada").0, StepState::Done, "her mail took over");
    assert_eq!(reason(last), "attempts-exhausted");
}

#[test]
fn quiet_hours_hold_a_chain_until_their_end_and_everything_is_looked_at_again_then() {
    let stage = Stage::playing(chain(CHAIN));
    let quiet = json!({
        "name": "Ada", "email": "ada@example.org", "phone": PHONE,
        "time_zone": "UTC", "quiet_hours": { "from": "11:00", "to": "14:00" },
    });
    stage.user("ada", quiet);
    let (delivery, id) = stage.world.delivery(assigned("ada"));
    for channel in ["whatsapp", "sms", "email"] {
        assert_eq!(put_off(&stage.process(channel, &delivery)), 7200, "{channel}");
    }
    stage.forward(7200);
    let off = json!({ "whatsapp": false, "sms": false });
    stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org", "phone": PHONE, "channels": off }));
    for channel in ["whatsapp", "sms", "email"] {
        assert_eq!(stage.process(channel, &delivery), done(), "{channel}");
    }
    assert_eq!(stage.step("sms", id, "ada").1.as_deref(), Some("the user has turned sms off"));
    assert_eq!(sent(&stage), [0, 0, 1]);
}
