//! A channel of a chain that can't be used any more, after it has begun or before.

use sendoff_events::{EventId, Timestamp};

use sendoff_producers::model::{Channel, Suppression, SuppressionReason, suppression_key};
use serde_json::{json, to_value};

use super::{Play, Stage, assigned, chain, done, put_off, reason};
use crate::{Delivery, DeliveryStatus, NotSent, SendOutcome, StepState, Verdict};

const PHONE: &str = "+4930123456";

/// Ada, who can be reached on both channels, is given an app; nothing is delivered yet.
fn stage() -> (Stage, Delivery, EventId) {
    let stage = Stage::playing(chain(r#"["sms", "email"]"#));
    stage.reachable("ada");
    let (delivery, id) = stage.world.delivery(assigned("ada"));
    (stage, delivery, id)
}

fn in_doubt(stage: &Stage, delivery: &Delivery) {
    stage.texts.answer(PHONE, SendOutcome::Unknown { provider: None, reason: "connection lost".into() });
    assert!(matches!(stage.process("sms", delivery), Verdict::Snooze { .. }));
}

fn turn_sms_off(stage: &Stage) {
    let off = json!({ "sms": false });
    stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org", "phone": PHONE, "channels": off }));
}

fn stop(stage: &Stage) {
    let stopped = Suppression::new(SuppressionReason::Stopped, Timestamp::UNIX_EPOCH, "twilio");
    stage.world.records.put(suppression_key(Channel::Sms, PHONE), to_value(stopped).unwrap());
}

fn left_out(stage: &Stage, id: EventId, why: &str) {
    assert_eq!(stage.step("email", id, "ada"), (StepState::Skipped, Some(why.to_owned())));
    assert_eq!((stage.texts.recipients().len(), stage.mails.recipients()), (1, vec![]));
}

const MAY_HAVE: &str = "sms may have told them; a person decides there";

#[test]
fn a_channel_in_doubt_that_the_user_turns_off_is_still_asked() {
    let (stage, delivery, id) = stage();
    in_doubt(&stage, &delivery);
    turn_sms_off(&stage);
    assert_eq!(put_off(&stage.process("email", &delivery)), 2);
    stage.forward(1800);
    assert_eq!(reason(stage.process("sms", &delivery)), "outcome-unknown");
    assert_eq!(stage.process("email", &delivery), done());
    left_out(&stage, id, MAY_HAVE);
}

#[test]
fn a_message_that_was_delivered_counts_after_its_recipient_has_said_stop() {
    let (stage, delivery, id) = stage();
    assert_eq!(stage.process("sms", &delivery), done());
    stage.tell("sms", id, "ada", DeliveryStatus::Delivered);
    stop(&stage);
    assert_eq!(stage.process("email", &delivery), done());
    left_out(&stage, id, "told by sms");
}

#[test]
fn a_message_that_was_sent_has_its_grace_after_its_recipient_has_said_stop() {
    let (stage, delivery, id) = stage();
    assert_eq!(stage.process("sms", &delivery), done());
    stop(&stage);
    assert_eq!(put_off(&stage.process("email", &delivery)), 60);
    stage.tell("sms", id, "ada", DeliveryStatus::Undelivered);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
}

#[test]
fn a_channel_that_is_switched_off_leaves_its_doubts_behind() {
    let (before, delivery, id) = stage();
    in_doubt(&before, &delivery);
    let after = Stage::playing(Play { on: [Channel::Email].into(), ..chain(r#"["sms", "email"]"#) });
    after.reachable("ada");
    *after.world.inbox.0.lock().unwrap() = before.world.inbox.0.lock().unwrap().clone();
    assert_eq!(put_off(&after.process("email", &delivery)), 2);
    after.forward(1800);
    assert_eq!(after.process("email", &delivery), done());
    assert_eq!(after.step("email", id, "ada"), (StepState::Skipped, Some(MAY_HAVE.into())));
    assert_eq!(after.mails.recipients(), [""; 0]);
}

#[test]
fn a_channel_that_never_began_is_passed_over_at_once_when_it_can_not_be_used() {
    let (stage, delivery, _) = stage();
    turn_sms_off(&stage);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
}

#[test]
fn a_channel_that_has_sent_nothing_yet_is_passed_over_once_it_can_not_be_used() {
    let (stage, delivery, _) = stage();
    let busy = SendOutcome::NotSent(NotSent::Throttled { after: None, reason: "busy".into() });
    stage.texts.answer(PHONE, busy);
    assert!(matches!(stage.process("sms", &delivery), Verdict::Snooze { .. }));
    assert_eq!(put_off(&stage.process("email", &delivery)), 2);
    turn_sms_off(&stage);
    assert_eq!(stage.process("email", &delivery), done());
    stage.forward(60);
    assert_eq!(stage.process("sms", &delivery), done());
    assert_eq!((stage.texts.recipients().len(), stage.mails.recipients()), (1, vec!["ada@example.org".into()]));
}
