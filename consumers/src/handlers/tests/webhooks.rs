//! Calls of an app's webhooks.

use sendoff_events::{AppUnassigned, Envelope, Event, EventId, SubmissionCreated, SubmissionUpdated};
use sendoff_producers::model::webhook_key;
use serde_json::{Value, json};

use super::{Stage, assigned, done, reason, submitted};
use crate::{NotSent, SendOutcome, StepState, Verdict, handlers::doubles::tenant};

const A: &str = "https://a.example/hook";
const B: &str = "https://b.example/hook";

fn webhook(stage: &Stage, id: &str, data: Value) {
    stage.world.records.put(webhook_key(&tenant(), &"expenses".parse().unwrap(), id), data);
}

/// The app has two endpoints; `b` wants new submissions only.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.app(json!({ "name": "Expenses", "owners": [], "webhooks": ["a", "b"] }));
    webhook(
        &stage,
        "a",
        json!({ "url": A, "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "whsec_b2xkb2xkb2xkb2xkb2xkbw=="] }),
    );
    webhook(
        &stage,
        "b",
        json!({ "url": B, "events": ["submission.created"], "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZg=="] }),
    );
    stage
}

#[test]
fn an_endpoint_gets_the_event_as_it_was_published_signed_with_all_its_secrets() {
    let stage = stage();
    let (verdict, delivery, id) = stage.deliver("webhook", submitted());
    assert_eq!(verdict, done());
    let calls = stage.calls.sent.lock().unwrap();
    let [a, b] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((a.url.as_str(), b.url.as_str(), a.secrets.len(), b.secrets.len()), (A, B, 2, 1));
    assert_eq!(a.idempotency_key, format!("webhook/{id}/a"));
    assert_eq!(a.body, delivery.body, "byte for byte");
    let read: Value = serde_json::from_slice(&a.body).unwrap();
    assert_eq!((&read["specversion"], &read["type"]), (&json!("1.0"), &json!("submission.created.v2")));
}

#[test]
fn every_event_of_the_app_is_told_to_whom_wants_it() {
    fn calls<E: Event>(event: E) -> (Vec<String>, Stage, EventId) {
        let stage = stage();
        let (verdict, _, id) = stage.deliver("webhook", event);
        assert_eq!(verdict, done());
        (stage.calls.recipients(), stage, id)
    }
    let (app_id, user) = ("expenses".parse().unwrap(), "ada".parse::<sendoff_events::UserId>().unwrap());
    assert_eq!(calls(submitted()).0, [A, B]);
    let (to, stage, id) = calls(assigned("ada"));
    assert_eq!(to, [A]);
    let why = "the webhook doesn't want app.assigned".to_owned();
    assert_eq!(stage.step("webhook", id, "b"), (StepState::Skipped, Some(why)));
    assert_eq!(calls(AppUnassigned { app_id, user_id: user.clone(), unassigned_by: user.clone() }).0, [A]);
    let SubmissionCreated { app_id, submission_id, .. } = submitted();
    let changed_fields = vec!["Amount".into()];
    assert_eq!(calls(SubmissionUpdated { app_id, submission_id, editor_id: user, revision: 2, changed_fields }).0, [A]);
}

#[test]
fn an_endpoint_that_fails_is_called_again_and_the_others_are_not() {
    let stage = stage();
    stage.calls.answer(B, SendOutcome::NotSent(NotSent::Transient { reason: "status 503".into() }));
    let (verdict, delivery, _) = stage.deliver("webhook", submitted());
    let Verdict::Retry { after } = verdict else { panic!("{verdict:?}") };
    stage.forward(after.as_secs() + 1);
    assert_eq!(stage.process("webhook", &delivery), done());
    assert_eq!(stage.calls.recipients(), [A, B, B]);
    let calls = stage.calls.sent.lock().unwrap();
    assert_eq!((&calls[1].idempotency_key, &calls[1].body), (&calls[2].idempotency_key, &calls[2].body));
}

#[test]
fn an_endpoint_that_says_that_it_is_gone_is_disabled_and_called_no_more() {
    let stage = stage();
    stage.calls.answer(A, SendOutcome::NotSent(NotSent::Gone { reason: "status 410".into() }));
    assert_eq!(reason(stage.deliver("webhook", submitted()).0), "refused-by-provider");
    let (verdict, _, id) = stage.deliver("webhook", submitted());
    assert_eq!(verdict, done());
    let why = "the webhook is disabled: status 410".to_owned();
    assert_eq!(stage.step("webhook", id, "a"), (StepState::Skipped, Some(why)));
    assert_eq!(stage.calls.recipients(), [A, B, B]);
}

