use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::executor::block_on;
use sendoff_events::{AppAssigned, Event, EventId, SubmissionCreated};
use sendoff_producers::model::{app_key, submission_key, user_key};
use serde_json::{Value, json};

use super::{
    EmailAppAssigned, EmailDesk, EmailSubmissionCreated, WorkflowKickoff,
    doubles::{FakeProvider, MemoryWorkflows, World, tenant},
};
use crate::{
    Delivery, InboxRecord, Limits, NotSent, Router, SendOutcome, Status, StepState, Verdict, templates::Templates,
};

/// Ada (German) and Bob (English, here) own the app `expenses`; Eve has made submission `s1`.
struct Stage {
    world: World,
    provider: Arc<FakeProvider>,
    workflows: Arc<MemoryWorkflows>,
    router: Router,
}

impl Stage {
    fn new() -> Self {
        let (world, provider) = (World::new(), Arc::new(FakeProvider::default()));
        let workflows = Arc::new(MemoryWorkflows::default());
        let desk = Arc::new(EmailDesk {
            records: world.records.clone(),
            provider: provider.clone(),
            templates: Arc::new(Templates::standard().unwrap()),
            from: "Acme <apps@acme.example>".parse().unwrap(),
        });
        let kickoff = WorkflowKickoff { records: world.records.clone(), workflows: workflows.clone() };
        let router = Router::new(world.ports())
            .with(EmailAppAssigned(desk.clone()))
            .and_then(|router| router.with(EmailSubmissionCreated(desk)))
            .and_then(|router| router.with(kickoff))
            .unwrap();
        let stage = Self { world, provider, workflows, router };
        stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org", "locale": "de-CH" }));
        stage.user("bob", json!({ "name": "Bob", "email": "bob@example.org", "locale": "en-GB" }));
        stage.user("eve", json!({ "name": "Eve <script>", "email": "eve@example.org" }));
        stage.app(json!({ "name": "Expenses", "owners": ["ada", "bob", "ada"] }));
        let submission = json!({
            "app_id": "expenses", "submission_id": "s1", "author_id": "eve", "revision": 1, "fields": { "Amount": 12 },
        });
        let key = submission_key(&tenant(), &"expenses".parse().unwrap(), &"s1".parse().unwrap());
        stage.world.records.put(key, submission);
        stage
    }

    fn user(&self, id: &str, data: Value) {
        self.world.records.put(user_key(&tenant(), &id.parse().unwrap()), data);
    }

    fn app(&self, data: Value) {
        self.world.records.put(app_key(&tenant(), &"expenses".parse().unwrap()), data);
    }

    fn forget(&self, id: &str) {
        let key = user_key(&tenant(), &id.parse().unwrap());
        self.world.records.records.lock().unwrap().remove(&key);
    }

    fn process(&self, consumer: &str, delivery: &Delivery) -> Verdict {
        block_on(self.router.consumer(consumer).unwrap().process(delivery, &Limits::none()))
    }

    /// Delivers a new event to a consumer.
    fn deliver<E: Event>(&self, consumer: &str, event: E) -> (Verdict, Delivery, EventId) {
        let (delivery, id) = self.world.delivery(event);
        (self.process(consumer, &delivery), delivery, id)
    }

    fn ledger(&self, consumer: &str, id: EventId) -> InboxRecord {
        self.world.ledger(consumer, id)
    }
}

fn assigned(user: &str) -> AppAssigned {
    AppAssigned {
        app_id: "expenses".parse().unwrap(),
        user_id: user.parse().unwrap(),
        assigned_by: "bob".parse().unwrap(),
    }
}

fn submitted() -> SubmissionCreated {
    SubmissionCreated {
        app_id: "expenses".parse().unwrap(),
        submission_id: "s1".parse().unwrap(),
        author_id: "eve".parse().unwrap(),
        revision: 1,
    }
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::DeadLetter(failure) => failure.reason,
        other => panic!("not dead-lettered: {other:?}"),
    }
}

