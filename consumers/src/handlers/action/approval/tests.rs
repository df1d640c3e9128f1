//! Questions over records and mails in memory.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::executor::block_on;
use sendoff_events::{AnyEnvelope, ApprovalDecided, Clock as _, Decision, Personal, at_millis};
use sendoff_producers::model::{Approval, Branding, Channel, Decided, approval_key, user_key};
use serde_json::{Value, json};

use super::{ActionError, ActionErrorKind, ActionResult, ActionStatus, Actions, ApprovalActions, approval_mails};
use crate::{
    Limits, NotSent, SendOutcome,
    channels::email::Mail,
    handlers::{
        ByEmail, Desk,
        action::MessageActions,
        doubles::{FakeProvider, MemoryDeliveries, World, tenant},
    },
    links::Links,
    routing::Routing,
    templates::{Rendered, Templates},
};

struct Stage {
    world: World,
    mails: Arc<FakeProvider<Mail>>,
    links: Option<Links>,
}

impl Stage {
    fn new() -> Self {
        let links = Some(Links::new("https://notify.acme.example", &"0123456789abcdef".into()).unwrap());
        let stage = Self { world: World::new(), mails: Arc::default(), links };
        stage.user("ada", json!({ "name": "Ada", "email": "ada@example.org" }));
        stage.user("grace", json!({ "name": "Grace", "email": "grace@example.org", "locale": "de" }));
        stage
    }

    fn user(&self, id: &str, data: Value) {
        self.world.records.put(user_key(&tenant(), &id.parse().unwrap()), data);
    }

    fn ask(&self, call: &Value) -> Result<ActionResult, ActionError> {
        let templates = Templates::standard().unwrap();
        let desk = Desk {
            records: self.world.records.clone(),
            authoritative: self.world.records.clone(),
            inbox: self.world.inbox.clone(),
            deliveries: Arc::<MemoryDeliveries>::default(),
            routing: Arc::new(Routing::standard(&templates).unwrap()),
            templates: Arc::new(templates),
            links: self.links.clone(),
            channels: BTreeSet::from(Channel::ALL),
        };
        let way = ByEmail { provider: self.mails.clone(), from: "Acme <apps@acme.example>".parse().unwrap() };
        let mails = MessageActions::new(self.world.ports(), Arc::new(desk), Arc::new(way));
        let records = self.world.records.clone();
        let actions = ApprovalActions::new(self.world.ports(), records, Arc::new(mails), self.links.clone());
        block_on(actions.act(&call.to_string(), &Limits::none()))
    }

    fn stored(&self) -> (Approval, u64) {
        let records = self.world.records.records.lock().unwrap();
        let record = &records[&approval_key(&tenant(), "run-1", "ask")];
        (serde_json::from_value(record.data.clone()).unwrap(), record.version)
    }

    fn decide(&self) -> Decided {
        let decided = Decided {
            decision: Decision::Approved,
            by: "ada".parse().unwrap(),
            comment: Some(Personal::new("Fine.".into())),
            at: "2026-11-24T12:00:00Z".parse().unwrap(),
        };
        let mut records = self.world.records.records.lock().unwrap();
        let record = records.get_mut(&approval_key(&tenant(), "run-1", "ask")).unwrap();
        record.version += 1;
        record.data["decision"] = serde_json::to_value(&decided).unwrap();
        decided
    }

    fn told(&self) -> Vec<(ApprovalDecided, Option<u64>)> {
        let events = self.world.records.events.lock().unwrap();
        let event = |body| AnyEnvelope::decode(body).unwrap().into_event::<ApprovalDecided>().unwrap();
        let told = events.iter().map(|outgoing| event(outgoing.body()));
        told.map(|event| (event.data, event.header.sequence)).collect()
    }

    /// The tokens of the links in the mails, in the order in which they were sent.
    fn tokens(&self) -> Vec<String> {
        let mails = self.mails.sent.lock().unwrap();
        let token = |mail: &Mail| {
            let (_, rest) = mail.text.split_once("https://notify.acme.example/approvals/").unwrap();
            rest.split_whitespace().next().unwrap().to_owned()
        };
        mails.iter().map(token).collect()
    }
}

fn question() -> Value {
    json!({
        "action": "approval", "idempotency_key": "run-1/ask", "redrive": 0, "tenant": tenant(), "run": "run-1",
        "instance": "ask", "approvers": ["ada", null, "grace", "ada"], "title": "412.50 for <b>travel</b>",
        "text": "A train to Berlin.", "deadline": 3600,
    })
}

