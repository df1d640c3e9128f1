//! What news do, whoever brings them: told as Twilio tells them.

use std::{sync::atomic::Ordering, time::Duration};

use axum::http::StatusCode;

use super::{
    DELIVERY, Stage,
    twilio::{tell, tell_of},
};
use crate::{Attempt, Class, DeliveryId, DeliveryStatus, Status, StepState};

#[test]
fn news_may_come_late_twice_and_out_of_order() {
    for (told, known) in [
        (&["delivered", "sent", "delivered"][..], DeliveryStatus::Delivered),
        (&["sent", "queued", "sent"], DeliveryStatus::Sent),
        (&["read", "delivered", "queued"], DeliveryStatus::Read),
        (&["undelivered", "delivered", "undelivered"], DeliveryStatus::Delivered),
        (&["delivered", "undelivered"], DeliveryStatus::Delivered),
    ] {
        let stage = Stage::new();
        let id = stage.job(DELIVERY, Status::Done, StepState::Done);
        for word in told {
            assert_eq!(tell(&stage, word), StatusCode::NO_CONTENT);
        }
        assert_eq!(stage.known(&id).unwrap().status, known, "{told:?}");
    }
}

#[test]
fn a_callback_that_is_replayed_changes_nothing() {
    let stage = Stage::new();
    stage.doubt();
    for word in ["queued", "sent", "delivered"] {
        tell(&stage, word);
    }
    let once = stage.everything();
    stage.world.clock.forward(Duration::from_secs(3600));
    for word in ["delivered", "sent", "queued", "undelivered"] {
        assert_eq!(tell(&stage, word), StatusCode::NO_CONTENT);
    }
    assert_eq!(stage.everything(), once);
}

#[test]
fn old_news_settle_a_doubt_by_what_is_known_now() {
    let stage = Stage::new();
    let id = stage.job(DELIVERY, Status::Done, StepState::Done);
    tell(&stage, "delivered");
    stage.doubt();
    assert_eq!(tell(&stage, "failed"), StatusCode::NO_CONTENT);
    assert_eq!(stage.step(&id).state, StepState::Done, "it was delivered, whatever came before");
}

#[test]
fn news_of_a_message_that_is_not_known_change_nothing() {
    let stage = Stage::new();
    assert_eq!(tell(&stage, "delivered"), StatusCode::NO_CONTENT, "no such job");
    stage.job(&DELIVERY.replace("ada", "bob"), Status::Done, StepState::Done);
    let before = stage.everything();
    assert_eq!(tell(&stage, "delivered"), StatusCode::NO_CONTENT, "no such step");
    assert_eq!(stage.everything(), before);
}

