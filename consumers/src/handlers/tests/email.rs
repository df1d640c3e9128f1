use std::{sync::atomic::Ordering, time::Duration};

use sendoff_events::Clock as _;
use serde_json::json;

use super::{Stage, assigned, reason, submitted};
use crate::{
    InboxRecord, NotSent, Policy, SendOutcome, Status, StepState, Verdict,
    handlers::{ByEmail, Way as _},
};

#[test]
fn a_user_is_told_about_their_new_app_in_their_language() {
    let stage = Stage::new();
    let (verdict, delivery, id) = stage.deliver("email", assigned("ada"));
    assert_eq!(verdict, Verdict::Ack { duplicate: false });
    let mails = stage.mails.sent.lock().unwrap().clone();
    let [mail] = &*mails else { panic!("{} mails", mails.len()) };
    assert_eq!(mail.subject, "Expenses steht für Sie bereit");
    assert!(mail.text.contains("Guten Tag Ada") && mail.text.contains("Bob hat Ihnen"), "{}", mail.text);
    assert_eq!(mail.to.expose().expose(), "ada@example.org");
    assert_eq!(mail.idempotency_key, format!("email/{id}/ada"));
    let step = &stage.ledger("email", id).steps["ada"];
    assert_eq!((step.state, step.provider_id.as_deref()), (StepState::Done, Some("queued for 15")));
    assert_eq!(stage.process("email", &delivery), Verdict::Ack { duplicate: true });
    assert_eq!(stage.mails.recipients().len(), 1, "a duplicate sends nothing");
}

#[test]
fn whoever_can_not_or_will_not_be_mailed_is_skipped_with_the_reason_on_record() {
    let stage = Stage::new();
    stage.user("off", json!({ "name": "Off", "email": "off@example.org", "channels": { "email": false } }));
    stage.user("none", json!({ "name": "None" }));
    stage.user("bad", json!({ "name": "Bad", "email": "bad@example.org\r\nBcc: x@example.org" }));
    for (user, why) in [
        ("off", "the user has turned email off"),
        ("none", "the user has no email address"),
        ("bad", "the user's email address is not valid"),
        ("gone", "the user was deleted"),
    ] {
        let (verdict, _, id) = stage.deliver("email", assigned(user));
        assert_eq!(verdict, Verdict::Ack { duplicate: false }, "{user}");
        let ledger = stage.ledger("email", id);
        let step = &ledger.steps[user];
        assert_eq!((ledger.status, step.state), (Status::Done, StepState::Skipped), "{user}");
        assert_eq!(step.reason.as_deref(), Some(why));
    }
    assert_eq!(stage.mails.recipients(), [""; 0]);
}

#[test]
fn each_owner_is_told_once_about_a_submission() {
    let stage = Stage::new();
    let (verdict, _, id) = stage.deliver("email", submitted());
    assert_eq!(verdict, Verdict::Ack { duplicate: false });
    assert_eq!(stage.mails.recipients(), ["ada@example.org", "bob@example.org"]);
    let mails = stage.mails.sent.lock().unwrap();
    assert_eq!(mails[0].subject, "Neuer Eintrag in Expenses von Eve <script>");
    assert_eq!(mails[1].subject, "New submission in Expenses from Eve <script>");
    assert!(mails[1].text.contains("Amount: 12") && !mails[1].html.contains("<script>"));
    assert_eq!(mails[1].idempotency_key, format!("email/{id}/bob"));
}

#[test]
fn when_one_of_two_mails_fails_the_retry_sends_only_that_one() {
    let stage = Stage::new();
    let busy = SendOutcome::NotSent(NotSent::Transient { reason: "450 greylisted".into() });
    stage.mails.answer("ada@example.org", busy);
    let (verdict, delivery, id) = stage.deliver("email", submitted());
    let Verdict::Retry { after } = verdict else { panic!("{verdict:?}") };
    let states = |ledger: InboxRecord| ledger.steps.into_values().map(|step| step.state).collect::<Vec<_>>();
    assert_eq!(states(stage.ledger("email", id)), [StepState::Pending, StepState::Done]);
    stage.world.clock.forward(after + Duration::from_secs(1));
    assert_eq!(stage.process("email", &delivery), Verdict::Ack { duplicate: false });
    assert_eq!(states(stage.ledger("email", id)), [StepState::Done, StepState::Done]);
    assert_eq!(stage.mails.recipients(), ["ada@example.org", "bob@example.org", "ada@example.org"]);
}

