//! A person settles a doubt: the dead letter goes back to its queue as it was, and who decided is kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use sendoff_aws::{Decision, SettleError, Settled};
use sendoff_consumers::{
    Attributes, Class, Context, DeadLetter, Delivery, DeliveryId, Destination, Effect, FAILURE_ATTRIBUTE, Failure,
    Handler, HandlerError, IdempotencyKey, Limits, NewMessage, NoMeter, OnDoubt, OutgoingLetter, Policy, Queue,
    Resolution, ResolveError, Router, RouterPorts, SendOutcome, Status, StepState, Verdict,
};
use sendoff_events::{AppAssigned, Clock, Envelope, EventId, Origin, Outgoing, Timestamp, at_millis};
use sendoff_host::SystemClock;
use sendoff_tests::conformance::{Backend as _, OnAws};

use super::{left, run};

const LEASE: Duration = Duration::from_secs(60);

/// Never hears what became of what it sends.
struct Texter(Arc<AtomicU32>);

impl Handler for Texter {
    type Event = AppAssigned;
    const NAME: &'static str = "sms";
    const POLICY: Policy =
        Policy { effect: Effect::Once, on_doubt: OnDoubt::Hold { window: Duration::ZERO }, ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        let send = |_| async {
            self.0.fetch_add(1, SeqCst);
            SendOutcome::Unknown { provider: Some("twilio".into()), reason: "no answer".into() }
        };
        cx.once("ada", send).await.map(drop)
    }
}