#[test]
fn while_an_attempt_runs_news_are_kept_for_it_and_whoever_brings_them_comes_again() {
    for (status, state) in [
        (Status::Claimed, StepState::Sending),
        (Status::Claimed, StepState::InDoubt),
        (Status::InDoubt, StepState::InDoubt),
    ] {
        let stage = Stage::new();
        let id = stage.job(DELIVERY, status, state);
        let until = stage.now() + Duration::from_secs(40);
        stage.world.inbox.0.lock().unwrap().get_mut(&id.key).unwrap().lease_until = until;
        let before = stage.record(&id);
        assert_eq!(tell(&stage, "sent"), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(stage.record(&id), before);
        assert_eq!(stage.known(&id).unwrap().status, DeliveryStatus::Sent);
        stage.world.clock.forward(Duration::from_secs(40));
        assert_eq!(tell(&stage, "sent"), StatusCode::NO_CONTENT);
        assert_eq!(stage.step(&id).state, StepState::Done, "told again once nobody runs");
    }
}

#[test]
fn a_message_that_was_taken_for_not_sent_and_was_is_not_sent_again() {
    let stage = Stage::new();
    let id = stage.job(DELIVERY, Status::Claimed, StepState::Pending);
    tell(&stage, "undelivered");
    assert_eq!(stage.step(&id).state, StepState::Pending, "a failure is no reason not to try again");
    tell(&stage, "sent");
    assert_eq!(stage.step(&id).state, StepState::Pending, "older than what is known");
    tell(&stage, "delivered");
    assert_eq!(stage.step(&id).state, StepState::Done);
}

/// An attempt that ends now.
fn remember(stage: &Stage, id: &DeliveryId, class: Class) {
    let word = || "word".to_owned();
    let attempt = Attempt { at: stage.now(), class, reason: word(), fingerprint: word(), error: word() };
    stage.world.inbox.0.lock().unwrap().get_mut(&id.key).unwrap().remember(attempt);
}

/// The message that Twilio has taken as SM2.
fn taken(stage: &Stage) -> DeliveryId {
    let id = stage.job(DELIVERY, Status::Done, StepState::Done);
    let mut inbox = stage.world.inbox.0.lock().unwrap();
    let step = inbox.get_mut(&id.key).unwrap().steps.get_mut(&id.step).unwrap();
    (step.provider, step.provider_id) = (Some("twilio".into()), Some("SM2".into()));
    drop(inbox);
    id
}

/// What is known of the message, and which of Twilio's it is.
fn known(stage: &Stage, id: &DeliveryId) -> (DeliveryStatus, String) {
    let record = stage.known(id).unwrap();
    (record.status, record.provider_id.unwrap())
}

#[test]
fn news_of_a_message_that_was_sent_anew_say_nothing_of_the_new_one() {
    let stage = Stage::new();
    let id = taken(&stage);
    assert_eq!(tell_of(&stage, "SM1", "undelivered"), StatusCode::NO_CONTENT);
    assert_eq!(stage.known(&id), None);
    tell_of(&stage, "SM2", "sent");
    tell_of(&stage, "SM1", "undelivered");
    assert_eq!(known(&stage, &id), (DeliveryStatus::Sent, "SM2".into()));
    tell_of(&stage, "SM2", "undelivered");
    tell_of(&stage, "SM1", "sent");
    assert_eq!(known(&stage, &id), (DeliveryStatus::Undelivered, "SM2".into()));
    tell_of(&stage, "SM1", "delivered");
    assert_eq!(known(&stage, &id), (DeliveryStatus::Delivered, "SM1".into()), "they have it, after all");
}

#[test]
fn what_was_given_up_before_the_message_was_begun_anew_is_put_aside() {
    for forward in [0, 3600] {
        let stage = Stage::new();
        stage.doubt();
        tell_of(&stage, "SM1", "undelivered");
        stage.world.clock.forward(Duration::from_secs(forward));
        let id = taken(&stage);
        tell_of(&stage, "SM2", "undelivered");
        assert_eq!(known(&stage, &id), (DeliveryStatus::Undelivered, "SM2".into()), "it is news of its own");
    }
}

#[test]
fn proof_of_a_new_message_outweighs_the_failure_of_the_one_before() {
    for forward in [1, 3600] {
        let stage = Stage::new();
        stage.doubt();
        tell_of(&stage, "SM1", "undelivered");
        stage.world.clock.forward(Duration::from_secs(forward));
        let id = stage.doubt();
        assert_eq!(tell_of(&stage, "SM2", "sent"), StatusCode::NO_CONTENT);
        let step = stage.step(&id);
        assert_eq!((step.state, step.provider_id.as_deref()), (StepState::Done, Some("SM2")));
        assert_eq!(known(&stage, &id), (DeliveryStatus::Sent, "SM2".into()));
    }
}

#[test]
fn the_failure_of_a_message_that_comes_again_does_not_settle_the_doubt_about_the_next_one() {
    let stage = Stage::new();
    stage.doubt();
    tell_of(&stage, "SM1", "undelivered");
    stage.world.clock.forward(Duration::from_secs(3600));
    let id = stage.doubt();
    assert_eq!(tell_of(&stage, "SM1", "undelivered"), StatusCode::NO_CONTENT);
    assert_eq!(stage.step(&id).state, StepState::InDoubt);
}

#[test]
fn after_an_earlier_doubt_nobody_knows_whose_failure_it_is() {
    let stage = Stage::new();
    let id = stage.doubt();
    remember(&stage, &id, Class::InDoubt);
    let ended = stage.record(&id).history;
    stage.world.clock.forward(Duration::from_secs(1));
    stage.doubt();
    stage.world.inbox.0.lock().unwrap().get_mut(&id.key).unwrap().history = ended;
    assert_eq!(tell(&stage, "undelivered"), StatusCode::NO_CONTENT);
    assert_eq!(stage.step(&id).state, StepState::InDoubt);
    assert_eq!(tell(&stage, "delivered"), StatusCode::NO_CONTENT);
    assert_eq!(stage.step(&id).state, StepState::Done);
}

#[test]
fn once_it_was_sent_again_nobody_knows_which_of_the_messages_failed() {
    let stage = Stage::new();
    let id = stage.doubt();
    remember(&stage, &id, Class::Resolved);
    assert_eq!(tell(&stage, "failed"), StatusCode::NO_CONTENT);
    assert_eq!(stage.step(&id).state, StepState::InDoubt);
    assert_eq!(tell(&stage, "delivered"), StatusCode::NO_CONTENT);
    assert_eq!(stage.step(&id).state, StepState::Done);
}

#[test]
fn while_a_store_is_down_twilio_is_asked_to_come_again_and_then_nothing_is_lost() {
    let stage = Stage::new();
    let id = stage.doubt();
    stage.deliveries.down.store(true, Ordering::Relaxed);
    assert_eq!(tell(&stage, "delivered"), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stage.step(&id).state, StepState::InDoubt);
    stage.deliveries.down.store(false, Ordering::Relaxed);
    assert_eq!(tell(&stage, "delivered"), StatusCode::NO_CONTENT);
    assert_eq!(stage.step(&id).state, StepState::Done);
}

#[test]
fn a_doubt_that_could_not_be_settled_is_settled_when_the_same_news_come_again() {
    let stage = Stage::new();
    let id = stage.job(DELIVERY, Status::Done, StepState::Done);
    tell(&stage, "delivered");
    // As after a crash between the two writes.
    stage.doubt();
    tell(&stage, "delivered");
    assert_eq!(stage.step(&id).state, StepState::Done);
}
