//! Addresses that turn out to be gone.

use std::sync::atomic::Ordering;

use sendoff_producers::model::{Channel, Suppression, SuppressionReason, suppression_key};

use super::{Stage, assigned, chain, done, reason};
use crate::{NotSent, SendOutcome, StepState};

fn gone() -> SendOutcome {
    SendOutcome::NotSent(NotSent::Gone { reason: "21610 unsubscribed".into() })
}

fn suppression(stage: &Stage, channel: Channel, address: &str) -> Option<Suppression> {
    let record = stage.world.records.records.lock().unwrap().get(&suppression_key(channel, address)).cloned();
    record.map(|record| serde_json::from_value(record.data).unwrap())
}

#[test]
fn an_address_that_is_gone_is_suppressed_for_everybody_and_the_message_is_dead_lettered() {
    let stage = Stage::playing(chain(r#"["sms", "email"]"#));
    stage.reachable("ada");
    stage.texts.answer("+4930123456", gone());
    let (verdict, delivery, _) = stage.deliver("sms", assigned("ada"));
    assert_eq!(reason(verdict), "refused-by-provider");
    let found = suppression(&stage, Channel::Sms, "+4930123456").unwrap();
    assert_eq!((found.reason, found.source.as_str()), (SuppressionReason::Stopped, "fake"));
    assert_eq!(found.at, "2026-11-24T12:00:00Z");
    assert_eq!(suppression(&stage, Channel::Whatsapp, "+4930123456"), None);
    assert_eq!(stage.process("email", &delivery), done());
    // The next message doesn't try it again.
    stage.reachable("bob");
    let (verdict, _, id) = stage.deliver("sms", assigned("bob"));
    assert_eq!(verdict, done());
    assert_eq!(stage.step("sms", id, "bob").0, StepState::Skipped);
    assert_eq!(stage.texts.recipients().len(), 1);
}

#[test]
fn an_address_whose_owner_wanted_messages_again_and_that_is_gone_all_the_same_is_suppressed_anew() {
    let stage = Stage::playing(chain(r#"["sms"]"#));
    stage.reachable("ada");
    let seen = vec!["SM1".to_owned()];
    let early = Suppression::new(SuppressionReason::Stopped, "2026-11-01T00:00:00Z", "twilio");
    let lifted = Suppression { lifted: true, seen: seen.clone(), ..early };
    let key = suppression_key(Channel::Sms, "+4930123456");
    stage.world.records.put(key, serde_json::to_value(lifted).unwrap());
    stage.texts.answer("+4930123456", gone());
    assert_eq!(reason(stage.deliver("sms", assigned("ada")).0), "refused-by-provider", "a lifted one keeps nobody");
    let found = suppression(&stage, Channel::Sms, "+4930123456").unwrap();
    assert_eq!((found.holds(), found.source.as_str(), found.seen), (true, "fake", seen));
    assert_eq!(found.at, "2026-11-24T12:00:00Z");
}

#[test]
fn a_mailbox_that_is_gone_is_suppressed_as_bounced() {
    let stage = Stage::playing(chain(r#"["email"]"#));
    stage.mails.answer("ada@example.org", gone());
    assert_eq!(reason(stage.deliver("email", assigned("ada")).0), "refused-by-provider");
    assert_eq!(suppression(&stage, Channel::Email, "ada@example.org").unwrap().reason, SuppressionReason::Bounced);
}

#[test]
fn failing_to_tidy_up_changes_nothing_for_the_message() {
    let stage = Stage::playing(chain(r#"["sms"]"#));
    stage.reachable("ada");
    stage.texts.answer("+4930123456", gone());
    stage.world.records.read_only.store(true, Ordering::Relaxed);
    assert_eq!(reason(stage.deliver("sms", assigned("ada")).0), "refused-by-provider");
    assert_eq!(suppression(&stage, Channel::Sms, "+4930123456"), None);
}
