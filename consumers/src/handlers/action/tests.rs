//! Calls over ports in memory.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::executor::block_on;
use jiff::SignedDuration;
use sendoff_producers::model::{
    Channel, Suppression, SuppressionReason, User, WebhookEndpoint, suppression_key, user_key, webhook_key,
};
use sendoff_workflows::{
    Plan,
    engine::{ActCommand, Answer, AskCommand, Outcome, Reply, World as Workplace, virtual_run},
};
use serde_json::{Value, json};

use super::{
    ActionError, ActionErrorKind, ActionResult, ActionStatus, Actions, MessageActions, WebhookActions, is_action,
};
use crate::{
    Found, Limits, NotSent, SendOutcome,
    channels::{email::Mail, push::Push, sms::Sms, webhook::Webhook, whatsapp::Whatsapp},
    handlers::{
        ByEmail, ByPush, BySms, ByWhatsapp, Desk,
        doubles::{FakeProvider, MemoryDeliveries, World, tenant},
    },
    links::Links,
    routing::Routing,
    templates::Templates,
};

struct Stage {
    world: World,
    mails: Arc<FakeProvider<Mail>>,
    texts: Arc<FakeProvider<Sms>>,
    whatsapps: Arc<FakeProvider<Whatsapp>>,
    pushes: Arc<FakeProvider<Push>>,
    calls: Arc<FakeProvider<Webhook>>,
    desk: Arc<Desk>,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let templates = Templates::standard().unwrap();
        let desk = Arc::new(Desk {
            records: world.records.clone(),
            authoritative: world.records.clone(),
            inbox: world.inbox.clone(),
            deliveries: Arc::<MemoryDeliveries>::default(),
            routing: Arc::new(Routing::standard(&templates).unwrap()),
            templates: Arc::new(templates),
            links: Some(Links::new("https://notify.acme.example", &"0123456789abcdef".into()).unwrap()),
            channels: BTreeSet::from(Channel::ALL),
        });
        let (mails, texts, whatsapps) = (Arc::default(), Arc::default(), Arc::default());
        let stage = Self { world, mails, texts, whatsapps, pushes: Arc::default(), calls: Arc::default(), desk };
        stage.user(json!({ "name": "Ada", "phone": "+4930123456", "email": "ada@example.org", "push_tokens": ["t1"] }));
        stage
    }

    fn user(&self, data: Value) {
        serde_json::from_value::<User>(data.clone()).unwrap();
        self.world.records.put(user_key(&tenant(), &"ada".parse().unwrap()), data);
    }

    fn act(&self, call: &Value) -> Result<ActionResult, ActionError> {
        let (ports, desk) = (self.world.ports(), self.desk.clone());
        let actions: Box<dyn Actions> = match call["action"].as_str().unwrap_or("sms") {
            "email" => {
                let way = ByEmail { provider: self.mails.clone(), from: "Acme <apps@acme.example>".parse().unwrap() };
                Box::new(MessageActions::new(ports, desk, Arc::new(way)))
            }
            "whatsapp" => {
                Box::new(MessageActions::new(ports, desk, Arc::new(ByWhatsapp { provider: self.whatsapps.clone() })))
            }
            "push" => Box::new(MessageActions::new(ports, desk, Arc::new(ByPush { provider: self.pushes.clone() }))),
            "webhook" => Box::new(WebhookActions::new(ports, desk, self.calls.clone())),
            _ => Box::new(MessageActions::new(ports, desk, Arc::new(BySms { provider: self.texts.clone() }))),
        };
        block_on(actions.act(&call.to_string(), &Limits::none()))
    }
}

fn sms() -> Value {
    json!({
        "action": "sms", "idempotency_key": "run-1/step-1", "tenant": tenant(), "to": { "user": "ada" }, "text": "Hello",
    })
}

fn with(mut call: Value, field: &str, value: Value) -> Value {
    call[field] = value;
    call
}

fn unknown() -> SendOutcome {
    SendOutcome::Unknown { provider: Some("fake".into()), reason: "no answer".into() }
}

