//! What the promises are tried with, and how they wait.

use std::{collections::BTreeSet, future::Future, time::Duration};

use sendoff_consumers::{Class, Delivery, Failure, NewMessage, Queue};
use sendoff_events::{
    AppAssigned, Envelope, EventId, Origin, Outgoing, SubmissionUpdated, TenantId, Timestamp, at_millis,
};
use sendoff_producers::{Answer, CommitError, Committed, Expected, RecordKey, RequestKey, UnitOfWork, Write};
use serde_json::Value;

use super::Backend;

/// By when whatever must happen has happened, in real time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `look` finds, as soon as it finds something.
pub(super) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what} didn't happen within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// What `operation` comes to, which mustn't wait for anything that doesn't happen by itself.
pub(super) async fn soon<T>(what: &str, operation: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, operation).await {
        Ok(result) => result,
        Err(_) => panic!("{what} didn't end within {PATIENCE:?}"),
    }
}

/// The present moment, as the backend keeps it.
pub(super) fn at(backend: &dyn Backend) -> Timestamp {
    at_millis(backend.clock().now())
}

/// A tenant id.
pub(super) fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant id")
}

/// The tenant of everything that says nothing else.
pub(super) fn acme() -> TenantId {
    tenant("acme")
}

/// The key of `things/id` of the usual tenant.
pub(super) fn key(id: &str) -> RecordKey {
    RecordKey::new(&acme(), "things", id)
}

/// A write.
pub(super) fn write(id: &str, expected: Expected, data: impl Into<Option<Value>>) -> Write {
    Write { key: key(id), expected, data: data.into() }
}

/// A unit of work with these writes, of which nothing has to tell.
pub(super) fn work(backend: &dyn Backend, writes: Vec<Write>) -> UnitOfWork {
    UnitOfWork { writes, ..UnitOfWork::new(acme(), "ada", at(backend)).without_events() }
}

/// Commits writes that must succeed, and gives the versions.
pub(super) async fn commit(backend: &dyn Backend, writes: Vec<Write>) -> Vec<u64> {
    applied(backend.records().commit(work(backend, writes)).await)
}

/// The versions of a commit that must have been applied.
#[track_caller]
pub(super) fn applied(committed: Result<Committed, CommitError>) -> Vec<u64> {
    match committed {
        Ok(Committed::Applied { versions }) => versions,
        other => panic!("it should have been applied: {other:?}"),
    }
}

/// An answer with this body.
pub(super) fn answer(body: &str) -> Answer {
    Answer { status: 201, location: None, etag: None, events: Vec::new(), body: body.into() }
}

/// A request key.
pub(super) fn request(key: &str, fingerprint: u8, body: &str) -> RequestKey {
    RequestKey { key: key.into(), fingerprint: [fingerprint; 32], answer: answer(body) }
}

