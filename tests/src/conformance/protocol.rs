//! The whole way of a message, through the real router and worker over the backend's ports.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use sendoff_consumers::{
    Backoff, Context, DeadLetter, Effect, FAILURE_ATTRIBUTE, Failure, Handler, HandlerError, IdempotencyKey, NoMeter,
    NotSent, OnDoubt, Policy, Queue, QueueError, REPLAY_ATTRIBUTE, Router, RouterPorts, SendOutcome, Status, Stop,
    Worker, WorkerSettings, reopen,
};
use sendoff_events::{AppAssigned, Envelope, EventId, SubmissionUpdated};

use super::{
    Backend, Capability,
    given::{acme, event, event_of, eventually, large_event, message, receive_copies, send, soon},
};

/// On the embedded system only the test moves the clock that far.
const WAITS: Backoff = Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(2) };

/// Counts what it does, and fails as its event's user tells it to.
#[derive(Default, Clone)]
struct Mailer(Arc<AtomicU32>);

impl Handler for Mailer {
    type Event = AppAssigned;
    const NAME: &'static str = "email";
    const POLICY: Policy = Policy {
        max_attempts: 3,
        backoff: WAITS,
        deferral: WAITS,
        timeout: Duration::from_secs(10),
        effect: Effect::Once,
        on_doubt: OnDoubt::Hold { window: Duration::ZERO },
    };

    async fn handle(&self, event: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        let outcome = match (event.data.user_id.as_str(), cx.attempt()) {
            ("refused", _) => SendOutcome::NotSent(NotSent::Permanent { reason: "550 no such user".into() }),
            ("unlucky", ..3) => SendOutcome::NotSent(NotSent::Transient { reason: "451 try later".into() }),
            ("hopeless", _) => SendOutcome::NotSent(NotSent::Transient { reason: "451 try later".into() }),
            ("unknown", _) => SendOutcome::Unknown { provider: None, reason: "no answer".into() },
            _ => SendOutcome::Sent { provider: None, provider_id: Some("m-1".into()) },
        };
        cx.once("recipient", |_| async {
            self.0.fetch_add(1, SeqCst);
            outcome
        })
        .await
        .map(drop)
    }
}

/// Takes what is large.
struct Archive(Arc<AtomicU32>);

impl Handler for Archive {
    type Event = SubmissionUpdated;
    const NAME: &'static str = "email";

    async fn handle(&self, event: &Envelope<SubmissionUpdated>, _: &Context) -> Result<(), HandlerError> {
        let bytes: usize = event.data.changed_fields.iter().map(String::len).sum();
        self.0.fetch_add(u32::try_from(bytes).unwrap_or(u32::MAX), SeqCst);
        Ok(())
    }
}

/// The `email` consumer of a backend: its queue, and what it did.
struct Consumer<'b> {
    backend: &'b dyn Backend,
    router: Router,
    queue: Arc<dyn Queue>,
    mails: Arc<AtomicU32>,
    archived: Arc<AtomicU32>,
}

impl<'b> Consumer<'b> {
    async fn of(backend: &'b dyn Backend) -> Self {
        let (mails, archived) = (Arc::default(), Arc::default());
        let ports = RouterPorts {
            inbox: backend.inbox(),
            clock: backend.clock(),
            rng: backend.rng(),
            blobs: Some(backend.blobs()),
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        };
        let router =
            Router::new(ports).with(Mailer(Arc::clone(&mails))).and_then(|r| r.with(Archive(Arc::clone(&archived))));
        let router = router.expect("a valid router");
        let filter = router.consumer("email").expect("it is there").filter();
        let queue = backend.create_queue("email", Some(filter)).await;
        Self { backend, router, queue, mails, archived }
    }

