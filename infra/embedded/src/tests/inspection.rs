//! The life of an event as it can be looked at.

use std::time::Duration;

use sendoff_consumers::{Claim, Claimed, IdempotencyKey, Status};
use sendoff_events::Clock as _;
use sendoff_producers::Expected;
use serde_json::json;

use super::{Bench, LEASE, failure, message, receive, write};
use crate::DeliveryState;

#[tokio::test]
async fn an_event_is_found_with_its_changes_its_children_and_its_chain() {
    let bench = Bench::new();
    let root = bench.event("crm", None);
    let child = bench.event("crm", Some(root.id()));
    let writes = ["a", "b"].map(|id| write(id, Expected::Absent, Some(json!(id)))).to_vec();
    bench.store.records().commit(bench.work(writes, vec![root.clone()])).await.unwrap();
    bench.store.publisher().publish(std::slice::from_ref(&child)).await[0].as_ref().unwrap();

    let found = bench.store.event(root.id()).await.unwrap().unwrap();
    assert_eq!(found.body, root.body());
    assert_eq!(found.changes.iter().map(|c| c.key.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(found.summary.subject, "apps/crm/assignments/ada");
    assert_eq!(found.summary.correlation, root.id().to_string());
    assert_eq!(found.summary.committed_at, bench.clock.now());
    assert!(found.summary.published_at.is_some());
    assert!(bench.store.outbox().pending(bench.clock.now() + LEASE, 10).await.unwrap().events.is_empty());

    let ids = |events: Vec<crate::EventSummary>| events.into_iter().map(|event| event.id).collect::<Vec<_>>();
    assert_eq!(ids(bench.store.caused_by(root.id()).await.unwrap()), [child.id()]);
    assert_eq!(ids(bench.store.correlated(&root.id().to_string()).await.unwrap()), [root.id(), child.id()]);
    assert_eq!(ids(bench.store.events(1, 10).await.unwrap()), [child.id()]);
    assert_eq!(bench.store.last_event().await.unwrap(), 2);
    assert_eq!(bench.store.event(bench.event("x", None).id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_type_that_does_not_read_as_one_is_shown_as_it_stands_and_hides_no_other_event() {
    let bench = Bench::new();
    let root = bench.event("crm", None);
    let (strange, good) = (bench.event("crm", Some(root.id())), bench.event("crm", Some(root.id())));
    for event in [&root, &strange, &good] {
        bench.store.publisher().publish(std::slice::from_ref(event)).await[0].as_ref().unwrap();
    }
    let change = "UPDATE events SET type = 'App.Archived.v0' WHERE id = ?1";
    bench.connection().execute(change, [strange.id().as_bytes()]).unwrap();
    let types = |events: Vec<crate::EventSummary>| events.into_iter().map(|event| event.event_type).collect::<Vec<_>>();
    let (usual, kept) = ("app.assigned.v1", "App.Archived.v0");
    assert_eq!(types(bench.store.events(0, 10).await.unwrap()), [usual, kept, usual]);
    assert_eq!(types(bench.store.caused_by(root.id()).await.unwrap()), [kept, usual]);
    assert_eq!(types(bench.store.correlated(&root.id().to_string()).await.unwrap()), [usual, kept, usual]);
    assert_eq!(bench.store.event(strange.id()).await.unwrap().unwrap().summary.event_type, kept);
}

#[tokio::test]
async fn the_deliveries_of_an_event_show_where_it_stands_in_every_queue() {
    let bench = Bench::new();
    let event = bench.event("crm", None);
    let names = ["dead", "delayed", "done", "held", "queued"];
    for name in names {
        bench.subscribed(name).await;
    }
    bench.store.publisher().publish(std::slice::from_ref(&event)).await[0].as_ref().unwrap();
    for name in &names[..4] {
        let queue = bench.store.queue(name).await.unwrap();
        let delivery = receive(&*queue, 1).await.remove(0);
        match *name {
            "dead" => queue.dead_letter(&[(delivery, failure("bad-template"))]).await.remove(0).unwrap(),
            "delayed" => queue.release(&[(delivery, Duration::from_secs(5))]).await.remove(0).unwrap(),
            "done" => queue.ack(&[delivery.receipt]).await.remove(0).unwrap(),
            _ => {}
        }
    }
    let found = bench.store.event_deliveries(event.id()).await.unwrap();
    let found: Vec<_> = found.iter().map(|d| (d.queue.as_str(), d.receives, d.state.clone())).collect();
    assert_eq!(
        found,
        [
            ("dead-dlq", 1, DeliveryState::Dead(Some(failure("bad-template")))),
            ("delayed", 1, DeliveryState::Delayed),
            ("held", 1, DeliveryState::InFlight),
            ("queued", 0, DeliveryState::Queued),
        ]
    );
    let queues = bench.store.queues().await.unwrap();
    let depths: Vec<_> = queues
        .iter()
        .map(|q| (q.name.as_str(), q.depth.visible, q.depth.in_flight, q.depth.delayed, q.depth.dead))
        .collect();
    assert_eq!(
        depths,
        [
            ("dead", 0, 0, 0, 1),
            ("delayed", 0, 0, 1, 0),
            ("done", 0, 0, 0, 0),
            ("held", 0, 1, 0, 0),
            ("queued", 1, 0, 0, 0),
        ]
    );
}

#[tokio::test]
async fn the_inbox_of_an_event_lists_every_consumer() {
    let bench = Bench::new();
    let (event, inbox) = (bench.event("crm", None).id(), bench.store.inbox());
    let now = bench.clock.now();
    for (fence, consumer) in (1..).zip(["workflow-kickoff", "email"]) {
        let key = IdempotencyKey::new(consumer, event);
        let claim =
            Claim { key, fence, payload_hash: [7; 32], replay: 0, now, lease_until: now + LEASE, reconcile: false };
        let Claimed::Won(mut record) = inbox.claim(&claim).await.unwrap() else { panic!("it was free") };
        record.status = Status::Done;
        record.revision += 1;
        inbox.write(&record).await.unwrap();
    }
    let records = bench.store.inbox_for_event(event).await.unwrap();
    let consumers: Vec<_> = records.iter().map(|record| (record.key.consumer(), record.status)).collect();
    assert_eq!(consumers, [("email", Status::Done), ("workflow-kickoff", Status::Done)]);
}

#[tokio::test]
async fn a_parked_change_counts_as_dead_and_not_as_waiting() {
    let bench = Bench::new();
    let changes = bench.store.changes();
    let writes = vec![write("crm", Expected::Any, Some(json!(1)))];
    bench.store.records().commit(bench.work(writes, vec![])).await.unwrap();
    let change = changes.read("timeline", 1, Duration::ZERO).await.unwrap().remove(0);
    changes.park("timeline", &change, &failure("bad-data")).await.unwrap();
    bench.store.queue("email").await.unwrap().send(&[message("x")]).await[0].as_ref().unwrap();
    let queues = bench.store.queues().await.unwrap();
    let found: Vec<_> = queues.iter().map(|q| (q.name.as_str(), q.depth.visible, q.depth.dead)).collect();
    assert_eq!(found, [("email", 1, 0), ("timeline-dlq", 0, 1)]);
}
