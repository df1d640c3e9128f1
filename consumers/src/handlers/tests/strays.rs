//! Doubts about messages that nobody is meant by any more.

use sendoff_events::EventId;
use serde_json::{Value, json};

use super::{Stage, assigned, chain, done, reason, submitted};
use crate::{Delivery, DeliveryStatus, SendOutcome, Status, StepState, Verdict};

fn lost() -> SendOutcome {
    SendOutcome::Unknown { provider: None, reason: "connection lost".into() }
}

fn ada(stage: &Stage, devices: &[&str], channels: Value) {
    let ada = json!({ "name": "Ada", "email": "ada@example.org", "push_tokens": devices, "channels": channels });
    stage.user("ada", ada);
}

/// What Ada's phone was sent may have arrived.
fn stage() -> (Stage, Delivery, EventId, String) {
    let stage = Stage::playing(chain(r#"["push", "email"]"#));
    ada(&stage, &["phone"], json!({}));
    stage.pushes.answer("phone", lost());
    let (verdict, delivery, id) = stage.deliver("push", assigned("ada"));
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    let step = stage.ledger("push", id).steps.into_keys().next().unwrap();
    stage.forward(60);
    (stage, delivery, id, step)
}

#[test]
fn a_doubt_about_a_device_that_is_its_users_no_more_is_left_to_a_person_at_once() {
    for (devices, channels, sent) in [
        (&["tablet"][..], json!({}), &["phone", "tablet"][..]),
        (&[], json!({}), &["phone"]),
        (&["phone"], json!({ "push": false }), &["phone"]),
    ] {
        let (stage, delivery, id, step) = stage();
        ada(&stage, devices, channels);
        let Verdict::DeadLetter(failure) = stage.process("push", &delivery) else { panic!("{devices:?} goes on") };
        assert_eq!((failure.reason.as_str(), failure.attempts), ("outcome-unknown", 2), "{devices:?}");
        assert!(failure.error.contains("a person has to decide"), "{}", failure.error);
        let ledger = stage.ledger("push", id);
        assert_eq!((ledger.status, ledger.steps[&step].state), (Status::InDoubt, StepState::InDoubt));
        assert_eq!(stage.pushes.recipients(), sent);
        // The next channel leaves it out.
        stage.forward(60);
        assert_eq!(stage.process("email", &delivery), done());
        assert_eq!(stage.mails.recipients(), [""; 0]);
    }
}

#[test]
fn news_settle_a_doubt_that_nobody_is_meant_by_any_more() {
    let (stage, delivery, id, step) = stage();
    ada(&stage, &[], json!({}));
    stage.tell("push", id, &step, DeliveryStatus::Delivered);
    assert_eq!(stage.process("push", &delivery), done());
    assert_eq!(stage.step("push", id, &step).0, StepState::Done);
}

#[test]
fn whoever_is_still_to_be_told_is_told_before_the_job_ends_in_doubt() {
    let stage = Stage::new();
    stage.mails.answer("bob@example.org", lost());
    let (verdict, delivery, id) = stage.deliver("email", submitted());
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    // Bob owns the app no more, and Zoe does.
    stage.user("zoe", json!({ "name": "Zoe", "email": "zoe@example.org" }));
    stage.app(json!({ "name": "Expenses", "owners": ["ada", "zoe"] }));
    let busy = SendOutcome::NotSent(crate::NotSent::Transient { reason: "busy".into() });
    stage.mails.answer("zoe@example.org", busy);
    stage.forward(60);
    let verdict = stage.process("email", &delivery);
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    stage.forward(60);
    assert_eq!(reason(stage.process("email", &delivery)), "outcome-unknown");
    assert_eq!(stage.step("email", id, "zoe").0, StepState::Done);
    assert_eq!(stage.step("email", id, "bob").0, StepState::InDoubt);
    let bobs = stage.mails.recipients().iter().filter(|to| *to == "bob@example.org").count();
    assert_eq!(bobs, 1);
}
