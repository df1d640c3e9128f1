//! Publisher: from the topic into every queue that wants it.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use sendoff_consumers::{Delivery, Filter, Match, Queue};
use sendoff_events::{EXTENDED_SIZE_ATTRIBUTE, MAX_BODY_BYTES, Outgoing, Pointer};
use sendoff_producers::UnitOfWork;

use super::{
    Backend,
    given::{
        acme, applied, assert_nothing_visible, event, event_of, large_event, message, receive, receive_copies,
        receive_one, send, tenant, work,
    },
};

async fn subscribed(backend: &dyn Backend, name: &str, filter: Filter) -> Arc<dyn Queue> {
    backend.create_queue(name, Some(filter)).await
}

async fn publish(backend: &dyn Backend, events: &[Outgoing]) {
    let results = backend.publisher().publish(events).await;
    assert_eq!(results, vec![Ok(()); events.len()]);
}

fn by(attribute: &str, matches: Vec<Match>) -> Filter {
    Filter(BTreeMap::from([(attribute.to_owned(), matches)]))
}

/// The bodies of everything that is in the queue.
async fn bodies(backend: &dyn Backend, queue: &dyn Queue, wanted: usize) -> Vec<Bytes> {
    let mut bodies: Vec<Bytes> = receive(backend, queue, wanted).await.into_iter().map(|d| d.body).collect();
    assert_nothing_visible(queue, "no more was to come").await;
    bodies.sort();
    bodies
}

pub(super) async fn every_subscribed_queue_gets_the_event_byte_for_byte(backend: &dyn Backend) {
    let queues =
        [subscribed(backend, "email", Filter::default()).await, subscribed(backend, "audit", Filter::default()).await];
    let event = event(backend);
    publish(backend, std::slice::from_ref(&event)).await;
    for queue in queues {
        let delivery = receive_one(backend, &*queue).await;
        assert_eq!(delivery.body, event.body());
        assert_eq!(delivery.receive_count, 1);
    }
}

pub(super) async fn type_and_tenant_travel_as_attributes(backend: &dyn Backend) {
    let queue = subscribed(backend, "email", Filter::default()).await;
    publish(backend, &[event_of(backend, &tenant("Other-1.x"), "grace")]).await;
    let attributes = receive_one(backend, &*queue).await.attributes;
    assert_eq!(attributes["type"], "app.assigned.v1");
    assert_eq!(attributes["tenant"], "Other-1.x");
}

pub(super) async fn a_filter_by_type_lets_every_version_of_it_through_and_no_other_type(backend: &dyn Backend) {
    let queue = subscribed(backend, "email", Filter::event_types(["app.assigned"])).await;
    let (old, new, other) = (event(backend), event(backend), large_event(backend, 10));
    let of_type = "app.assigned.v99".parse().expect("a type");
    let new = Outgoing::stored(new.id(), of_type, acme(), new.subject().to_owned(), new.body().clone());
    publish(backend, &[old.clone(), other, new.clone()]).await;
    let mut expected = [old.body(), new.body()];
    expected.sort();
    assert_eq!(bodies(backend, &*queue, 2).await, expected);
}

pub(super) async fn a_filter_by_tenant_keeps_the_others_out(backend: &dyn Backend) {
    let exact = subscribed(backend, "exact", by("tenant", vec![Match::Exact("acme".into())])).await;
    let but = Match::AnythingBut { anything_but: vec!["acme".into()] };
    let others = subscribed(backend, "others", by("tenant", vec![but])).await;
    let (mine, theirs) = (event_of(backend, &acme(), "grace"), event_of(backend, &tenant("acme2"), "grace"));
    publish(backend, &[mine.clone(), theirs.clone()]).await;
    assert_eq!(bodies(backend, &*exact, 1).await, [mine.body()]);
    assert_eq!(bodies(backend, &*others, 1).await, [theirs.body()]);
}

pub(super) async fn a_queue_without_a_subscription_gets_nothing(backend: &dyn Backend) {
    let queue = backend.create_queue("aside", None).await;
    publish(backend, &[event(backend)]).await;
    send(&*queue, &[message("sentinel")]).await;
    assert_eq!(bodies(backend, &*queue, 1).await, ["sentinel"]);
}