    /// Works until the queue is empty, then stops.
    async fn work(&self) {
        let settings = WorkerSettings { wait: Duration::from_secs(1), ..WorkerSettings::default() };
        let consumer = self.router.consumer("email").expect("it is there").clone();
        let (clock, rng) = (self.backend.clock(), self.backend.rng());
        let worker = Worker::new(consumer, self.queue.clone(), clock, rng, settings);
        let (stopper, stop) = Stop::pair();
        let empty = async {
            eventually("the queue is empty", || async {
                let depth = self.queue.depth().await.expect("the queue answers");
                if depth.visible + depth.in_flight == 0 && depth.delayed > 0 {
                    // Nobody is at work; a message waits for its backoff, or for the end of somebody's claim.
                    self.backend.advance(self.backend.tick()).await;
                }
                (depth.visible + depth.in_flight + depth.delayed == 0).then_some(())
            })
            .await;
            stopper.stop();
        };
        soon("the worker", async { tokio::join!(worker.run(stop), empty) }).await;
    }

    fn mails(&self) -> u32 {
        self.mails.load(SeqCst)
    }

    async fn status(&self, event: EventId) -> Option<Status> {
        let key = IdempotencyKey::new("email", event);
        self.backend.inbox().get(&key).await.expect("the inbox answers").map(|record| record.status)
    }

    async fn dead(&self) -> Vec<(DeadLetter, Failure)> {
        let failure = |letter: &DeadLetter| serde_json::from_str(&letter.attributes[FAILURE_ATTRIBUTE]).expect("JSON");
        let letters = self.backend.dead_letters("email").await;
        letters.into_iter().map(|letter| (letter.clone(), failure(&letter))).collect()
    }
}

/// Bodies that can't be handled, by the reason of their dead letters.
fn unfit(good: &Bytes) -> BTreeMap<&'static str, Vec<Bytes>> {
    let text = std::str::from_utf8(good).expect("an envelope is text");
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is in {text}");
        Bytes::from(text.replace(from, to))
    };
    let mut broken = good.to_vec();
    broken[20] = 0xff;
    BTreeMap::from([
        ("not-json", vec!["Hello!".into(), good.slice(..good.len() - 1), Bytes::new()]),
        ("not-utf8", vec![broken.into(), vec![0xc3].into()]),
        (
            "not-an-envelope",
            vec![
                "{}".into(),
                "[]".into(),
                changed("\"specversion\":\"1.0\",", ""),
                changed("\"time\":\"20", "\"time\":\"x20"),
            ],
        ),
        ("unknown-type", vec![changed("app.assigned.v1", "app.painted.v1")]),
        ("unknown-version", vec![changed("app.assigned.v1", "app.assigned.v99")]),
        ("bad-data", vec![changed("\"user_id\":\"grace\",", ""), changed("\"grace\"", "17")]),
        ("body-too-large", vec![vec![b' '; 10 << 20].into()]),
    ])
}

pub(super) async fn an_unfit_body_is_dead_lettered_with_its_reason_and_the_rest_of_its_batch_is_handled(
    backend: &dyn Backend,
) {
    let consumer = Consumer::of(backend).await;
    let good = event(backend);
    let takes_any_bytes = backend.lacks().iter().all(|(lacking, _)| *lacking != Capability::BinaryBodies);
    let is_text = |body: &Bytes| !body.is_empty() && std::str::from_utf8(body).is_ok();
    let mut expected: Vec<(&str, Bytes)> = Vec::new();
    for (reason, bodies) in unfit(good.body()) {
        for body in bodies {
            match consumer.queue.send(&[message(body.clone())]).await.remove(0) {
                Ok(_) => expected.push((reason, body)),
                // A broker may refuse at the door what is too large for it, or no text.
                Err(QueueError::Refused(_)) if body.len() > 1 << 20 || !(takes_any_bytes || is_text(&body)) => {}
                Err(error) => panic!("{reason}: {error}"),
            }
        }
    }
    send(&*consumer.queue, &[message(good.body().clone())]).await;
    consumer.work().await;

    assert_eq!((consumer.mails(), consumer.status(good.id()).await), (1, Some(Status::Done)));
    let dead = consumer.dead().await;
    assert_eq!(dead.len(), expected.len());
    for (reason, body) in expected {
        let letter = dead.iter().find(|(letter, _)| letter.body == body).expect("it is a dead letter");
        assert_eq!((&*letter.1.reason, &*letter.1.consumer), (reason, "email"));
    }
}