#[test]
fn a_call_is_told_from_every_other_event() {
    assert!(is_action(&sms().to_string()));
    assert!(is_action(r#"{"action":"fax"}"#), "it means to be one, and is told what is wrong");
    for other in [r#"{"Records":[]}"#, r#"{"source":"warmer"}"#, r#"{"action":7}"#, "[]", "null", "{"] {
        assert!(!is_action(other), "{other}");
    }
}

#[test]
fn a_repeated_call_is_answered_like_the_first_and_sends_nothing() {
    let stage = Stage::new();
    let first = stage.act(&sms()).unwrap();
    assert_eq!((first.status, &first.reason), (ActionStatus::Sent, &None));
    assert_eq!(stage.act(&sms()), Ok(first));
    assert_eq!(stage.texts.recipients(), ["+4930123456"]);
    let sent = stage.texts.sent.lock().unwrap()[0].clone();
    assert!(sent.text == "Hello" && sent.idempotency_key.ends_with("/ada"), "{sent:?}");
    let another = stage.act(&with(sms(), "idempotency_key", json!("run-1/step-2"))).unwrap();
    assert_eq!(another.status, ActionStatus::Sent);
    assert_eq!(stage.texts.recipients().len(), 2);
}

#[test]
fn the_same_key_with_other_contents_is_refused() {
    let stage = Stage::new();
    stage.act(&sms()).unwrap();
    let error = stage.act(&with(sms(), "text", json!("Goodbye"))).unwrap_err();
    assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Permanent, "idempotency-mismatch"));
    assert_eq!(stage.texts.recipients().len(), 1);
    // The order of fields says nothing, and how often a run was taken up again is no contents.
    let reordered: Value = serde_json::from_str(
        &json!({ "redrive": 3, "text": "Hello", "to": { "user": "ada" }, "tenant": tenant(), "idempotency_key": "run-1/step-1", "action": "sms" })
            .to_string(),
    )
    .unwrap();
    assert_eq!(stage.act(&reordered).unwrap().status, ActionStatus::Sent);
}

#[test]
fn every_channel_says_what_the_call_words() {
    let stage = Stage::new();
    let call = |action: &str, fields: Value| {
        let mut call =
            json!({ "action": action, "idempotency_key": "r/s", "tenant": tenant(), "to": { "user": "ada" } });
        call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(stage.act(&call).unwrap().status, ActionStatus::Sent, "{action}");
    };
    call("email", json!({ "subject": "{{ 7 * 7 }}", "text": "<b>Hi</b> {{ user.name }}" }));
    let mail = stage.mails.sent.lock().unwrap()[0].clone();
    assert_eq!(mail.subject, "{{ 7 * 7 }}", "data is no template");
    assert!(mail.text.starts_with("<b>Hi</b> {{ user.name }}\n"), "{}", mail.text);
    assert!(mail.html.contains("&lt;b&gt;Hi") && !mail.html.contains("<b>Hi"), "{}", mail.html);
    assert!(mail.list_unsubscribe.is_some_and(|url| url.starts_with("https://notify.acme.example/unsubscribe/")));

    call("whatsapp", json!({ "approved_template": { "name": "hello", "language": "en", "parameters": ["Ada"] } }));
    assert_eq!(stage.whatsapps.recipients(), ["+4930123456"]);
    call("push", json!({ "title": "Hi", "body": "there", "data": { "a": "b" } }));
    let push = stage.pushes.sent.lock().unwrap()[0].clone();
    assert_eq!((&*push.title, &*push.body, &*push.data["a"]), ("Hi", "there", "b"));
}

/// Carries out the messages of a run.
struct Mailing<'a>(&'a Stage);

impl Workplace for Mailing<'_> {
    fn act(&mut self, act: &ActCommand) -> Outcome {
        let result = self.0.act(&act.call).unwrap();
        Outcome { after: SignedDuration::ZERO, reply: Reply::Done(serde_json::to_value(result).unwrap()) }
    }

    fn ask(&mut self, _: &AskCommand) -> Answer {
        Answer::Nobody
    }
}

