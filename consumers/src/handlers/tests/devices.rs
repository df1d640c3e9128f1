//! Push messages: each device on its own.

use sendoff_producers::model::{User, user_key};
use serde_json::json;

use super::{Stage, assigned, chain, done};
use crate::{NotSent, SendOutcome, StepState, Verdict, handlers::doubles::tenant};

fn tokens(stage: &Stage) -> Vec<String> {
    let key = user_key(&tenant(), &"ada".parse().unwrap());
    let data = stage.world.records.records.lock().unwrap()[&key].data.clone();
    let user: User = serde_json::from_value(data).unwrap();
    user.push_tokens.into_iter().map(|token| token.expose().clone()).collect()
}

fn with_devices(devices: &[&str]) -> Stage {
    let stage = Stage::playing(chain(r#"["push", "email"]"#));
    stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org", "push_tokens": devices }));
    stage
}

fn gone() -> SendOutcome {
    SendOutcome::NotSent(NotSent::Gone { reason: "UNREGISTERED".into() })
}

#[test]
fn each_device_is_a_step_of_its_own_and_only_the_one_that_failed_is_tried_again() {
    let stage = with_devices(&["phone", "tablet", "phone"]);
    let busy = SendOutcome::NotSent(NotSent::Transient { reason: "internal".into() });
    stage.pushes.answer("tablet", busy);
    let (verdict, delivery, id) = stage.deliver("push", assigned("ada"));
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    stage.forward(60);
    assert_eq!(stage.process("push", &delivery), done());
    let mut sent = stage.pushes.recipients();
    sent.sort();
    assert_eq!(sent, ["phone", "tablet", "tablet"]);
    let steps = stage.ledger("push", id).steps;
    assert_eq!(steps.len(), 2);
    for (step, state) in &steps {
        assert!(step.starts_with("ada/") && !step.contains("phone") && state.state == StepState::Done, "{step}");
    }
}

#[test]
fn a_device_that_is_gone_is_struck_from_its_user_and_is_no_failure() {
    let stage = with_devices(&["phone", "tablet"]);
    stage.pushes.answer("phone", gone());
    let (verdict, delivery, _) = stage.deliver("push", assigned("ada"));
    assert_eq!(verdict, done());
    assert_eq!(tokens(&stage), ["tablet"]);
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.mails.recipients(), [""; 0], "the tablet has told her");
}

#[test]
fn when_all_devices_are_gone_the_next_channel_takes_over() {
    let stage = with_devices(&["phone"]);
    stage.pushes.answer("phone", gone());
    let (verdict, delivery, _) = stage.deliver("push", assigned("ada"));
    assert_eq!((verdict, tokens(&stage)), (done(), vec![]));
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
}

#[test]
fn a_device_that_is_refused_for_good_is_kept_and_seen() {
    let stage = with_devices(&["phone", "tablet"]);
    stage.pushes.answer("phone", SendOutcome::NotSent(NotSent::Permanent { reason: "SENDER_ID_MISMATCH".into() }));
    let (verdict, _, _) = stage.deliver("push", assigned("ada"));
    assert!(matches!(verdict, Verdict::DeadLetter(_)), "{verdict:?}");
    let mut sent = stage.pushes.recipients();
    sent.sort();
    assert_eq!((sent, tokens(&stage)), (vec!["phone".into(), "tablet".into()], vec!["phone".into(), "tablet".into()]));
}

#[test]
fn nobody_waits_for_news_of_a_notification() {
    let stage = with_devices(&["phone"]);
    let (verdict, delivery, id) = stage.deliver("push", assigned("ada"));
    assert_eq!(verdict, done());
    assert_eq!(stage.process("email", &delivery), done());
    assert_eq!(stage.step("email", id, "ada"), (StepState::Skipped, Some("told by push".into())));
}