fn with(mut call: Value, field: &str, value: Value) -> Value {
    call[field] = value;
    call
}

#[test]
fn what_is_asked_is_kept_and_each_approver_gets_a_link_of_their_own() {
    let stage = Stage::new();
    let call = with(question(), "token", json!("the token"));
    assert_eq!(stage.ask(&call).unwrap().status, ActionStatus::Sent);
    let (approval, version) = stage.stored();
    assert_eq!(
        (version, approval.decision.clone(), approval.deadline.to_string().as_str()),
        (1, None, "2026-11-24T12:59:00Z")
    );
    assert_eq!(approval.approvers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ada", "grace"]);
    assert_eq!(approval.token, Some(Personal::new("the token".to_owned())));
    assert_eq!(stage.mails.recipients(), ["ada@example.org", "grace@example.org"]);
    let links = stage.links.clone().unwrap();
    let said: Vec<_> = stage.tokens().iter().map(|token| links.read_approval(token).unwrap()).collect();
    for (link, approver) in said.iter().zip(["ada", "grace"]) {
        assert_eq!((link.run.as_str(), link.instance.as_str(), link.approver.as_str()), ("run-1", "ask", approver));
        assert_eq!((&link.tenant, link.deadline), (&tenant(), approval.deadline));
    }
    let mails = stage.mails.sent.lock().unwrap();
    assert_eq!(mails[0].subject, "Please decide: 412.50 for <b>travel</b>");
    assert!(mails[0].text.contains("A train to Berlin.") && mails[0].text.contains("until 2026-11-24 12:59 UTC"));
    assert!(mails[0].html.contains("412.50 for &lt;b&gt;travel"), "{}", mails[0].html);
    assert!(mails[1].subject.starts_with("Bitte entscheiden Sie: "), "in the language of each");
}

#[test]
fn the_mails_that_would_ask_are_those_that_do() {
    let stage = Stage::new();
    stage.ask(&question()).unwrap();
    let now = at_millis(stage.world.clock.now());
    let mails = approval_mails(&question().to_string(), now, "https://made.up").unwrap();
    let (templates, sent) = (Templates::standard().unwrap(), stage.mails.sent.lock().unwrap());
    let whose = [("ada", "Ada", "en"), ("grace", "Grace", "de")];
    assert_eq!((mails.len(), sent.len()), (whose.len(), whose.len()));
    for (((approver, call), sent), (id, name, locale)) in mails.into_iter().zip(&*sent).zip(whose) {
        assert_eq!((approver.as_str(), &call["to"]), (id, &json!({ "user": id })));
        let (template, mut data) = (call["template"]["name"].as_str().unwrap(), call["template"]["data"].clone());
        data["user"] = json!({ "id": id, "name": name });
        let Rendered::Mail(mail) =
            templates.render(Channel::Email, template, locale, &data, &Branding::default()).unwrap()
        else {
            panic!("a template of mails makes mails")
        };
        assert_eq!(mail.subject, sent.subject);
        // The same text around the link, but for the way to unsubscribe below it.
        let (before, after) = mail.text.split_once("https://made.up").unwrap();
        assert!(sent.text.starts_with(before) && sent.text.contains(after), "{} isn't in {}", mail.text, sent.text);
    }
    drop(sent);
    let wrong = with(question(), "title", json!(""));
    assert_eq!(approval_mails(&wrong.to_string(), now, "").unwrap_err(), stage.ask(&wrong).unwrap_err());
}

#[test]
fn a_repeated_call_asks_nobody_twice() {
    let stage = Stage::new();
    let first = stage.ask(&question()).unwrap();
    stage.world.clock.forward(Duration::from_secs(60));
    for call in [question(), with(question(), "token", json!("another")), with(question(), "deadline", json!(60))] {
        assert_eq!(stage.ask(&call).unwrap(), first);
    }
    assert_eq!(stage.mails.recipients().len(), 2);
    let (approval, version) = stage.stored();
    assert_eq!((version, approval.deadline.to_string().as_str()), (2, "2026-11-24T12:59:00Z"), "with the token");
}

#[test]
fn a_run_that_is_taken_up_again_while_its_question_is_open_gives_people_as_much_time_as_it_waits() {
    let stage = Stage::new();
    stage.ask(&question()).unwrap();
    stage.world.clock.forward(Duration::from_secs(1800));
    for _ in 0..2 {
        assert_eq!(stage.ask(&with(question(), "redrive", json!(1))).unwrap().status, ActionStatus::Sent);
        assert_eq!(stage.stored().0.deadline.to_string(), "2026-11-24T13:29:00Z");
        assert_eq!(stage.mails.recipients().len(), 4, "each has a link that is good as long, and gets it once");
    }
    let link = stage.links.clone().unwrap().read_approval(&stage.tokens()[3]).unwrap();
    assert_eq!(link.deadline, stage.stored().0.deadline);
}

#[test]
fn the_same_step_can_not_ask_for_something_else() {
    let stage = Stage::new();
    stage.ask(&question()).unwrap();
    for (field, value) in [("title", json!("Another")), ("text", json!("")), ("approvers", json!(["grace"]))] {
        let error = stage.ask(&with(question(), field, value)).unwrap_err();
        assert_eq!(
            (error.kind, error.reason.as_str()),
            (ActionErrorKind::Permanent, "idempotency-mismatch"),
            "{field}"
        );
    }
    assert_eq!(stage.mails.recipients().len(), 2);
}

#[test]
fn whoever_could_not_be_written_to_is_written_to_by_the_next_call() {
    let stage = Stage::new();
    let busy = SendOutcome::NotSent(NotSent::Transient { reason: "busy".into() });
    stage.mails.answers.lock().unwrap().insert("ada@example.org".into(), busy);
    let error = stage.ask(&question()).unwrap_err();
    assert_eq!(error.kind, ActionErrorKind::Throttled, "no attempt of the step");
    stage.world.clock.forward(Duration::from_secs(600));
    assert_eq!(stage.ask(&question()).unwrap().status, ActionStatus::Sent);
    let mut recipients = stage.mails.recipients();
    recipients.sort();
    recipients.dedup();
    assert_eq!(recipients, ["ada@example.org", "grace@example.org"]);
    assert_eq!(stage.stored().1, 1, "what is asked was kept by the first one");
}

#[test]
fn somebody_who_can_not_be_written_to_for_hours_does_not_keep_the_others_from_deciding() {
    let stage = Stage::new();
    let call = with(question(), "deadline", json!("2026-12-24T13:00:00Z"));
    let ask = |after: u64| {
        stage.world.clock.forward(Duration::from_secs(after));
        let later = SendOutcome::NotSent(NotSent::Transient { reason: "come back later".into() });
        stage.mails.answer("ada@example.org", later);
        stage.ask(&call)
    };
    for after in [0, 3600, 3600, 3 * 3600] {
        assert_eq!(ask(after).unwrap_err().kind, ActionErrorKind::Throttled);
    }
    assert_eq!(ask(3600).unwrap().status, ActionStatus::Sent, "Grace has it since six hours");
}

#[test]
fn whoever_is_written_to_again_may_get_a_link_of_another_address_and_another_secret() {
    let mut stage = Stage::new();
    let busy = SendOutcome::NotSent(NotSent::Transient { reason: "busy".into() });
    stage.mails.answers.lock().unwrap().insert("ada@example.org".into(), busy);
    assert_eq!(stage.ask(&question()).unwrap_err().kind, ActionErrorKind::Throttled);
    stage.links = Some(Links::new("https://moved.acme.example", &"fedcba9876543210".into()).unwrap());
    assert_eq!(stage.ask(&question()).unwrap().status, ActionStatus::Sent);
    assert_eq!(stage.mails.recipients().iter().filter(|to| *to == "grace@example.org").count(), 1, "nobody twice");
    let mails = stage.mails.sent.lock().unwrap();
    assert!(mails.last().unwrap().text.contains("https://moved.acme.example/approvals/"), "and the link is good");
}

#[test]
fn one_approver_who_can_be_reached_is_enough_and_none_is_an_error() {
    let stage = Stage::new();
    stage.user("grace", json!({ "name": "Grace" }));
    assert_eq!(stage.ask(&question()).unwrap().status, ActionStatus::Sent);
    assert_eq!(stage.mails.recipients(), ["ada@example.org"]);
    let stage = Stage::new();
    let error = stage.ask(&with(question(), "approvers", json!(["nobody"]))).unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ActionErrorKind::Permanent, "nobody-asked"));
}

