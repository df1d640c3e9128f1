//! News of an earlier attempt at a message that was sent once more.

use futures::executor::block_on;
use sendoff_events::{Clock as _, EventId};
use sendoff_producers::model::Channel;

use super::{Stage, assigned, chain, done, put_off};
use crate::{
    Delivery, DeliveryStatus, IdempotencyKey, NotSent, Resolution, Resolved, SendOutcome, StepState, Verdict, resolve,
};

const PHONE: &str = "+4930123456";

/// A text message to Ada, before her mail, whose first sending left a doubt.
fn doubted() -> (Stage, Delivery, EventId) {
    let stage = Stage::playing(chain(r#"["sms", "email"]"#));
    stage.reachable("ada");
    let (delivery, id) = stage.world.delivery(assigned("ada"));
    stage.texts.answer(PHONE, lost());
    assert!(matches!(stage.process("sms", &delivery), Verdict::Snooze { .. }));
    (stage, delivery, id)
}

fn lost() -> SendOutcome {
    SendOutcome::Unknown { provider: Some("fake".into()), reason: "connection lost".into() }
}

fn send_again(stage: &Stage, id: EventId) {
    let (key, now) = (IdempotencyKey::new("sms", id), stage.world.clock.now());
    let (inbox, rng) = (&*stage.world.inbox, &*stage.world.rng);
    let settled = resolve(inbox, &key, "ada", &Resolution::SendAgain, "Eve: again", now, rng);
    assert_eq!(block_on(settled), Ok(Resolved::Now));
}

#[test]
fn the_failure_of_the_first_message_hands_nothing_over_once_it_was_sent_again() {
    let (stage, delivery, id) = doubted();
    send_again(&stage, id);
    let taken = SendOutcome::Sent { provider: Some("fake".into()), provider_id: Some("B".into()) };
    stage.texts.answer(PHONE, taken);
    assert_eq!(stage.process("sms", &delivery), done());
    stage.tell_of(Some("A"), "sms", id, "ada", DeliveryStatus::Undelivered);
    assert_eq!(put_off(&stage.process("email", &delivery)), 60, "there may be news of the second one");
    stage.tell_of(Some("B"), "sms", id, "ada", DeliveryStatus::Undelivered);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
}

#[test]
fn the_failure_of_the_first_message_is_not_that_of_the_second_which_is_in_doubt() {
    let (stage, delivery, id) = doubted();
    send_again(&stage, id);
    stage.texts.answer(PHONE, lost());
    assert!(matches!(stage.process("sms", &delivery), Verdict::Snooze { .. }));
    stage.tell_of(Some("A"), "sms", id, "ada", DeliveryStatus::Undelivered);
    stage.forward(60);
    assert!(matches!(stage.process("sms", &delivery), Verdict::Snooze { .. }));
    assert_eq!(stage.step("sms", id, "ada").0, StepState::InDoubt);
    stage.tell_of(Some("B"), "sms", id, "ada", DeliveryStatus::Sent);
    assert_eq!(stage.process("sms", &delivery), done());
    assert_eq!(stage.ledger("sms", id).steps["ada"].provider_id.as_deref(), Some("B"));
}

#[test]
fn a_failure_that_is_told_while_it_is_in_doubt_is_taken_over_within_seconds() {
    let (stage, delivery, id) = doubted();
    assert_eq!(put_off(&stage.process("email", &delivery)), 2, "its provider may say at any moment");
    stage.forward(1);
    stage.tell("sms", id, "ada", DeliveryStatus::Undelivered);
    assert!(matches!(stage.process("sms", &delivery), Verdict::DeadLetter(_)));
    stage.forward(1);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
}

#[test]
fn bad_news_of_an_earlier_attempt_say_nothing_of_the_message_that_was_replayed() {
    for (seconds_since, counts) in [(30, true), (3600, false)] {
        let stage = Stage::playing(chain(r#"["sms", "email"]"#));
        stage.reachable("ada");
        let (delivery, id) = stage.world.delivery(assigned("ada"));
        let gone = SendOutcome::NotSent(NotSent::Transient { reason: "busy".into() });
        stage.texts.answer(PHONE, gone);
        let _ = stage.process("sms", &delivery);
        stage.tell(Channel::Sms.name(), id, "ada", DeliveryStatus::Undelivered);
        stage.forward(seconds_since);
        assert_eq!(stage.process("sms", &delivery), done());
        assert_eq!(stage.step("sms", id, "ada").0, StepState::Done);
        if counts {
            // Clocks differ, and news may be faster than the answer that they are about.
            assert_eq!(stage.process("email", &delivery), done());
            assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
        } else {
            assert_eq!(put_off(&stage.process("email", &delivery)), 60, "there may be news of this attempt");
            stage.forward(60);
            assert_eq!(stage.process("email", &delivery), done());
            assert_eq!(stage.step("email", id, "ada").1.as_deref(), Some("told by sms"));
        }
    }
}