#[test]
fn a_user_is_told_about_their_new_app_in_their_language() {
    let stage = Stage::new();
    let (verdict, delivery, id) = stage.deliver("email", assigned("ada"));
    assert_eq!(verdict, Verdict::Ack { duplicate: false });
    let mails = stage.provider.mails.lock().unwrap().clone();
    let [mail] = &*mails else { panic!("{} mails", mails.len()) };
    assert_eq!(mail.subject, "Expenses steht für Sie bereit");
    assert!(mail.text.contains("Guten Tag Ada") && mail.text.contains("Bob hat Ihnen"), "{}", mail.text);
    assert_eq!(mail.to.expose().expose(), "ada@example.org");
    assert_eq!(mail.idempotency_key, format!("email/{id}/ada"));
    let step = &stage.ledger("email", id).steps["ada"];
    assert_eq!((step.state, step.provider_id.as_deref()), (StepState::Done, Some("queued for 15")));
    assert_eq!(stage.process("email", &delivery), Verdict::Ack { duplicate: true });
    assert_eq!(stage.provider.recipients().len(), 1, "a duplicate sends nothing");
}

#[test]
fn whoever_can_not_or_will_not_be_mailed_is_skipped_with_the_reason_on_record() {
    let stage = Stage::new();
    stage.user("off", json!({ "name": "Off", "email": "off@example.org", "channels": { "email": false } }));
    stage.user("none", json!({ "name": "None" }));
    stage.user("bad", json!({ "name": "Bad", "email": "bad@example.org\r\nBcc: x@example.org" }));
    for (user, why) in [
        ("off", "the user has turned emails off"),
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
    assert_eq!(stage.provider.recipients(), [""; 0]);
}

#[test]
fn each_owner_is_told_once_about_a_submission() {
    let stage = Stage::new();
    let (verdict, _, id) = stage.deliver("email", submitted());
    assert_eq!(verdict, Verdict::Ack { duplicate: false });
    assert_eq!(stage.provider.recipients(), ["ada@example.org", "bob@example.org"]);
    let mails = stage.provider.mails.lock().unwrap();
    assert_eq!(mails[0].subject, "Neuer Eintrag in Expenses von Eve <script>");
    assert_eq!(mails[1].subject, "New submission in Expenses from Eve <script>");
    assert!(mails[1].text.contains("Amount: 12") && !mails[1].html.contains("<script>"));
    assert_eq!(mails[1].idempotency_key, format!("email/{id}/bob"));
}

#[test]
fn when_one_of_two_mails_fails_the_retry_sends_only_that_one() {
    let stage = Stage::new();
    let busy = SendOutcome::NotSent(NotSent::Transient { reason: "450 greylisted".into() });
    stage.provider.answers.lock().unwrap().insert("ada@example.org".into(), busy);
    let (verdict, delivery, id) = stage.deliver("email", submitted());
    let Verdict::Retry { after } = verdict else { panic!("{verdict:?}") };
    let states = |ledger: InboxRecord| ledger.steps.into_values().map(|step| step.state).collect::<Vec<_>>();
    assert_eq!(states(stage.ledger("email", id)), [StepState::Pending, StepState::Done]);
    stage.world.clock.forward(after + Duration::from_secs(1));
    assert_eq!(stage.process("email", &delivery), Verdict::Ack { duplicate: false });
    assert_eq!(states(stage.ledger("email", id)), [StepState::Done, StepState::Done]);
    assert_eq!(stage.provider.recipients(), ["ada@example.org", "bob@example.org", "ada@example.org"]);
}

#[test]
fn a_mail_of_unknown_outcome_is_sent_again_under_the_same_key() {
    let stage = Stage::new();
    let lost = SendOutcome::Unknown { reason: "connection lost".into() };
    stage.provider.answers.lock().unwrap().insert("ada@example.org".into(), lost);
    let (verdict, delivery, id) = stage.deliver("email", assigned("ada"));
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    assert_eq!(stage.ledger("email", id).steps["ada"].state, StepState::InDoubt);
    stage.world.clock.forward(Duration::from_secs(3600));
    assert_eq!(stage.process("email", &delivery), Verdict::Ack { duplicate: false });
    let mails = stage.provider.mails.lock().unwrap();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].idempotency_key, mails[1].idempotency_key);
}

#[test]
fn a_refused_owner_does_not_keep_the_other_from_their_mail() {
    let stage = Stage::new();
    let refused = SendOutcome::NotSent(NotSent::Permanent { reason: "550 no such user ada@example.org".into() });
    stage.provider.answers.lock().unwrap().insert("ada@example.org".into(), refused);
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
    assert_eq!(stage.provider.recipients(), [""; 0]);
}