pub(super) async fn an_event_that_is_published_three_times_is_handled_once(backend: &dyn Backend) {
    let consumer = Consumer::of(backend).await;
    let event = event(backend);
    for _ in 0..3 {
        assert_eq!(backend.publisher().publish(std::slice::from_ref(&event)).await, [Ok(())]);
    }
    receive_copies(backend, &*consumer.queue).await;
    backend.advance(backend.tick() * 2).await;
    consumer.work().await;
    assert_eq!((consumer.mails(), consumer.status(event.id()).await), (1, Some(Status::Done)));
    assert!(consumer.dead().await.is_empty());
}

pub(super) async fn a_failing_event_is_retried_until_it_works_or_its_attempts_are_used_up(backend: &dyn Backend) {
    let consumer = Consumer::of(backend).await;
    let users = ["unlucky", "hopeless", "refused", "unknown", "grace"];
    let events = users.map(|user| event_of(backend, &acme(), user));
    assert_eq!(backend.publisher().publish(&events).await, vec![Ok(()); 5]);
    consumer.work().await;

    let mut statuses = Vec::new();
    for event in &events {
        statuses.push(consumer.status(event.id()).await.expect("each has a record"));
    }
    assert_eq!(statuses, [Status::Done, Status::Failed, Status::Failed, Status::InDoubt, Status::Done]);
    assert_eq!(consumer.mails(), 3 + 3 + 1 + 1 + 1);
    let dead = consumer.dead().await;
    let reason =
        |n: usize| dead.iter().find(|(letter, _)| letter.body == events[n].body()).map(|(_, f)| f.reason.as_str());
    let reasons: Vec<_> = (0..5).map(reason).collect();
    let expected = [None, Some("attempts-exhausted"), Some("refused-by-provider"), Some("outcome-unknown"), None];
    assert_eq!(reasons, expected);
}

pub(super) async fn a_replayed_dead_letter_runs_again_and_what_is_done_or_in_doubt_does_not(backend: &dyn Backend) {
    let consumer = Consumer::of(backend).await;
    let events = ["refused", "unknown", "grace"].map(|user| event_of(backend, &acme(), user));
    assert_eq!(backend.publisher().publish(&events).await, vec![Ok(()); 3]);
    consumer.work().await;
    assert_eq!(consumer.mails(), 3);
    for event in &events {
        let mut replayed = message(event.body().clone());
        replayed.attributes.insert(REPLAY_ATTRIBUTE.into(), "1".into());
        send(&*consumer.queue, &[replayed]).await;
    }
    consumer.work().await;
    assert_eq!(consumer.mails(), 4, "only the refused one ran again");
}

pub(super) async fn an_event_over_the_topics_limit_is_handled_like_any_other(backend: &dyn Backend) {
    let consumer = Consumer::of(backend).await;
    let event = large_event(backend, 600_000);
    assert_eq!(backend.publisher().publish(std::slice::from_ref(&event)).await, [Ok(())]);
    consumer.work().await;
    assert_eq!(consumer.archived.load(SeqCst), 600_000);
    assert_eq!(consumer.status(event.id()).await, Some(Status::Done));
}

pub(super) async fn a_job_that_was_done_and_is_reopened_has_its_effect_once_more(backend: &dyn Backend) {
    let consumer = Consumer::of(backend).await;
    let event = event(backend);
    assert_eq!(backend.publisher().publish(std::slice::from_ref(&event)).await, [Ok(())]);
    consumer.work().await;
    assert_eq!(consumer.mails(), 1);
    let key = IdempotencyKey::new("email", event.id());
    reopen(&*backend.inbox(), &key, "grace: she lost it", backend.clock().now()).await.expect("reopened");
    for replay in ["1", "1", "0"] {
        let mut replayed = message(event.body().clone());
        replayed.attributes.insert(REPLAY_ATTRIBUTE.into(), replay.into());
        send(&*consumer.queue, &[replayed]).await;
    }
    consumer.work().await;
    assert_eq!((consumer.mails(), consumer.status(event.id()).await), (2, Some(Status::Done)));
    let record = backend.inbox().get(&key).await.expect("the inbox answers").expect("a record");
    assert_eq!((record.attempts, record.replay), (1, 1));
}