#[test]
fn nobody_writes_into_a_workflow_s_mail_by_what_they_submit() {
    let stage = Stage::new();
    let plan = Plan::read(
        "workflow: test\napp: crm\nfields: { name: text }\non: [{ manual: true }]\nsteps:\n  - id: mail\n    email:\n      \
         to: { user: ada }\n      subject: A request\n      text: '{{ {name} }} asks'\n      html: '<p>{{ {name} }} asks</p>'\n",
    )
    .unwrap();
    let name = "</p><a href=\"https://eve.example\">\u{202E}Log in\u{7}</a> & 'co'";
    let input = json!({
        "tenant": tenant(), "workflow": "test", "version": 1, "hops": 1, "fields": { "name": name }, "submission": null,
        "trigger": { "kind": "manual", "event_id": null },
    });
    let now = "2026-11-26T08:00:00Z".parse().unwrap();
    virtual_run(&plan, "run-1", &input, now, &mut Mailing(&stage)).unwrap();
    let mail = stage.mails.sent.lock().unwrap()[0].clone();
    let told =
        "<p>&lt;/p&gt;&lt;a href=&quot;https://eve.example&quot;&gt;Log in&lt;/a&gt; &amp; &#39;co&#39; asks</p>";
    assert_eq!(mail.html, told);
    assert!(mail.text.starts_with("</p><a href=\"https://eve.example\">Log in</a> & 'co' asks\n"), "{}", mail.text);
}

#[test]
fn a_template_is_filled_with_what_the_call_gives() {
    let stage = Stage::new();
    let data = json!({ "app": { "id": "crm", "name": "CRM" }, "assigned_by": { "id": "bob", "name": "Bob" } });
    let template = json!({ "name": "app-assigned", "data": data, "locale": "de" });
    let mut call = sms();
    call.as_object_mut().unwrap().remove("text");
    assert_eq!(stage.act(&with(call.clone(), "template", template)).unwrap().status, ActionStatus::Sent);
    assert!(stage.texts.sent.lock().unwrap()[0].text.contains("CRM"));
    let nothing = json!({ "name": "no-such-template", "data": {} });
    let other = with(with(call, "template", nothing), "idempotency_key", json!("r/2"));
    let error = stage.act(&other).unwrap_err();
    assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Permanent, "bad-template"));
}

#[test]
fn who_wants_none_or_is_suppressed_is_skipped_with_the_reason() {
    let stage = Stage::new();
    let skipped = |call: &Value, why: &str| {
        let result = stage.act(call).unwrap();
        assert_eq!(result.status, ActionStatus::Skipped);
        assert!(result.reason.as_ref().is_some_and(|reason| reason.contains(why)), "{result:?}");
    };
    let key = |n: u32| with(sms(), "idempotency_key", json!(format!("r/{n}")));
    skipped(&with(key(1), "to", json!({ "user": "nobody" })), "no such user");
    let suppression = Suppression::new(SuppressionReason::Stopped, "2026-11-01T00:00:00Z", "twilio");
    stage.world.records.put(suppression_key(Channel::Sms, "+4930123456"), serde_json::to_value(suppression).unwrap());
    skipped(&key(2), "suppressed");
    skipped(&with(key(3), "to", json!({ "address": "+4930123456" })), "suppressed");
    stage.user(json!({ "name": "Ada", "phone": "+4930123457", "events": { "workflow": { "sms": false } } }));
    skipped(&key(4), "turned sms off");
    stage.user(json!({ "name": "Ada" }));
    skipped(&key(5), "no phone number");
    assert_eq!(stage.texts.recipients(), [] as [&str; 0]);
}