#[test]
fn an_apps_own_template_is_used_where_there_is_one() {
    let stage = Stage::new();
    let template =
        json!({ "subject": "{{ author.name }} spent {{ submission.fields.Amount }}", "text": "Hi {{ user.name }}" });
    stage.app(json!({ "name": "Expenses", "owners": ["bob"], "submission_mail": template }));
    assert_eq!(stage.deliver("email", submitted()).0, Verdict::Ack { duplicate: false });
    let mails = stage.provider.mails.lock().unwrap();
    assert_eq!((&*mails[0].subject, &*mails[0].text), ("Eve <script> spent 12", "Hi Bob"));
}

#[test]
fn a_deleted_author_is_called_by_their_id() {
    let stage = Stage::new();
    stage.forget("eve");
    assert_eq!(stage.deliver("email", submitted()).0, Verdict::Ack { duplicate: false });
    assert!(stage.provider.mails.lock().unwrap()[1].subject.ends_with("from eve"));
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

fn with_workflow(version: u32) -> Value {
    json!({ "name": "Expenses", "workflow": { "name": "approve-expenses", "version": version, "steps": ["ask", "pay"] } })
}

#[test]
fn a_submission_starts_the_apps_workflow_under_a_name_of_its_own() {
    let stage = Stage::new();
    stage.app(with_workflow(3));
    let (verdict, _, id) = stage.deliver("workflow-kickoff", submitted());
    assert_eq!(verdict, Verdict::Ack { duplicate: false });
    let runs = stage.workflows.runs.lock().unwrap();
    let (name, run) = runs.first_key_value().unwrap();
    assert!(name.starts_with("approve-expenses-") && name.len() <= 80, "{name}");
    assert_eq!((run.version, run.steps.as_slice()), (3, ["ask".to_owned(), "pay".into()].as_slice()));
    let input =
        json!({ "event_id": id, "app_id": "expenses", "submission_id": "s1", "author_id": "eve", "revision": 1 });
    assert_eq!(run.input, input);
    assert_eq!(stage.ledger("workflow-kickoff", id).steps["run"].provider_id.as_ref(), Some(name));
}

#[test]
fn an_app_without_a_workflow_starts_nothing() {
    let stage = Stage::new();
    assert_eq!(stage.deliver("workflow-kickoff", submitted()).0, Verdict::Ack { duplicate: false });
    assert!(stage.workflows.runs.lock().unwrap().is_empty());
}

#[test]
fn a_repeated_start_finds_the_run_also_after_the_workflow_was_published_anew() {
    let stage = Stage::new();
    let (delivery, _) = stage.world.delivery(submitted());
    for version in [3, 3, 4] {
        stage.app(with_workflow(version));
        // The ledger is lost, as if the process had crashed after the start.
        stage.world.inbox.0.lock().unwrap().clear();
        assert_eq!(stage.process("workflow-kickoff", &delivery), Verdict::Ack { duplicate: false }, "{version}");
    }
    let runs = stage.workflows.runs.lock().unwrap();
    assert_eq!(runs.values().map(|run| run.version).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_foreign_run_of_the_same_name_is_a_conflict() {
    let stage = Stage::new();
    stage.app(with_workflow(3));
    let (delivery, _) = stage.world.delivery(submitted());
    assert_eq!(stage.process("workflow-kickoff", &delivery), Verdict::Ack { duplicate: false });
    stage.workflows.runs.lock().unwrap().values_mut().for_each(|run| run.input = json!("another"));
    stage.world.inbox.0.lock().unwrap().clear();
    assert_eq!(reason(stage.process("workflow-kickoff", &delivery)), "run-conflict");
}

#[test]
fn unreachable_workflows_use_up_no_attempt() {
    let stage = Stage::new();
    stage.app(with_workflow(3));
    stage.workflows.down.store(true, Ordering::Relaxed);
    let (verdict, _, id) = stage.deliver("workflow-kickoff", submitted());
    assert!(matches!(verdict, Verdict::Snooze { .. }), "{verdict:?}");
    assert_eq!(stage.ledger("workflow-kickoff", id).attempts, 0);
}