fn router(backend: &OnAws, sent: &Arc<AtomicU32>) -> Router {
    let ports = RouterPorts {
        inbox: backend.inbox(),
        clock: backend.clock(),
        rng: backend.rng(),
        blobs: Some(backend.blobs()),
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    Router::new(ports).with(Texter(Arc::clone(sent))).unwrap()
}

fn assigned(backend: &OnAws) -> Outgoing {
    let (app_id, user_id) = ("expenses".parse().unwrap(), "ada".parse().unwrap());
    let data = AppAssigned { app_id, user_id, assigned_by: "admin".parse().unwrap() };
    let tenant = "acme".parse().unwrap();
    let origin =
        Origin { source: "/suite".into(), tenant, correlation: None, causation: None, traceparent: None, hops: 0 };
    Envelope::new(data, origin, Some(1), &*backend.clock(), &*backend.rng()).encode().unwrap()
}

async fn one(queue: &dyn Queue) -> Delivery {
    let mut received = queue.receive(10, Duration::from_secs(20), LEASE).await.unwrap();
    assert_eq!(received.len(), 1, "{received:?}");
    received.remove(0)
}

fn failure() -> Failure {
    let at = at_millis(SystemClock.now());
    Failure {
        reason: "outcome-unknown".into(),
        class: Class::InDoubt,
        fingerprint: "outcome-unknown-0badcafe".into(),
        consumer: "sms".into(),
        attempts: 1,
        first_at: at,
        last_at: at,
        error: "no answer".into(),
    }
}

/// Puts this message among the dead letters.
async fn bury(queue: &dyn Queue, message: NewMessage) {
    queue.send(&[message]).await.remove(0).unwrap();
    let delivery = one(queue).await;
    queue.dead_letter(&[(delivery, failure())]).await.remove(0).unwrap();
}

/// When a claim of that time has ended.
fn long_ago() -> Timestamp {
    at_millis(SystemClock.now()) - Duration::from_secs(600)
}

fn decision(id: &DeliveryId, resolution: Resolution) -> Decision {
    Decision { id: id.clone(), resolution, who: "grace".into(), because: "seen in the log".into() }
}

fn sent() -> Resolution {
    Resolution::Sent { provider_id: Some("SM7".into()) }
}

fn message(event: EventId, attributes: Attributes) -> NewMessage {
    NewMessage { body: format!(r#"{{"id":"{event}"}}"#).into(), attributes, delay: Duration::ZERO }
}

#[test]
fn what_was_sent_goes_back_as_it_was_and_its_consumer_is_done_with_it_without_sending() {
    run(|backend| async move {
        let (store, calls) = (backend.store(), Arc::new(AtomicU32::new(0)));
        let queue = backend.create_queue("sms", None).await;
        let router = router(&backend, &calls);
        let consumer = router.consumer("sms").unwrap();
        let event = assigned(&backend);
        let attributes =
            Attributes::from([("tenant".into(), "acme".into()), ("type".into(), "app.assigned.v1".into())]);
        let sending = NewMessage { body: event.body().clone(), attributes: attributes.clone(), delay: Duration::ZERO };
        queue.send(&[sending]).await.remove(0).unwrap();
        let delivery = one(&*queue).await;
        let Verdict::DeadLetter(failure) = consumer.process(&delivery, &Limits::none()).await else {
            panic!("nobody knows what became of it")
        };
        queue.dead_letter(&[(delivery, *failure)]).await.remove(0).unwrap();
        // Another one, which stays.
        bury(&*queue, message(EventId::from_bytes([9; 16]), Attributes::new())).await;

        let key = IdempotencyKey::new("sms", event.id());
        let id = DeliveryId::new(key.clone(), "ada");
        assert_eq!(store.doubts(None, 10).await.unwrap().len(), 1);
        assert_eq!(store.settle_doubt(&decision(&id, sent())).await, Ok(Settled::GoesOn));
        let dead = backend.dead_letters("sms").await;
        let other = message(EventId::from_bytes([9; 16]), Attributes::new()).body;
        assert_eq!(dead.into_iter().map(|letter| letter.body).collect::<Vec<_>>(), [other]);

        let back = one(&*queue).await;
        assert_eq!((&back.body, &back.attributes), (event.body(), &attributes));
        assert_eq!(consumer.process(&back, &Limits::none()).await, Verdict::Ack { duplicate: false });
        queue.ack(&[back.receipt]).await.remove(0).unwrap();
        let record = store.inbox().get(&key).await.unwrap().unwrap();
        let step = &record.steps["ada"];
        assert_eq!(
            (record.status, step.state, step.provider_id.as_deref()),
            (Status::Done, StepState::Done, Some("SM7"))
        );
        assert_eq!(calls.load(SeqCst), 1, "it was sent once, in the beginning");

        assert_eq!(store.settle_doubt(&decision(&id, sent())).await, Ok(Settled::NotInDoubt));
        assert_eq!(store.doubts(None, 10).await.unwrap(), [], "a decision is no doubt");
        let audit = store.audit().entries(0, 10).await.unwrap();
        assert_eq!(audit.len(), 1, "{audit:?}");
        let entry = &audit[0];
        assert_eq!(
            (&*entry.note.who, &*entry.note.action, &*entry.note.target, &*entry.note.because),
            ("grace", "doubt-sent", &*id.to_string(), "seen in the log")
        );
    });
}

#[test]
fn what_has_no_dead_letter_is_settled_too_and_what_nobody_knows_of_is_not() {
    run(|backend| async move {
        let store = backend.store();
        backend.create_queue("sms", None).await;
        let key = super::key("sms", 1);
        left(&backend, &key, StepState::InDoubt, Status::InDoubt, long_ago()).await;
        let id = DeliveryId::new(key.clone(), "ada");
        assert_eq!(store.settle_doubt(&decision(&id, Resolution::SendAgain)).await, Ok(Settled::NoDeadLetter));
        let record = store.inbox().get(&key).await.unwrap().unwrap();
        assert_eq!((record.status, record.steps["ada"].state), (Status::Claimed, StepState::Pending));
        for unknown in [DeliveryId::new(key, "bob"), DeliveryId::new(super::key("sms", 2), "ada")] {
            let settled = store.settle_doubt(&decision(&unknown, sent())).await;
            assert_eq!(settled, Err(SettleError::Resolve(ResolveError::Unknown(unknown.to_string()))));
        }
        let actions: Vec<String> =
            store.audit().entries(0, 10).await.unwrap().into_iter().map(|entry| entry.note.action).collect();
        assert_eq!(actions, ["doubt-send-again"]);
    });
}

#[test]
fn the_dead_letter_stays_while_another_doubt_of_its_job_waits_or_when_its_queue_is_gone() {
    run(|backend| async move {
        let store = backend.store();
        let queue = backend.create_queue("sms", None).await;
        let key = super::key("sms", 3);
        let mut record = left(&backend, &key, StepState::InDoubt, Status::InDoubt, long_ago()).await;
        record.steps.insert("bob".into(), record.steps["ada"].clone());
        record.revision += 1;
        backend.inbox().write(&record).await.unwrap();
        bury(&*queue, message(EventId::from_bytes([3; 16]), Attributes::new())).await;
        let (ada, bob) = (DeliveryId::new(key.clone(), "ada"), DeliveryId::new(key, "bob"));
        assert_eq!(store.settle_doubt(&decision(&ada, sent())).await, Ok(Settled::OthersWait));
        assert_eq!(backend.dead_letters("sms").await.len(), 1);

        let url = store.resources().queue_url("sms");
        store.aws().sqs().delete_queue().queue_url(url).send().await.unwrap();
        let settled = store.settle_doubt(&decision(&bob, sent())).await;
        assert!(matches!(settled, Err(SettleError::NotMoved { .. })), "{settled:?}");
        assert_eq!(backend.dead_letters("sms").await.len(), 1, "it is never deleted before it was sent");
        assert_eq!(store.audit().entries(0, 10).await.unwrap().len(), 2);
    });
}

#[test]
fn a_letter_that_was_put_into_quarantine_is_found_and_goes_back_to_its_queue() {
    run(|backend| async move {
        let store = backend.store();
        let queue = backend.create_queue("sms", None).await;
        let key = super::key("sms", 5);
        left(&backend, &key, StepState::InDoubt, Status::InDoubt, long_ago()).await;
        let attributes = Attributes::from([("tenant".to_owned(), "acme".to_owned())]);
        let given = message(EventId::from_bytes([5; 16]), attributes.clone());
        let other = message(EventId::from_bytes([9; 16]), Attributes::new());
        bury(&*queue, given.clone()).await;
        let letters = store.dead_letter_queues();
        letters.create("sms-quarantine").await.unwrap();
        let taken = letters.take("sms-dlq", 10, LEASE).await.unwrap().remove(0);
        let DeadLetter { message_id: dedup, body, attributes: beside, types, group, .. } = taken.letter;
        let aside = OutgoingLetter { body, attributes: beside, types, group, dedup, copy_of: None };
        letters.send(&Destination::Queue("sms-quarantine".into()), &[aside]).await.remove(0).unwrap();
        letters.delete("sms-dlq", &[taken.receipt]).await.remove(0).unwrap();
        bury(&*queue, other.clone()).await;

        let id = DeliveryId::new(key, "ada");
        assert_eq!(store.settle_doubt(&decision(&id, sent())).await, Ok(Settled::GoesOn));
        let back = one(&*queue).await;
        assert_eq!((back.body, back.attributes), (given.body, attributes));
        assert_eq!(letters.take("sms-quarantine", 10, LEASE).await.unwrap(), []);
        assert_eq!(
            backend.dead_letters("sms").await.into_iter().map(|letter| letter.body).collect::<Vec<_>>(),
            [other.body]
        );
    });
}

#[test]
fn a_body_that_was_put_aside_for_its_failure_comes_back_with_all_attributes() {
    run(|backend| async move {
        let store = backend.store();
        let queue = backend.create_queue("sms", None).await;
        let key = super::key("sms", 4);
        left(&backend, &key, StepState::InDoubt, Status::InDoubt, long_ago()).await;
        let attributes: Attributes = (0..10).map(|n| (format!("a{n}"), "v".to_owned())).collect();
        let body = format!(r#"{{"id":"{}","text":"{}"}}"#, EventId::from_bytes([4; 16]), "x".repeat((1 << 20) - 400));
        let given = NewMessage { body: body.clone().into(), attributes: attributes.clone(), delay: Duration::ZERO };
        bury(&*queue, given).await;
        let dead = backend.dead_letters("sms").await;
        assert!(
            dead[0].body.len() < 1000 && dead[0].attributes.contains_key(FAILURE_ATTRIBUTE),
            "{:?}",
            dead[0].attributes
        );

        let id = DeliveryId::new(key, "ada");
        assert_eq!(store.settle_doubt(&decision(&id, Resolution::SendAgain)).await, Ok(Settled::GoesOn));
        let back = one(&*queue).await;
        assert!(back.body == body, "{} bytes", back.body.len());
        assert_eq!(back.attributes, attributes);
        assert!(backend.dead_letters("sms").await.is_empty());
    });
}

/// Nobody has made a queue for them.
#[test]
fn a_call_of_a_workflow_is_settled_without_a_message() {
    run(|backend| async move {
        let store = backend.store();
        for (consumer, resolution) in
            [("http", sent()), ("database", Resolution::SendAgain), ("sms", Resolution::Failed)]
        {
            let mut event = [7; 16];
            event[6] = 0x80;
            let key = IdempotencyKey::new(consumer, EventId::from_bytes(event));
            super::left_in_doubt(&backend, &key).await;
            let id = DeliveryId::new(key.clone(), "ada");
            let settled = store.settle_doubt(&decision(&id, resolution)).await;
            assert_eq!(settled, Ok(Settled::NoDeadLetter), "{consumer}");
            let record = store.inbox().get(&key).await.unwrap().unwrap();
            assert!(record.steps.values().all(|step| step.state != StepState::InDoubt), "{record:?}");
        }
        assert_eq!(store.audit().entries(0, 10).await.unwrap().len(), 3);
    });
}