#[test]
fn what_a_provider_answers_is_told_by_the_kind_of_the_error() {
    let stage = Stage::new();
    let answers = |outcome: SendOutcome, n: u32| {
        stage.texts.answer("+4930123456", outcome);
        stage.act(&with(sms(), "idempotency_key", json!(format!("r/{n}")))).unwrap_err()
    };
    let reason = || "+4930123456 said no".to_owned();
    let permanent = answers(SendOutcome::NotSent(NotSent::Permanent { reason: reason() }), 1);
    let transient = answers(SendOutcome::NotSent(NotSent::Transient { reason: reason() }), 2);
    let throttled = answers(SendOutcome::NotSent(NotSent::Throttled { after: None, reason: reason() }), 3);
    let unavailable = answers(SendOutcome::NotSent(NotSent::Unavailable { after: None, reason: reason() }), 4);
    let kinds = [&permanent, &transient, &throttled, &unavailable].map(|error| error.kind.name());
    assert_eq!(kinds, ["Action.Permanent", "Action.Transient", "Action.Throttled", "Action.Throttled"]);
    for error in [permanent, transient, throttled, unavailable] {
        assert!(!error.to_string().contains("4930123456"), "{error}");
    }
}

#[test]
fn a_call_is_tried_as_often_as_its_run_says() {
    let stage = Stage::new();
    // More often than any consumer tries a message.
    for attempt in 1..=60 {
        stage.texts.answer("+4930123456", SendOutcome::NotSent(NotSent::Transient { reason: "busy".into() }));
        let failed = stage.act(&sms()).unwrap_err();
        assert_eq!(failed.kind, ActionErrorKind::Transient, "{attempt}: {failed}");
        stage.world.clock.forward(Duration::from_secs(300));
    }
    stage.texts.answer("+4930123456", SendOutcome::Sent { provider: None, provider_id: Some("SM1".into()) });
    assert_eq!(stage.act(&sms()).unwrap().status, ActionStatus::Sent);
}

#[test]
fn a_failure_stays_one_until_the_run_is_taken_up_again() {
    let stage = Stage::new();
    stage.texts.answer("+4930123456", SendOutcome::NotSent(NotSent::Permanent { reason: "21614".into() }));
    let failed = stage.act(&sms()).unwrap_err();
    stage.texts.answer("+4930123456", SendOutcome::Sent { provider: None, provider_id: Some("SM1".into()) });
    assert_eq!(stage.act(&sms()).unwrap_err(), failed, "the same call is answered alike");
    let again = stage.act(&with(sms(), "redrive", json!(1))).unwrap();
    assert_eq!((again.status, again.provider_id.as_deref()), (ActionStatus::Sent, Some("SM1")));
}

#[test]
fn an_unknown_outcome_is_asked_about_while_it_is_held_and_then_left_to_a_person() {
    let stage = Stage::new();
    stage.texts.answer("+4930123456", unknown());
    for _ in 0..3 {
        let held = stage.act(&sms()).unwrap_err();
        assert_eq!((held.kind, &*held.reason), (ActionErrorKind::Throttled, "outcome-unknown"));
        stage.world.clock.forward(Duration::from_secs(60));
    }
    stage.world.clock.forward(Duration::from_secs(31 * 60));
    let given_up = stage.act(&sms()).unwrap_err();
    assert_eq!((given_up.kind, &*given_up.reason), (ActionErrorKind::Permanent, "outcome-unknown"));
    assert_eq!(stage.texts.recipients().len(), 1, "it was sent once, if at all");
}

