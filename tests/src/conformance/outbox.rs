//! Outbox: what was committed is published, and nothing else is.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{Filter, Queue};
use sendoff_events::{EventId, Outgoing};
use sendoff_producers::{
    Expected, UnitOfWork,
    relay::{SWEEP_AFTER, publish_committed, sweep},
};
use serde_json::json;

use super::{
    Backend,
    given::{applied, assert_nothing_visible, event, event_id, receive_copies, receive_one, request, work, write},
};

async fn subscribed(backend: &dyn Backend) -> Arc<dyn Queue> {
    backend.create_queue("all", Some(Filter::default())).await
}

async fn commit(backend: &dyn Backend, events: &[Outgoing]) {
    let unit = UnitOfWork { events: events.to_vec(), ..work(backend, vec![]) };
    applied(backend.records().commit(unit).await);
}

/// Lets the sweep find everything.
async fn relayed(backend: &dyn Backend) {
    backend.advance(SWEEP_AFTER + Duration::from_secs(1)).await;
    let (outbox, publisher) = (backend.outbox(), backend.publisher());
    let run = sweep(&*outbox, &*publisher, &*backend.clock(), 10).await.expect("the outbox answers");
    assert_eq!(run.left, []);
}

async fn pending(backend: &dyn Backend, limit: usize) -> Vec<EventId> {
    backend.advance(Duration::from_secs(1)).await;
    let pending = backend.outbox().pending(backend.clock().now(), limit).await.expect("the outbox answers");
    assert_eq!(pending.stuck, []);
    pending.events.into_iter().map(|event| event.id()).collect()
}

pub(super) async fn a_committed_event_is_delivered_although_its_committer_died(backend: &dyn Backend) {
    let queue = subscribed(backend).await;
    let event = event(backend);
    commit(backend, std::slice::from_ref(&event)).await;
    relayed(backend).await;
    let delivery = receive_one(backend, &*queue).await;
    assert_eq!(delivery.body, event.body());
    assert_eq!(delivery.attributes["type"], "app.assigned.v1");
    assert_eq!(delivery.attributes["tenant"], "acme");
}

pub(super) async fn a_committed_event_is_delivered_when_it_is_published_at_once(backend: &dyn Backend) {
    let queue = subscribed(backend).await;
    let event = event(backend);
    commit(backend, std::slice::from_ref(&event)).await;
    let run = publish_committed(&*backend.outbox(), &*backend.publisher(), std::slice::from_ref(&event)).await;
    assert_eq!((run.published, run.unmarked, run.left), (1, 0, vec![]));
    assert_eq!(receive_copies(backend, &*queue).await[0].body, event.body());
    assert_eq!(pending(backend, 10).await, [], "it was marked");
}

pub(super) async fn events_of_a_refused_commit_are_never_delivered(backend: &dyn Backend) {
    let queue = subscribed(backend).await;
    let good = UnitOfWork {
        events: vec![event(backend)],
        request: Some(request("r", 1, "first")),
        ..work(backend, vec![write("a", Expected::Absent, json!(1))])
    };
    applied(backend.records().commit(good.clone()).await);
    let again = |unit: UnitOfWork| UnitOfWork { events: vec![event(backend), event(backend)], ..unit };
    let conflict = UnitOfWork { request: None, ..again(good.clone()) };
    let mismatch = UnitOfWork { request: Some(request("r", 2, "other")), ..again(good.clone()) };
    let invalid = UnitOfWork { tenant: "other".parse().expect("a tenant"), request: None, ..again(good.clone()) };
    for refused in [conflict, mismatch, invalid] {
        assert!(backend.records().commit(refused).await.is_err());
    }
    backend.records().commit(again(good.clone())).await.expect("the first answer");
    relayed(backend).await;
    let delivery = receive_one(backend, &*queue).await;
    assert_eq!(delivery.body, good.events[0].body());
    queue.ack(&[delivery.receipt]).await;
    assert_nothing_visible(&*queue, "only the first commit's event was committed").await;
}

pub(super) async fn an_event_is_pending_until_it_is_marked(backend: &dyn Backend) {
    let events = [event(backend), event(backend)];
    commit(backend, &events).await;
    assert_eq!(pending(backend, 10).await.len(), 2);
    backend.outbox().mark_published(&[events[0].id()]).await.expect("the outbox answers");
    assert_eq!(pending(backend, 10).await, [events[1].id()]);
}

pub(super) async fn the_oldest_pending_events_come_first_and_no_more_than_asked_for(backend: &dyn Backend) {
    let events: Vec<Outgoing> = (0..5).map(|_| event(backend)).collect();
    for event in &events {
        commit(backend, std::slice::from_ref(event)).await;
        backend.advance(Duration::from_secs(1)).await;
    }
    assert_eq!(pending(backend, 3).await, [events[0].id(), events[1].id(), events[2].id()]);
}

pub(super) async fn what_was_just_committed_is_left_to_the_fast_path(backend: &dyn Backend) {
    commit(backend, &[event(backend)]).await;
    let before = backend.clock().now() - SWEEP_AFTER;
    assert!(backend.outbox().pending(before, 10).await.expect("the outbox answers").events.is_empty());
}

pub(super) async fn marking_twice_or_what_does_not_exist_does_nothing(backend: &dyn Backend) {
    let event = event(backend);
    commit(backend, std::slice::from_ref(&event)).await;
    for ids in [vec![event.id()], vec![event.id(), event_id(backend), event.id()], vec![]] {
        backend.outbox().mark_published(&ids).await.expect("no error");
    }
    assert_eq!(pending(backend, 10).await, []);
}