#[test]
fn a_decision_is_told_again_to_whoever_has_not_heard_it() {
    let stage = Stage::new();
    let call = |token: &str, redrive| with(with(question(), "token", json!(token)), "redrive", json!(redrive));
    stage.ask(&call("first", 0)).unwrap();
    let decided = stage.decide();
    stage.world.clock.forward(Duration::from_secs(13));
    // The same call again: the event is on its way already.
    stage.ask(&call("first", 0)).unwrap();
    assert_eq!(stage.told(), []);
    stage.ask(&call("second", 1)).unwrap();
    let (approval, version) = stage.stored();
    assert_eq!((approval.token, version), (Some(Personal::new("second".to_owned())), 3));
    assert_eq!(approval.decision, Some(decided.clone()), "it is the same decision");
    let [(event, sequence)] = &stage.told()[..] else { panic!("{:?}", stage.told()) };
    let outgoing = stage.world.records.events.lock().unwrap()[0].body().clone();
    let header = AnyEnvelope::decode(&outgoing).unwrap().into_event::<ApprovalDecided>().unwrap().header;
    assert_eq!(header.time, decided.at, "it was decided then, and not when it is told again");
    assert!(header.first_published > decided.at);
    assert_eq!((event.run.as_str(), event.instance.as_str(), *sequence), ("run-1", "ask", Some(3)));
    assert_eq!((event.decision, &event.by, &event.comment), (decided.decision, &decided.by, &decided.comment));
    stage.ask(&call("second", 1)).unwrap();
    assert_eq!(stage.told().len(), 1);
    // Without tokens it is the run that was taken up again.
    stage.ask(&with(question(), "redrive", json!(2))).unwrap();
    assert_eq!(stage.told().len(), 2);
    assert_eq!(stage.mails.recipients().len(), 2, "and nobody is asked anew");
}