#[test]
fn a_run_that_calls_again_at_once_sends_what_is_in_doubt_no_sooner_than_its_channel_does() {
    let stage = Stage::new();
    let text = json!({ "subject": "Hello", "text": "Hello" });
    let push = json!({ "title": "Hello", "body": "Ada" });
    for (action, words) in [("email", text), ("push", push)] {
        let mut call =
            json!({ "action": action, "idempotency_key": "r/s", "tenant": tenant(), "to": { "user": "ada" } });
        call.as_object_mut().unwrap().extend(words.as_object().unwrap().clone());
        let sent = || match action {
            "email" => stage.mails.recipients().len(),
            _ => stage.pushes.recipients().len(),
        };
        let fail = || match action {
            "email" => stage.mails.answer("ada@example.org", unknown()),
            _ => stage.pushes.answer("t1", unknown()),
        };
        for (copies, wait) in [(1, 60), (2, 120)] {
            fail();
            let error = stage.act(&call).unwrap_err();
            assert_eq!((error.kind, sent()), (ActionErrorKind::Transient, copies), "{action}: {error}");
            for _ in 0..3 {
                let error = stage.act(&call).unwrap_err();
                assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Throttled, "outcome-unknown"), "{error}");
                stage.world.clock.forward(Duration::from_secs(wait / 3 - 1));
            }
            assert_eq!(sent(), copies, "{action} after nearly {wait} s");
            stage.world.clock.forward(Duration::from_secs(3));
        }
        assert_eq!(stage.act(&call).unwrap().status, ActionStatus::Sent);
        assert_eq!(sent(), 3);
    }
}

#[test]
fn whichever_attempt_a_run_gives_up_after_its_error_names_the_doubt() {
    let stage = Stage::new();
    let mail = json!({
        "action": "email", "idempotency_key": "r/s", "tenant": tenant(), "to": { "user": "ada" }, "subject": "Hello",
        "text": "Hello",
    });
    stage.mails.answer("ada@example.org", unknown());
    let errors = [stage.act(&mail).unwrap_err(), stage.act(&mail).unwrap_err()];
    assert_eq!(errors.each_ref().map(|error| error.kind), [ActionErrorKind::Transient, ActionErrorKind::Throttled]);
    for error in errors {
        let (_, doubt) = error.message.split_once("; it is in doubt as ").expect("the doubt is named");
        assert!(doubt.starts_with("email/") && doubt.ends_with("/ada"), "{error}");
    }
}

#[test]
fn a_doubt_that_the_provider_can_settle_is_settled() {
    let stage = Stage::new();
    stage.texts.answer("+4930123456", unknown());
    stage.act(&sms()).unwrap_err();
    let found = Found::Sent { provider: Some("fake".into()), provider_id: Some("SM7".into()) };
    *stage.texts.finds.lock().unwrap() = Some(found);
    stage.world.clock.forward(Duration::from_secs(60));
    let sent = stage.act(&sms()).unwrap();
    assert_eq!((sent.status, sent.provider_id.as_deref()), (ActionStatus::Sent, Some("SM7")));
    assert_eq!(stage.texts.recipients().len(), 1);
}

#[test]
fn a_webhook_gets_the_payload_signed_with_its_own_secrets() {
    let stage = Stage::new();
    let endpoint = WebhookEndpoint {
        url: "https://hooks.example.org/a".into(),
        events: vec!["submission.created".into()],
        secrets: vec![sendoff_events::Personal::new("whsec_MDEyMzQ1Njc4OWFiY2RlZg==".into())],
        disabled: None,
    };
    let key = webhook_key(&tenant(), &"crm".parse().unwrap(), "hook-1");
    stage.world.records.put(key, serde_json::to_value(endpoint).unwrap());
    let call = json!({
        "action": "webhook", "idempotency_key": "r/s", "tenant": tenant(), "to": { "app": "crm", "webhook": "hook-1" },
        "payload": { "amount": 12 },
    });
    assert_eq!(stage.act(&call).unwrap().status, ActionStatus::Sent);
    let sent = stage.calls.sent.lock().unwrap()[0].clone();
    assert_eq!(
        (&*sent.url, &*sent.body, sent.secrets.len()),
        ("https://hooks.example.org/a", &br#"{"amount":12}"#[..], 1)
    );
    let missing = with(with(call, "to", json!({ "app": "crm", "webhook": "x" })), "idempotency_key", json!("r/2"));
    let error = stage.act(&missing).unwrap_err();
    assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Permanent, "webhook-missing"));
}

