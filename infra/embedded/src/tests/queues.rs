//! Long polls, dropped receives, dead letters and their replay.

use std::time::Duration;

use bytes::Bytes;
use sendoff_consumers::{FAILURE_ATTRIBUTE, NewMessage, QueueError, REPLAY_ATTRIBUTE, Schedule, SchedulesError};
use sendoff_events::Clock as _;

use super::{Bench, LEASE, failure, message, receive, until};
use crate::{ReasonCount, Replayed, StoreError};

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
    assert_eq!(deliveries[0].body, event.body);
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
    queue.release(&[(first.receipt.clone(), Duration::ZERO)]).await[0].as_ref().unwrap();
    assert_eq!(poll.await.unwrap()[0].receive_count, 2);
    assert_eq!(queue.ack(&[first.receipt]).await, [Err(QueueError::Stale)]);
}

#[tokio::test]
async fn messages_of_a_receive_that_nobody_waits_for_go_back_at_once_and_uncounted() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("one"), message("two")]).await;
    let mut dropped = queue.receive(10, Duration::ZERO, MINUTE);
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(dropped);
    let again = queue.receive(10, MINUTE, LEASE).await.unwrap();
    assert_eq!(again.iter().map(|d| d.receive_count).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn messages_that_were_answered_but_not_taken_go_back_as_well() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("one")]).await[0].as_ref().unwrap();
    let before = bench.store.write_stats().operations;
    let mut dropped = queue.receive(10, MINUTE, MINUTE);
    assert!(futures::poll!(&mut dropped).is_pending());
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
    let letters = bench.store.dead_letters("email", None, 10).await.unwrap();
    let failure = letters[0].failure.as_ref().unwrap();
    assert_eq!((failure.reason.as_str(), failure.attempts), ("receive-count-exceeded", 3));
    assert_eq!(letters[0].message.body, "heavy");
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
    assert_eq!(bench.store.replay("email", &["1".into()]).await.unwrap(), [Replayed::Leased]);
    dlq.ack(&[dead.receipt]).await[0].as_ref().unwrap();
    assert_eq!(queue.depth().await.unwrap().dead, 0);
}

#[tokio::test]
async fn looking_at_dead_letters_changes_nothing_and_goes_page_by_page() {
    let bench = Bench::new();
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&["a", "b", "c"].map(message)).await;
    let entries: Vec<_> =
        receive(&*queue, 3).await.into_iter().zip(["x", "y", "x"]).map(|(d, why)| (d, failure(why))).collect();
    queue.dead_letter(&entries).await;
    for _ in 0..2 {
        let first = bench.store.dead_letters("email", None, 2).await.unwrap();
        assert_eq!(first.iter().map(|l| l.message.body.as_ref()).collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(first[0].message.receive_count, 1);
        let rest = bench.store.dead_letters("email-dlq", Some(&first[1].message.message_id), 2).await.unwrap();
        assert_eq!(rest.iter().map(|l| l.message.body.as_ref()).collect::<Vec<_>>(), [b"c"]);
    }
    let count = |reason: &str, count| ReasonCount { reason: Some(reason.into()), count };
    assert_eq!(bench.store.failures("email").await.unwrap(), [count("x", 2), count("y", 1)]);
    let missing = bench.store.dead_letters("nobody", None, 1).await.err();
    assert_eq!(missing, Some(StoreError::NoSuchQueue("nobody-dlq".into())));
}

#[tokio::test]
async fn a_message_put_into_a_dead_letter_queue_by_hand_is_listed_without_a_reason() {
    let bench = Bench::new();
    bench.store.queue("email").await.unwrap();
    let dlq = bench.store.queue("email-dlq").await.unwrap();
    dlq.send(&[message("lost")]).await[0].as_ref().unwrap();
    let letters = bench.store.dead_letters("email", None, 10).await.unwrap();
    assert_eq!((letters[0].message.body.as_ref(), &letters[0].failure), (&b"lost"[..], &None));
    assert!(!letters[0].message.attributes.contains_key(FAILURE_ATTRIBUTE));
    assert_eq!(bench.store.failures("email").await.unwrap(), [ReasonCount { reason: None, count: 1 }]);
}

#[tokio::test]
async fn a_replay_brings_a_message_back_counted_and_without_its_failure() {
    let bench = Bench::new();
    let queue = bench.subscribed("email").await;
    let event = bench.event("crm", None);
    bench.store.publisher().publish(std::slice::from_ref(&event)).await[0].as_ref().unwrap();
    for round in 1..=2 {
        let delivery = receive(&*queue, 1).await.remove(0);
        let id = delivery.message_id.clone();
        queue.dead_letter(&[(delivery, failure("bad-template"))]).await[0].as_ref().unwrap();
        let replayed = bench.store.replay("email", &[id.clone(), "999".into(), "x".into()]).await.unwrap();
        assert_eq!(replayed, [Replayed::Yes, Replayed::Gone, Replayed::Gone]);
        let back = receive(&*queue, 1).await.remove(0);
        assert_eq!((&back.message_id, &back.body, back.receive_count), (&id, &event.body, 1));
        assert_eq!(back.attributes[REPLAY_ATTRIBUTE], round.to_string());
        assert!(!back.attributes.contains_key(FAILURE_ATTRIBUTE));
        queue.release(&[(back.receipt, Duration::ZERO)]).await[0].as_ref().unwrap();
    }
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
