//! The fast path: publishing right after the commit never costs an answer.

use std::{
    future::pending,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};

use axum::http::StatusCode;
use sendoff_events::{BoxFuture, EventId, Outgoing, Timestamp};
use sendoff_producers::{Outbox, OutboxError, Pending, PublishError, Publisher};

use crate::world::World;

#[derive(Clone, Copy)]
enum Topic {
    Works,
    Refuses,
    Hangs,
    Panics,
}

struct Stub {
    topic: Topic,
    published: Mutex<Vec<EventId>>,
    marked: Mutex<Vec<EventId>>,
}

impl Publisher for Stub {
    fn publish<'a>(&'a self, events: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            match self.topic {
                Topic::Works => self.published.lock().unwrap().extend(events.iter().map(|event| event.id())),
                Topic::Refuses => return vec![Err(PublishError::Unavailable("planted".into())); events.len()],
                Topic::Hangs => pending().await,
                Topic::Panics => panic!("planted"),
            }
            vec![Ok(()); events.len()]
        })
    }
}

impl Outbox for Stub {
    fn pending(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<Pending, OutboxError>> {
        Box::pin(async { Ok(Pending::default()) })
    }

    fn mark_published<'a>(&'a self, ids: &'a [EventId]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.marked.lock().unwrap().extend(ids);
        Box::pin(async { Ok(()) })
    }
}

fn assign(topic: Topic) -> (World, Arc<Stub>, StatusCode) {
    let stub = Arc::new(Stub { topic, published: Mutex::default(), marked: Mutex::default() });
    let world = World::with(|state| state.with_fast_path(stub.clone(), stub.clone())).furnish();
    // Only from here on: a wait that ends at once would end the health probe too.
    world.clock.flies.store(true, Relaxed);
    let reply = world.put("/v1/apps/expenses/assignments/ada").send();
    assert!(reply.header("sendoff-event-id").is_some());
    (world, stub, reply.status)
}

#[test]
fn a_committed_event_is_published_and_marked() {
    let (world, stub, status) = assign(Topic::Works);
    assert_eq!(status, StatusCode::CREATED);
    let committed: Vec<_> = world.records.events().iter().map(|event| event.id()).collect();
    assert_eq!(*stub.published.lock().unwrap(), committed);
    assert_eq!(*stub.marked.lock().unwrap(), committed);
}

#[test]
fn a_topic_that_refuses_hangs_or_panics_does_not_fail_the_request() {
    for topic in [Topic::Refuses, Topic::Hangs, Topic::Panics] {
        let (world, stub, status) = assign(topic);
        assert_eq!(status, StatusCode::CREATED);
        assert_eq!(world.records.events().len(), 1);
        assert!(stub.marked.lock().unwrap().is_empty(), "what wasn't published must stay in the outbox");
    }
}