#[test]
fn a_run_that_is_taken_up_again_when_the_time_was_over_gives_new_time_by_new_links() {
    let stage = Stage::new();
    stage.ask(&question()).unwrap();
    stage.world.clock.forward(Duration::from_secs(7200));
    assert_eq!(stage.ask(&question()).unwrap().status, ActionStatus::Sent);
    assert_eq!((stage.stored().1, stage.mails.recipients().len()), (1, 2), "a repeated call alone gives none");
    let call = with(question(), "redrive", json!(1));
    for _ in 0..2 {
        assert_eq!(stage.ask(&call).unwrap().status, ActionStatus::Sent);
    }
    assert_eq!(stage.stored().0.deadline.to_string(), "2026-11-24T14:59:00Z");
    assert_eq!(stage.mails.recipients().len(), 4);
    let link = stage.links.clone().unwrap().read_approval(&stage.tokens()[3]).unwrap();
    assert_eq!(link.deadline, stage.stored().0.deadline);
}

/// Nobody takes a mail the next time.
fn refuse(stage: &Stage) {
    for to in ["ada@example.org", "grace@example.org"] {
        stage.mails.answer(to, SendOutcome::NotSent(NotSent::Throttled { after: None, reason: "busy".into() }));
    }
}

#[test]
fn a_question_that_nobody_could_be_told_of_until_its_time_was_over_gets_new_time() {
    let stage = Stage::new();
    refuse(&stage);
    assert_eq!(stage.ask(&question()).unwrap_err().kind, ActionErrorKind::Throttled);
    stage.world.clock.forward(Duration::from_secs(7200));
    // As long as nobody takes mails it is no more asked than before.
    refuse(&stage);
    assert_eq!(stage.ask(&question()).unwrap_err().kind, ActionErrorKind::Throttled);
    stage.world.clock.forward(Duration::from_secs(60));
    assert_eq!(stage.ask(&question()).unwrap().status, ActionStatus::Sent);
    let approval = stage.stored().0;
    assert_eq!(approval.deadline.to_string(), "2026-11-24T14:59:00Z", "it was moved with the call after it");
    let sent = stage.tokens();
    let links = stage.links.clone().unwrap();
    let deadlines: Vec<_> = sent.iter().map(|token| links.read_approval(token).unwrap().deadline).collect();
    assert_eq!(deadlines[deadlines.len() - 2..], [approval.deadline; 2], "each has a link that is good");
    let mails = sent.len();
    assert_eq!(stage.ask(&question()).unwrap().status, ActionStatus::Sent);
    assert_eq!(stage.tokens().len(), mails, "and nobody is asked twice");
}

