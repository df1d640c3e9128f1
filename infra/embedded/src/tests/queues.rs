//! Long polls, dropped receives, and how messages become dead letters.

use std::time::Duration;

use bytes::Bytes;
use sendoff_consumers::{FAILURE_ATTRIBUTE, Failure, NewMessage, QueueError, Schedule, SchedulesError};
use sendoff_events::Clock as _;

use super::{Bench, LEASE, failure, message, receive, until};
use crate::StoreError;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_long_poll_ends_as_soon_as_an_event_is_committed() {
    let bench = Bench::new();
    let queue = bench.subscribed("email").await;
    let mut poll = queue.receive(10, MINUTE, LEASE);
    assert!(futures::poll!(&mut poll).is_pending());
    let event = bench.event("crm", None);
    bench.store.records().commit(bench.work(vec![], vec![event.clone()])).await.unwrap();
    let deliveries = poll.await.unwrap();
    assert_eq!(deliveries[0].body, event.body());
    assert_eq!(deliveries[0].attributes["type"], "app.assigned.v1");
    assert_eq!(deliveries[0].attributes["tenant"], "acme");
}

#[tokio::test]
async fn a_long_poll_ends_when_a_delay_a_lease_or_its_own_time_ends() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[NewMessage { delay: MINUTE, ..message("later") }]).await[0].as_ref().unwrap();

    let wait = |seconds| queue.receive(10, Duration::from_secs(seconds), LEASE);
    let polled = tokio::join!(wait(300), moved(&bench, 60)).0.unwrap();
    assert_eq!((polled[0].body.as_ref(), polled[0].receive_count), (&b"later"[..], 1));

    let polled = tokio::join!(wait(300), moved(&bench, 30)).0.unwrap();
    assert_eq!((polled[0].body.as_ref(), polled[0].receive_count), (&b"later"[..], 2));
    queue.ack(&[polled[0].receipt.clone()]).await[0].as_ref().unwrap();

    let polled = tokio::join!(wait(20), moved(&bench, 20)).0.unwrap();
    assert!(polled.is_empty());
}

/// Moves the clock once a poll that begins now has looked and found nothing.
fn moved(bench: &Bench, seconds: u64) -> impl Future<Output = ()> {
    let before = bench.store.write_stats().operations;
    async move {
        until("a look into the queue", || async { bench.store.write_stats().operations > before }).await;
        bench.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn a_release_wakes_whoever_waits() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("hello")]).await[0].as_ref().unwrap();
    let first = receive(&*queue, 1).await.remove(0);
    let mut poll = queue.receive(1, MINUTE, LEASE);
    assert!(futures::poll!(&mut poll).is_pending());
    queue.release(&[(first.clone(), Duration::ZERO)]).await[0].as_ref().unwrap();
    assert_eq!(poll.await.unwrap()[0].receive_count, 2);
    assert_eq!(queue.ack(&[first.receipt]).await, [Err(QueueError::Stale)]);
}

#[tokio::test]
async fn messages_of_a_receive_that_nobody_waits_for_go_back_at_once_and_uncounted() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("one"), message("two")]).await;
    let held = bench.hold();
    let mut dropped = queue.receive(10, Duration::ZERO, MINUTE);
    assert!(futures::poll!(&mut dropped).is_pending());
    drop((dropped, held));
    let again = queue.receive(10, MINUTE, LEASE).await.unwrap();
    assert_eq!(again.iter().map(|d| d.receive_count).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn messages_that_were_answered_but_not_taken_go_back_as_well() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("one")]).await[0].as_ref().unwrap();
    let before = bench.store.write_stats().operations;
    let held = bench.hold();
    let mut dropped = queue.receive(10, MINUTE, MINUTE);
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(held);
    until("the lease", || async { bench.store.write_stats().operations > before }).await;
    drop(dropped);
    let again = queue.receive(10, MINUTE, LEASE).await.unwrap();
    assert_eq!(again[0].receive_count, 1);
}