pub(super) async fn an_event_that_nobody_wants_is_published_all_the_same(backend: &dyn Backend) {
    publish(backend, &[event(backend)]).await;
}

pub(super) async fn a_batch_of_any_size_gives_one_result_per_event_and_delivers_each(backend: &dyn Backend) {
    let queue = subscribed(backend, "email", Filter::default()).await;
    let events: Vec<Outgoing> = (0..25).map(|_| event(backend)).collect();
    publish(backend, &events).await;
    let mut expected: Vec<Bytes> = events.into_iter().map(Outgoing::into_body).collect();
    expected.sort();
    assert_eq!(bodies(backend, &*queue, 25).await, expected);
}

pub(super) async fn an_empty_batch_is_no_work(backend: &dyn Backend) {
    publish(backend, &[]).await;
}

pub(super) async fn publishing_an_event_again_is_safe(backend: &dyn Backend) {
    let queue = subscribed(backend, "email", Filter::default()).await;
    let event = event(backend);
    let unit = UnitOfWork { events: vec![event.clone()], ..work(backend, vec![]) };
    applied(backend.records().commit(unit).await);
    publish(backend, std::slice::from_ref(&event)).await;
    publish(backend, &[event.clone(), event.clone()]).await;
    for copy in receive_copies(backend, &*queue).await {
        assert_eq!(copy.body, event.body());
    }
}

/// The body as a consumer gets it: fetched, if it travels as a claim check.
async fn fetched(backend: &dyn Backend, delivery: &Delivery) -> Bytes {
    let blobs = backend.blobs();
    match Pointer::parse(&delivery.body, &[blobs.bucket()]).expect("a valid pointer, if it is one") {
        None => delivery.body.clone(),
        Some(pointer) => {
            let body = blobs.get(&pointer.key, MAX_BODY_BYTES as u64).await.expect("the blob is there");
            assert_eq!(delivery.attributes[EXTENDED_SIZE_ATTRIBUTE], body.len().to_string());
            body
        }
    }
}

pub(super) async fn a_body_over_the_limit_travels_as_a_claim_check(backend: &dyn Backend) {
    let queue = subscribed(backend, "email", Filter::default()).await;
    let event = large_event(backend, 300 * 1024);
    publish(backend, std::slice::from_ref(&event)).await;
    let delivery = receive_one(backend, &*queue).await;
    assert!(delivery.body.len() <= 256 * 1024, "a topic takes at most 256 KiB, this has {}", delivery.body.len());
    assert_eq!(delivery.attributes["type"], "submission.updated.v1");
    assert_eq!(fetched(backend, &delivery).await, event.body());
}

pub(super) async fn a_committed_body_over_the_limit_arrives_whole(backend: &dyn Backend) {
    let queue = subscribed(backend, "email", Filter::default()).await;
    let event = large_event(backend, 900 * 1024);
    let unit = UnitOfWork { events: vec![event.clone()], ..work(backend, vec![]) };
    applied(backend.records().commit(unit).await);
    publish(backend, std::slice::from_ref(&event)).await;
    let delivery = receive_copies(backend, &*queue).await.remove(0);
    assert_eq!(fetched(backend, &delivery).await, event.body());
}

pub(super) async fn bodies_around_the_limit_arrive_whole(backend: &dyn Backend) {
    let queue = subscribed(backend, "email", Filter::default()).await;
    let of_size = |bytes| {
        let event = event(backend);
        // White space after JSON is JSON.
        let mut body = event.body().to_vec();
        body.resize(bytes, b' ');
        event.with_body(body.into())
    };
    let events = [256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1].map(of_size);
    publish(backend, &events).await;
    let mut sizes = Vec::new();
    for delivery in receive(backend, &*queue, 3).await {
        let body = fetched(backend, &delivery).await;
        assert!(events.iter().any(|event| *event.body() == body));
        sizes.push(body.len());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1]);
}