#[test]
fn a_mail_that_is_greylisted_for_six_minutes_arrives_once() {
    let stage = Stage::new();
    let greylisted = || {
        let busy = SendOutcome::NotSent(NotSent::Transient { reason: "450 4.2.0 greylisted".into() });
        stage.mails.answer("ada@example.org", busy);
    };
    greylisted();
    let (mut verdict, delivery, id) = stage.deliver("email", assigned("ada"));
    let begun = stage.world.clock.now();
    while stage.world.clock.now() < begun + Duration::from_secs(360) {
        let Verdict::Retry { after } = verdict else { panic!("{verdict:?}") };
        stage.world.clock.forward(after);
        if stage.world.clock.now() < begun + Duration::from_secs(360) {
            greylisted();
        }
        verdict = stage.process("email", &delivery);
    }
    assert_eq!(verdict, Verdict::Ack { duplicate: false });
    let ledger = stage.ledger("email", id);
    assert_eq!((ledger.status, ledger.steps["ada"].state), (Status::Done, StepState::Done));
    let asked = stage.mails.recipients().len();
    assert!((2..20).contains(&asked), "{asked} attempts");
}

#[test]
fn a_mail_that_is_refused_for_now_is_tried_for_about_a_day() {
    let policy = ByEmail::POLICY;
    let longest: Duration = (1..policy.max_attempts).map(|failures| policy.backoff.ceiling(failures)).sum();
    // It is drawn evenly from zero to the longest.
    let hours = longest.as_secs() / 2 / 3600;
    assert!((18..30).contains(&hours), "{hours} hours");
    assert_eq!(policy.deferral, Policy::DEFAULT.deferral, "what is put off waits no longer than elsewhere");
}

#[test]
fn a_mail_of_unknown_outcome_is_sent_again_under_the_same_key() {
    let stage = Stage::new();
    let lost = SendOutcome::Unknown { provider: None, reason: "connection lost".into() };
    stage.mails.answer("ada@example.org", lost);
    let (verdict, delivery, id) = stage.deliver("email", assigned("ada"));
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    assert_eq!(stage.ledger("email", id).steps["ada"].state, StepState::InDoubt);
    stage.world.clock.forward(Duration::from_secs(3600));
    assert_eq!(stage.process("email", &delivery), Verdict::Ack { duplicate: false });
    let mails = stage.mails.sent.lock().unwrap();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].idempotency_key, mails[1].idempotency_key);
}

#[test]
fn a_mail_in_doubt_goes_three_times_at_most_however_often_another_one_is_put_off() {
    let stage = Stage::new();
    let lost = || SendOutcome::Unknown { provider: None, reason: "connection lost".into() };
    let slower = || SendOutcome::NotSent(NotSent::Throttled { after: None, reason: "slower".into() });
    let answer = || {
        stage.mails.answer("ada@example.org", lost());
        stage.mails.answer("bob@example.org", slower());
    };
    answer();
    let (mut verdict, delivery, id) = stage.deliver("email", submitted());
    for round in 1..8 {
        let Verdict::Snooze { after, .. } = verdict else { panic!("{verdict:?}") };
        if round < 3 {
            assert!(after >= Duration::from_secs(60), "{after:?}: the copies have time between them");
        }
        stage.world.clock.forward(after);
        answer();
        verdict = stage.process("email", &delivery);
    }
    let to_ada = |stage: &Stage| stage.mails.recipients().iter().filter(|to| *to == "ada@example.org").count();
    assert_eq!(to_ada(&stage), 3);
    // The other one gets through in the end, and the doubt is left to a person.
    stage.mails.answers.lock().unwrap().clear();
    let Verdict::Snooze { after, .. } = verdict else { panic!("{verdict:?}") };
    stage.world.clock.forward(after);
    assert_eq!(reason(stage.process("email", &delivery)), "outcome-unknown");
    let steps = stage.ledger("email", id).steps;
    assert_eq!((steps["ada"].state, steps["bob"].state), (StepState::InDoubt, StepState::Done));
    assert_eq!(to_ada(&stage), 3);
}

#[test]
fn a_refused_owner_does_not_keep_the_other_from_their_mail() {
    let stage = Stage::new();
    let refused = SendOutcome::NotSent(NotSent::Permanent { reason: "550 no such user ada@example.org".into() });
    stage.mails.answer("ada@example.org", refused);
    let (verdict, _, id) = stage.deliver("email", submitted());
    assert_eq!(reason(verdict), "refused-by-provider");
    let steps = stage.ledger("email", id).steps;
    assert_eq!((steps["ada"].state, steps["bob"].state), (StepState::Failed, StepState::Done));
    assert_eq!(steps["ada"].reason.as_deref(), Some("550 no such user <address>"));
}