#[tokio::test]
async fn a_message_that_never_comes_to_a_verdict_is_dead_lettered_with_that_reason() {
    let bench = Bench::with(|options| options.max_receives = 3);
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("heavy")]).await[0].as_ref().unwrap();
    for _ in 0..3 {
        assert_eq!(receive(&*queue, 1).await.len(), 1);
        bench.clock.advance(LEASE);
    }
    assert!(receive(&*queue, 1).await.is_empty());
    let letters = bench.letters("email-dlq").await;
    let failure: Failure = serde_json::from_str(&letters[0].attributes[FAILURE_ATTRIBUTE]).unwrap();
    assert_eq!((failure.reason.as_str(), failure.attempts), ("receive-count-exceeded", 3));
    assert_eq!(letters[0].body, "heavy");
}

#[tokio::test]
async fn a_dead_letter_keeps_all_it_had_and_can_be_received_from_its_own_queue() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    let poison = Bytes::from_static(b"\xff\x00 not JSON");
    let attributes = [("type".to_owned(), "x".to_owned())].into();
    let sent = NewMessage { body: poison.clone(), attributes, delay: Duration::ZERO };
    let id = queue.send(&[sent]).await.remove(0).unwrap();
    let delivery = receive(&*queue, 1).await.remove(0);
    let entry = (delivery, failure("not-json"));
    queue.dead_letter(std::slice::from_ref(&entry)).await[0].as_ref().unwrap();
    assert_eq!(queue.dead_letter(&[entry]).await, [Err(QueueError::Stale)]);
    assert_eq!(queue.depth().await.unwrap().dead, 1);

    let dlq = bench.store.queue("email-dlq").await.unwrap();
    let dead = receive(&*dlq, 10).await.remove(0);
    assert_eq!((dead.message_id, dead.body, dead.receive_count), (id, poison, 2));
    assert_eq!(dead.attributes["type"], "x");
    assert_eq!(dead.attributes[FAILURE_ATTRIBUTE], failure("not-json").to_attribute());
    dlq.ack(&[dead.receipt]).await[0].as_ref().unwrap();
    assert_eq!(queue.depth().await.unwrap().dead, 0);
}

#[tokio::test]
async fn a_name_that_no_queue_can_have_is_refused_and_a_stray_receipt_is_stale() {
    let bench = Bench::new();
    for name in ["", "a b", "a/b", &"x".repeat(77)] {
        assert!(matches!(bench.store.queue(name).await.err(), Some(StoreError::Refused(_))), "{name}");
    }
    assert!(matches!(bench.store.queue("no-dlq").await.err(), Some(StoreError::NoSuchQueue(_))));
    let queue = bench.store.queue("email").await.unwrap();
    let stray = ["", "1", "x-y", "1-", "99999999999999999999-1"].map(sendoff_consumers::Receipt::new);
    assert!(queue.ack(&stray).await.iter().all(|result| *result == Err(QueueError::Stale)));
}

#[tokio::test]
async fn a_schedule_keeps_its_name_until_its_first_delivery() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    let schedules = bench.store.schedules();
    let schedule = |body: &str, minutes: u32| Schedule {
        name: "reminder".into(),
        due: bench.clock.now() + MINUTE * minutes,
        queue: "email".into(),
        message: message(body),
    };
    schedules.put(&schedule("first", 1)).await.unwrap();
    schedules.put(&schedule("second", 2)).await.unwrap();
    bench.clock.advance(MINUTE);
    assert!(receive(&*queue, 10).await.is_empty());
    bench.clock.advance(MINUTE);
    assert_eq!(receive(&*queue, 10).await[0].body, "second");
    // It is being handled: the name is free, and the message isn't touched by it any more.
    assert!(!schedules.cancel("reminder").await.unwrap());
    schedules.put(&schedule("third", 5)).await.unwrap();
    let depth = queue.depth().await.unwrap();
    assert_eq!((depth.in_flight, depth.delayed), (1, 1));
    assert!(schedules.cancel("reminder").await.unwrap());
    assert!(!schedules.cancel("reminder").await.unwrap());
    assert_eq!(queue.depth().await.unwrap().delayed, 0);
    for queue in ["nobody", "email-dlq"] {
        let stray = Schedule { queue: queue.into(), ..schedule("stray", 1) };
        assert!(matches!(schedules.put(&stray).await, Err(SchedulesError::NoSuchQueue(name)) if name == queue));
    }
}