#[test]
fn whoever_is_told_late_has_at_least_half_of_the_time() {
    for (late, deadline) in [(1740, "2026-11-24T12:59:00Z"), (1800, "2026-11-24T13:29:00Z")] {
        let stage = Stage::new();
        refuse(&stage);
        stage.ask(&question()).unwrap_err();
        stage.world.clock.forward(Duration::from_secs(late));
        stage.ask(&question()).unwrap();
        assert_eq!(stage.stored().0.deadline.to_string(), deadline, "after {late} s");
    }
}

#[test]
fn there_is_no_new_time_where_one_was_told_or_the_run_waits_no_longer() {
    let stage = Stage::new();
    stage
        .mails
        .answer("ada@example.org", SendOutcome::NotSent(NotSent::Throttled { after: None, reason: "busy".into() }));
    stage.ask(&question()).unwrap_err();
    stage.world.clock.forward(Duration::from_secs(7200));
    assert_eq!(stage.ask(&question()).unwrap().status, ActionStatus::Sent);
    assert_eq!(stage.stored().0.deadline.to_string(), "2026-11-24T12:59:00Z");
    let stage = Stage::new();
    refuse(&stage);
    let call = with(question(), "deadline", json!("2026-11-24T13:00:00Z"));
    stage.ask(&call).unwrap_err();
    stage.world.clock.forward(Duration::from_secs(7200));
    assert_eq!(stage.ask(&call).unwrap().status, ActionStatus::Sent);
    assert_eq!(stage.stored().1, 1);
}

#[test]
fn a_call_that_can_not_be_understood_is_refused_by_its_field() {
    let stage = Stage::new();
    for (field, value, words) in [
        ("action", json!("email"), "`action` must be `approval`"),
        ("run", json!("a\nb"), "`run` must be without control characters"),
        ("instance", json!("x".repeat(257)), "`instance` must have 1 to 256 bytes"),
        ("approvers", json!([null]), "`approvers` names nobody"),
        ("approvers", json!("ada"), "`approvers` must be a list of users' ids"),
        ("approvers", json!(["a b"]), "`approvers` must be a list of users' ids"),
        ("approvers", json!((0..21).map(|n| format!("u{n}")).collect::<Vec<_>>()), "more than 20 users"),
        ("title", json!(""), "`title` must have 1 to 2000 bytes"),
        ("text", json!("x".repeat(20_001)), "`text` must have at most 20000 bytes"),
        ("deadline", json!(-1), "`deadline` must be"),
        ("deadline", json!(u64::MAX), "`deadline` must be"),
        ("deadline", json!(367 * 24 * 3600), "`deadline` must be"),
        ("deadline", json!("tomorrow"), "`deadline` must be"),
        ("tenant", json!("-"), "`tenant` must be"),
        ("surprise", json!(1), "`surprise` isn't known here"),
    ] {
        let error = stage.ask(&with(question(), field, value)).unwrap_err();
        assert_eq!((error.kind, error.reason.as_str()), (ActionErrorKind::Permanent, "invalid-call"), "{field}");
        assert!(error.message.contains(words), "{}", error.message);
    }
    assert_eq!(stage.mails.recipients(), [""; 0]);
    let moment = with(question(), "deadline", json!("2026-11-24T12:30:00.5Z"));
    stage.ask(&moment).unwrap();
    assert_eq!(stage.stored().0.deadline.to_string(), "2026-11-24T12:29:00Z");
    let stage = Stage::new();
    stage.ask(&with(question(), "deadline", json!(100))).unwrap();
    assert_eq!(stage.stored().0.deadline.to_string(), "2026-11-24T12:01:30Z", "of a short time a tenth");
}

#[test]
fn nobody_is_asked_what_nobody_could_answer_or_what_is_not_kept() {
    let mut stage = Stage::new();
    stage.world.records.read_only.store(true, Ordering::Relaxed);
    let error = stage.ask(&question()).unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ActionErrorKind::Throttled, "records-unreachable"));
    stage.world.records.read_only.store(false, Ordering::Relaxed);
    let links = stage.links.take();
    let error = stage.ask(&question()).unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ActionErrorKind::Permanent, "no-public-address"));
    assert_eq!(stage.mails.recipients(), [""; 0]);
    stage.links = links;
    assert_eq!(stage.ask(&question()).unwrap().status, ActionStatus::Sent);
}