#[test]
fn an_old_address_that_says_that_it_is_gone_does_not_disable_the_new_one() {
    let stage = stage();
    let (key, records) = (webhook_key(&tenant(), &"expenses".parse().unwrap(), "a"), stage.world.records.clone());
    let moved = json!({ "url": "https://new.example/hook", "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZg=="] });
    let (at, is) = (key.clone(), moved.clone());
    *stage.calls.meanwhile.lock().unwrap() = Some(Box::new(move || records.put(at, is)));
    stage.calls.answer(A, SendOutcome::NotSent(NotSent::Gone { reason: "status 410".into() }));
    assert_eq!(reason(stage.deliver("webhook", submitted()).0), "refused-by-provider");
    assert_eq!(stage.calls.recipients(), [A, B]);
    assert_eq!(stage.world.records.records.lock().unwrap()[&key].data, moved, "it is as its owner wrote it");
}

#[test]
fn a_missing_endpoint_and_an_app_without_any_are_on_record() {
    let stage = stage();
    stage.app(json!({ "name": "Expenses", "webhooks": ["gone"] }));
    let (verdict, _, id) = stage.deliver("webhook", submitted());
    assert_eq!(verdict, done());
    assert_eq!(stage.step("webhook", id, "gone").1.as_deref(), Some("the webhook was deleted"));
    stage.app(json!({ "name": "Expenses" }));
    let (verdict, _, id) = stage.deliver("webhook", submitted());
    assert_eq!(verdict, done());
    assert_eq!(stage.step("webhook", id, "(nobody)").1.as_deref(), Some("the app has no webhooks"));
    stage.world.records.records.lock().unwrap().retain(|key, _| key.collection != "apps");
    assert_eq!(reason(stage.deliver("webhook", submitted()).0), "app-missing");
}

#[test]
fn an_event_of_an_old_version_is_told_in_the_present_one() {
    let stage = stage();
    let (mut delivery, _) = stage.world.delivery(submitted());
    let mut old: Value = serde_json::from_slice(&delivery.body).unwrap();
    old["type"] = json!("submission.created.v1");
    old["dataschema"] = json!("urn:sendoff:schema:submission.created.v1");
    old["data"] = json!({ "app_id": "expenses", "submission_id": "s1", "submitted_by": "eve" });
    delivery.body = old.to_string().into();
    assert_eq!(stage.process("webhook", &delivery), done());
    let body = stage.calls.sent.lock().unwrap()[0].body.clone();
    let read = sendoff_events::AnyEnvelope::decode(&body).unwrap();
    assert_eq!(read.header.event_type.to_string(), "submission.created.v2");
    let read: Envelope<SubmissionCreated> = read.into_event().unwrap();
    assert_eq!(read.data, submitted());
}

#[test]
fn what_an_endpoint_may_have_got_ends_with_the_endpoint() {
    type Change = fn(&Stage);
    let deleted: Change = |stage| stage.app(json!({ "name": "Expenses", "webhooks": ["b"] }));
    let last: Change = |stage| stage.app(json!({ "name": "Expenses" }));
    let disabled: Change = |stage| webhook(stage, "a", json!({ "url": A, "secrets": [], "disabled": "by its owner" }));
    for (change, why) in [
        (deleted, "the webhook was deleted"),
        (last, "the webhook was deleted"),
        (disabled, "the webhook is disabled: by its owner"),
    ] {
        let stage = stage();
        stage.calls.answer(A, SendOutcome::Unknown { provider: None, reason: "connection lost".into() });
        let (verdict, delivery, id) = stage.deliver("webhook", submitted());
        let Verdict::Retry { after } = verdict else { panic!("{verdict:?}") };
        let key = webhook_key(&tenant(), &"expenses".parse().unwrap(), "a");
        stage.world.records.records.lock().unwrap().remove(&key);
        change(&stage);
        stage.forward(after.as_secs() + 1);
        assert_eq!(stage.process("webhook", &delivery), done(), "{why}");
        let told = format!("{why}; a call before that may have arrived");
        assert_eq!(stage.step("webhook", id, "a"), (StepState::Skipped, Some(told)));
        assert_eq!(stage.calls.recipients(), [A, B], "{why}");
    }
}