/// Where the events come from.
fn origin(tenant: &TenantId) -> Origin {
    Origin {
        source: "/conformance".into(),
        tenant: tenant.clone(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    }
}

/// A fresh event: `user` was assigned an app.
pub(super) fn event_of(backend: &dyn Backend, tenant: &TenantId, user: &str) -> Outgoing {
    let id = |text: &str| text.parse().expect("a user id");
    let app_id = "expenses".parse().expect("an app id");
    let data = AppAssigned { app_id, user_id: id(user), assigned_by: id("admin") };
    let envelope = Envelope::new(data, origin(tenant), Some(1), &*backend.clock(), &*backend.rng());
    envelope.encode().expect("it encodes")
}

/// A fresh event of the usual tenant.
pub(super) fn event(backend: &dyn Backend) -> Outgoing {
    event_of(backend, &acme(), "grace")
}

/// A fresh `submission.updated` whose body has at least `bytes`.
pub(super) fn large_event(backend: &dyn Backend, bytes: usize) -> Outgoing {
    let data = SubmissionUpdated {
        app_id: "expenses".parse().expect("an app id"),
        submission_id: "s1".parse().expect("a submission id"),
        editor_id: "grace".parse().expect("a user id"),
        revision: 2,
        changed_fields: vec!["ä".repeat(bytes / 2)],
    };
    let envelope = Envelope::new(data, origin(&acme()), None, &*backend.clock(), &*backend.rng());
    envelope.encode().expect("it encodes")
}

/// A fresh event id.
pub(super) fn event_id(backend: &dyn Backend) -> EventId {
    EventId::generate(&*backend.clock(), &*backend.rng())
}

/// A message without attributes.
pub(super) fn message(body: impl Into<bytes::Bytes>) -> NewMessage {
    NewMessage { body: body.into(), ..NewMessage::default() }
}

/// A failure with every field set.
pub(super) fn failure(reason: &str) -> Failure {
    Failure {
        reason: reason.into(),
        class: Class::Rejected,
        fingerprint: format!("{reason}-0badcafe"),
        consumer: "email".into(),
        attempts: 3,
        first_at: moment(1),
        last_at: moment(2),
        error: "it said \"no\", and 'never' — ünd 漢字 \\ %".into(),
    }
}

/// A moment with milliseconds, `n` seconds after another one.
pub(super) fn moment(n: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_123 + n * 1000).expect("a moment")
}

/// Sends messages that must be accepted; gives their ids.
pub(super) async fn send(queue: &dyn Queue, messages: &[NewMessage]) -> Vec<String> {
    queue.send(messages).await.into_iter().map(|sent| sent.expect("the queue takes it")).collect()
}

/// Receives until `wanted` different messages are held, each under a lease of one tick.
pub(super) async fn receive(backend: &dyn Backend, queue: &dyn Queue, wanted: usize) -> Vec<Delivery> {
    receive_for(backend.tick(), queue, wanted).await
}

/// The same under a lease that outlasts whatever is done meanwhile, also where it takes real time.
pub(super) async fn hold(backend: &dyn Backend, queue: &dyn Queue, wanted: usize) -> Vec<Delivery> {
    receive_for(backend.tick() * 30, queue, wanted).await
}

/// The same under a lease of so long.
pub(super) async fn receive_for(lease: Duration, queue: &dyn Queue, wanted: usize) -> Vec<Delivery> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let (mut held, mut ids) = (Vec::new(), BTreeSet::new());
    while held.len() < wanted {
        let more = queue.receive(10, Duration::ZERO, lease).await.expect("the queue answers");
        if more.is_empty() {
            let waited = tokio::time::Instant::now() < deadline;
            assert!(waited, "only {} of {wanted} messages arrived within {PATIENCE:?}", held.len());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        held.extend(more.into_iter().filter(|delivery| ids.insert(delivery.message_id.clone())));
    }
    assert_eq!(held.len(), wanted, "more messages arrived than there are");
    held
}

/// Receives the one message that is there.
pub(super) async fn receive_one(backend: &dyn Backend, queue: &dyn Queue) -> Delivery {
    receive(backend, queue, 1).await.remove(0)
}

/// The copies of the one event that was published. How many arrive is the topic's business, as long as each is the event.
pub(super) async fn receive_copies(backend: &dyn Backend, queue: &dyn Queue) -> Vec<Delivery> {
    let copies = eventually("a delivery", || async {
        let received = queue.receive(10, Duration::ZERO, backend.tick()).await.expect("the queue answers");
        (!received.is_empty()).then_some(received)
    })
    .await;
    assert!(copies.iter().all(|copy| copy.body == copies[0].body && copy.attributes == copies[0].attributes));
    copies
}

/// Checks that nothing can be received now.
pub(super) async fn assert_nothing_visible(queue: &dyn Queue, why: &str) {
    let received = queue.receive(10, Duration::ZERO, Duration::from_secs(1)).await.expect("the queue answers");
    assert!(received.is_empty(), "{why}: {received:?}");
}