#[test]
fn an_apps_bad_template_is_rejected_before_anything_is_sent() {
    let stage = Stage::new();
    let template = json!({ "subject": "Hi", "text": "Hello\n{{ submission.fields.Typo }}" });
    stage.app(json!({ "name": "Expenses", "owners": ["ada", "bob"], "submission_mail": template }));
    let (verdict, _, id) = stage.deliver("email", submitted());
    let Verdict::DeadLetter(failure) = verdict else { panic!("{verdict:?}") };
    assert_eq!(failure.reason, "bad-template");
    let told =
        "template `apps/expenses/submission_mail/text`, line 2, at `submission.fields.Typo`: there is no such variable";
    assert_eq!(failure.error, told);
    assert!(stage.ledger("email", id).steps.is_empty());
    assert_eq!(stage.mails.recipients(), [""; 0]);
}

#[test]
fn an_apps_own_template_is_used_where_there_is_one() {
    let stage = Stage::new();
    let template =
        json!({ "subject": "{{ author.name }} spent {{ submission.fields.Amount }}", "text": "Hi {{ user.name }}" });
    stage.app(json!({ "name": "Expenses", "owners": ["bob"], "submission_mail": template }));
    assert_eq!(stage.deliver("email", submitted()).0, Verdict::Ack { duplicate: false });
    let mails = stage.mails.sent.lock().unwrap();
    assert_eq!(mails[0].subject, "Eve <script> spent 12");
    let unsubscribe = mails[0].list_unsubscribe.as_deref().unwrap();
    assert_eq!(mails[0].text, format!("Hi Bob\n\n-- \nUnsubscribe: {unsubscribe}"));
}

#[test]
fn a_deleted_author_is_called_by_their_id() {
    let stage = Stage::new();
    stage.forget("eve");
    assert_eq!(stage.deliver("email", submitted()).0, Verdict::Ack { duplicate: false });
    assert!(stage.mails.sent.lock().unwrap()[1].subject.ends_with("from eve"));
}

#[test]
fn an_app_that_is_missing_or_damaged_is_told() {
    let stage = Stage::new();
    stage.app(json!({ "nonsense": true }));
    for consumer in ["email", "workflow-kickoff"] {
        assert_eq!(reason(stage.deliver(consumer, submitted()).0), "record-damaged", "{consumer}");
    }
    stage.world.records.records.lock().unwrap().retain(|key, _| key.collection != "apps");
    for consumer in ["email", "workflow-kickoff"] {
        assert_eq!(reason(stage.deliver(consumer, submitted()).0), "app-missing", "{consumer}");
    }
    assert_eq!(reason(stage.deliver("email", assigned("ada")).0), "app-missing");
}

#[test]
fn an_unreachable_store_uses_up_no_attempt() {
    let stage = Stage::new();
    stage.world.records.down.store(true, Ordering::Relaxed);
    for consumer in ["email", "workflow-kickoff"] {
        let (verdict, _, id) = stage.deliver(consumer, submitted());
        assert!(matches!(verdict, Verdict::Snooze { .. }), "{verdict:?}");
        assert_eq!(stage.ledger(consumer, id).attempts, 0);
    }
}

#[test]
fn nobody_is_passed_over_because_memory_knows_of_no_way_to_reach_them_yet() {
    let stage = Stage::remembering();
    for before in [None, Some(json!({ "name": "Ada" }))] {
        stage.forget("ada");
        before.into_iter().for_each(|before| stage.user("ada", before));
        stage.world.clock.forward(Duration::from_secs(60));
        let (_, _, id) = stage.deliver("email", assigned("ada"));
        assert_eq!(stage.ledger("email", id).steps["ada"].state, StepState::Skipped);
        stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org" }));
        let (_, _, id) = stage.deliver("email", assigned("ada"));
        assert_eq!(stage.ledger("email", id).steps["ada"].state, StepState::Done);
    }
    assert_eq!(stage.mails.recipients(), ["ada@example.org"; 2]);
}

#[test]
fn an_app_that_memory_knows_nothing_of_yet_is_not_missing() {
    let stage = Stage::remembering();
    stage.world.records.records.lock().unwrap().retain(|key, _| key.collection != "apps");
    assert_eq!(reason(stage.deliver("email", assigned("ada")).0), "app-missing");
    assert_eq!(reason(stage.deliver("workflow-kickoff", submitted()).0), "app-missing");
    stage.app(json!({ "name": "Expenses", "owners": ["ada", "bob"] }));
    for (consumer, verdict) in [
        ("email", stage.deliver("email", assigned("ada")).0),
        ("email", stage.deliver("email", submitted()).0),
        ("workflow-kickoff", stage.deliver("workflow-kickoff", submitted()).0),
    ] {
        assert_eq!(verdict, Verdict::Ack { duplicate: false }, "{consumer}");
    }
}