#[test]
fn each_mistake_in_a_call_is_told_by_its_field_and_repeats_nothing_of_it() {
    let stage = Stage::new();
    let without = |field: &str| {
        let mut call = sms();
        call.as_object_mut().unwrap().remove(field);
        call
    };
    for (call, told) in [
        (without("idempotency_key"), "`idempotency_key` is missing"),
        (without("tenant"), "`tenant` is missing"),
        (without("to"), "`to` is missing"),
        (without("text"), "`text` is missing"),
        (with(sms(), "tenant", json!("hunter2@")), "`tenant` must be the name of a tenant"),
        (with(sms(), "to", json!("hunter2")), "`to` is no object"),
        (with(sms(), "to", json!({})), "`to.user` is missing"),
        (with(sms(), "to", json!({ "user": "ada", "address": "hunter2" })), "`to.user` stands beside `to.address`"),
        (
            with(sms(), "to", json!({ "user": "ada", "hunter2": 1 })),
            "`to.hunter2` isn't known here; there are `to.user`, `to.address`",
        ),
        (with(sms(), "to", json!({ "address": "hunter2" })), "`to.address` can't be used"),
        (with(sms(), "text", json!(["hunter2"])), "`text` must be a text"),
        (with(sms(), "text", json!("")), "`text` must have 1 to"),
        (with(sms(), "subject", json!("x")), "`subject` isn't known here; there are `action`"),
        (with(sms(), "redrive", json!(-1)), "`redrive` must be a whole number from 0"),
        (with(sms(), "idempotency_key", json!("a\nb")), "`idempotency_key` must be without control characters"),
        (with(sms(), "template", json!({ "name": "x", "locale": "a_b" })), "`template.locale` must be a language tag"),
        (with(sms(), "action", json!("fax")), "`action` must be `sms`"),
        (with(sms(), "text", json!("x".repeat(300_000))), "the call has more than"),
        (json!([]), "the call is no JSON object"),
    ] {
        let error = stage.act(&call).unwrap_err();
        assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Permanent, "invalid-call"), "{call}");
        assert!(error.message.starts_with(told), "{told}: {error}");
        assert!(!error.message.contains("hunter2") || told.contains("hunter2"), "{error}");
    }
    assert!(stage.world.inbox.0.lock().unwrap().is_empty(), "nothing was claimed");
}

#[test]
fn while_records_cannot_be_looked_up_nothing_is_sent() {
    let stage = Stage::new();
    stage.world.records.down.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = stage.act(&sms()).unwrap_err();
    assert_eq!(error.kind, ActionErrorKind::Throttled, "{error}");
    assert_eq!(stage.texts.recipients().len(), 0);
}

#[test]
fn no_message_of_a_run_of_a_load_test_leaves() {
    let key = |call| with(call, "idempotency_key", json!("load_expenses-00/step-1"));
    let mail = json!({
        "action": "email", "idempotency_key": "", "tenant": tenant(), "to": { "address": "ada@example.org" },
        "subject": "Hello", "text": "Hello",
    });
    let push = json!({
        "action": "push", "idempotency_key": "", "tenant": tenant(), "to": { "user": "ada" }, "title": "Hello", "body": "Ada",
    });
    let hook = json!({
        "action": "webhook", "idempotency_key": "", "tenant": tenant(), "to": { "app": "crm", "webhook": "hook-1" }, "payload": 1,
    });
    for call in [sms(), with(sms(), "action", json!("whatsapp")), mail, push, hook] {
        let stage = Stage::new();
        let endpoint = json!({ "url": "https://a.example/hook", "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZg=="] });
        let place = webhook_key(&tenant(), &"crm".parse().unwrap(), "hook-1");
        stage.world.records.put(place, endpoint);
        let told = stage.act(&key(call.clone())).unwrap();
        assert_eq!((told.status, told.provider.as_deref()), (ActionStatus::Sent, Some(crate::LOAD_SINK)), "{call}");
        let phones = stage.texts.recipients().len() + stage.whatsapps.recipients().len();
        let others = stage.mails.recipients().len() + stage.pushes.recipients().len() + stage.calls.recipients().len();
        assert_eq!(phones + others, 0, "{call}");
    }
}
