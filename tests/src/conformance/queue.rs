//! Queue: sending, receiving, waiting.

use std::{
    collections::BTreeSet,
    slice::from_ref,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{future::join_all, poll};
use sendoff_consumers::{Attributes, Delivery, Depth, NewMessage, Queue, QueueError};
use sendoff_events::{BoxFuture, Timestamp, at_millis};

use super::{
    Backend,
    given::{
        assert_nothing_visible, eventually, failure, hold, message, receive, receive_for, receive_one, send, soon,
    },
};

async fn queue(backend: &dyn Backend) -> Arc<dyn Queue> {
    backend.create_queue("email", None).await
}

pub(super) async fn a_message_arrives_as_it_was_sent(backend: &dyn Backend) {
    let queue = queue(backend).await;
    assert_eq!(queue.name(), "email");
    let before = at_millis(backend.clock().now());
    let attributes: Attributes = [("type", "x.v1"), ("empty", " "), ("any-Text_1.x", "漢字 \"quoted\" 🦀\n")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let sent = NewMessage { attributes: attributes.clone(), ..message("Hello, Wörld!") };
    let ids = send(&*queue, &[sent]).await;
    let delivery = receive_one(backend, &*queue).await;
    assert_eq!((&delivery.body[..], &delivery.attributes), ("Hello, Wörld!".as_bytes(), &attributes));
    assert_eq!((vec![delivery.message_id], delivery.receive_count), (ids, 1));
    assert!(before <= delivery.sent_at && delivery.sent_at <= backend.clock().now(), "{}", delivery.sent_at);
}

pub(super) async fn an_attribute_may_have_any_name(backend: &dyn Backend) {
    let queue = queue(backend).await;
    let attributes: Attributes =
        [("ü", "1"), ("a b", "2"), ("\"", "3")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    send(&*queue, &[NewMessage { attributes: attributes.clone(), ..message("x") }]).await;
    assert_eq!(receive_one(backend, &*queue).await.attributes, attributes);
}

pub(super) async fn any_bytes_are_a_body(backend: &dyn Backend) {
    let queue = queue(backend).await;
    let all: Vec<u8> = (0..=255).collect();
    let mut bodies: Vec<Bytes> = vec![Bytes::new(), Bytes::from(all), Bytes::from_static(&[0xff, 0, 0xfe]), "é".into()];
    send(&*queue, &bodies.iter().cloned().map(message).collect::<Vec<_>>()).await;
    let mut received: Vec<Bytes> = receive(backend, &*queue, 4).await.into_iter().map(|d| d.body).collect();
    received.sort();
    bodies.sort();
    assert_eq!(received, bodies);
}

pub(super) async fn a_body_of_one_mebibyte_fits(backend: &dyn Backend) {
    let queue = queue(backend).await;
    let body = Bytes::from("0123456789abcdef".repeat(65536));
    send(&*queue, &[message(body.clone())]).await;
    assert!(receive_one(backend, &*queue).await.body == body, "the body came back changed");
}

pub(super) async fn a_batch_of_any_size_is_sent_and_each_message_has_its_own_id(backend: &dyn Backend) {
    let queue = queue(backend).await;
    assert_eq!(queue.send(&[]).await, []);
    let messages: Vec<NewMessage> = (0..57).map(|n| message(n.to_string())).collect();
    let ids: BTreeSet<String> = send(&*queue, &messages).await.into_iter().collect();
    assert_eq!(ids.len(), 57);
    let received = receive(backend, &*queue, 57).await;
    assert_eq!(received.iter().map(|d| d.message_id.clone()).collect::<BTreeSet<_>>(), ids);
    let bodies: BTreeSet<Bytes> = received.into_iter().map(|d| d.body).collect();
    assert_eq!(bodies.len(), 57);
}

pub(super) async fn no_more_is_received_than_was_asked_for(backend: &dyn Backend) {
    let queue = queue(backend).await;
    send(&*queue, &(0..12).map(|n| message(n.to_string())).collect::<Vec<_>>()).await;
    for max in [1, 2, 5] {
        let received = queue.receive(max, Duration::ZERO, backend.tick()).await.expect("the queue answers");
        assert!(received.len() <= max, "{} of {max}", received.len());
    }
}

pub(super) async fn queues_do_not_share_messages_or_receipts(backend: &dyn Backend) {
    let (email, sms) = (queue(backend).await, backend.create_queue("sms", None).await);
    send(&*email, &[message("for email")]).await;
    assert_nothing_visible(&*sms, "it was sent to another queue").await;
    send(&*sms, &[message("for sms")]).await;
    let (mine, theirs) = (receive_one(backend, &*email).await, receive_one(backend, &*sms).await);
    assert_eq!((&mine.body[..], &theirs.body[..]), (&b"for email"[..], &b"for sms"[..]));
    // Whatever it answers, it must not remove the other queue's message.
    email.ack(&[theirs.receipt]).await;
    backend.advance(backend.tick() * 2).await;
    assert_eq!(receive_one(backend, &*sms).await.body, "for sms");
}

pub(super) async fn a_delayed_message_is_hidden_until_its_delay_is_over(backend: &dyn Backend) {
    let queue = queue(backend).await;
    let delayed = NewMessage { delay: backend.tick() * 5, ..message("later") };
    send(&*queue, &[delayed, message("now")]).await;
    let first = receive_one(backend, &*queue).await;
    assert_eq!(first.body, "now");
    queue.ack(&[first.receipt]).await;
    backend.advance(backend.tick() * 2).await;
    assert_nothing_visible(&*queue, "the delay isn't over").await;
    backend.advance(backend.tick() * 4).await;
    assert_eq!(receive_one(backend, &*queue).await.body, "later");
}

pub(super) async fn without_a_message_a_receive_ends_empty_after_its_wait(backend: &dyn Backend) {
    let queue = queue(backend).await;
    let mut receive = queue.receive(10, backend.tick(), backend.tick());
    assert!(poll!(&mut receive).is_pending(), "it should wait");
    let none = queue.receive(10, Duration::ZERO, backend.tick()).await.expect("the queue answers");
    assert!(none.is_empty(), "without a wait it ends at once");
    backend.advance(backend.tick() * 2).await;
    assert!(soon("the receive", receive).await.expect("the queue answers").is_empty());
}

/// A receive that waits far longer than the test, and has begun to.
async fn waiting<'q>(backend: &dyn Backend, queue: &'q dyn Queue) -> BoxFuture<'q, Result<Vec<Delivery>, QueueError>> {
    let mut receive = queue.receive(10, backend.tick() * 20, backend.tick());
    for _ in 0..5 {
        assert!(poll!(&mut receive).is_pending(), "it should wait");
        // Something else that goes the same way, so that it has time to arrive.
        queue.depth().await.expect("the queue answers");
    }
    receive
}

async fn received(receive: BoxFuture<'_, Result<Vec<Delivery>, QueueError>>) -> Delivery {
    let mut deliveries = soon("the receive", receive).await.expect("the queue answers");
    assert_eq!(deliveries.len(), 1);
    deliveries.remove(0)
}

pub(super) async fn a_waiting_receive_gets_a_message_when_it_is_sent(backend: &dyn Backend) {
    let queue = queue(backend).await;
    let waiting = waiting(backend, &*queue).await;
    send(&*queue, &[message("at last")]).await;
    assert_eq!(received(waiting).await.body, "at last");
}

pub(super) async fn a_waiting_receive_gets_a_message_when_its_delay_is_over(backend: &dyn Backend) {
    let queue = queue(backend).await;
    send(&*queue, &[NewMessage { delay: backend.tick() * 5, ..message("at last") }]).await;
    let waiting = waiting(backend, &*queue).await;
    backend.advance(backend.tick() * 6).await;
    assert_eq!(received(waiting).await.body, "at last");
}

pub(super) async fn a_waiting_receive_gets_a_message_when_its_lease_lapses(backend: &dyn Backend) {
    let queue = queue(backend).await;
    send(&*queue, &[message("again")]).await;
    receive_for(backend.tick() * 5, &*queue, 1).await;
    let waiting = waiting(backend, &*queue).await;
    backend.advance(backend.tick() * 6).await;
    let delivery = received(waiting).await;
    assert_eq!((&delivery.body[..], delivery.receive_count), (&b"again"[..], 2));
}

pub(super) async fn a_waiting_receive_gets_a_message_that_is_given_back(backend: &dyn Backend) {
    let queue = queue(backend).await;
    send(&*queue, &[message("again")]).await;
    let held = hold(backend, &*queue, 1).await.remove(0);
    let waiting = waiting(backend, &*queue).await;
    queue.release(&[(held, Duration::ZERO)]).await;
    assert_eq!(received(waiting).await.body, "again");
}

pub(super) async fn two_receivers_never_hold_the_same_message(backend: &dyn Backend) {
    let queue = queue(backend).await;
    send(&*queue, &(0..200).map(|n| message(n.to_string())).collect::<Vec<_>>()).await;
    let taken: Arc<Mutex<Vec<Delivery>>> = Arc::default();
    let receivers = (0..8).map(|_| {
        let (queue, taken, lease) = (queue.clone(), taken.clone(), backend.tick() * 10);
        tokio::spawn(async move {
            eventually("all messages are taken", || async {
                let received = queue.receive(7, Duration::ZERO, lease).await.expect("the queue answers");
                let mut taken = taken.lock().expect("no panic");
                taken.extend(received);
                (taken.len() >= 200).then_some(())
            })
            .await;
        })
    });
    for receiver in join_all(receivers).await {
        receiver.expect("no panic");
    }
    assert_nothing_visible(&*queue, "everything is leased").await;
    let taken = taken.lock().expect("no panic");
    let ids: BTreeSet<&str> = taken.iter().map(|d| d.message_id.as_str()).collect();
    assert_eq!((taken.len(), ids.len()), (200, 200), "a message was leased twice");
}

pub(super) async fn a_dropped_receive_leaves_nothing_leased_for_longer_than_its_lease(backend: &dyn Backend) {
    let mut dropped = Vec::new();
    for round in 0..30 {
        let queue = backend.create_queue(&format!("email-{round}"), None).await;
        let (receiver, lease) = (queue.clone(), backend.tick());
        let receive = tokio::spawn(async move { receiver.receive(10, lease * 20, lease).await });
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        // The race that counts: the message arrives while the receiver goes away.
        let messages = [message(round.to_string())];
        tokio::join!(send(&*queue, &messages), async { receive.abort() });
        match receive.await {
            Ok(received) => {
                let receipts: Vec<_> = received.expect("the queue answers").into_iter().map(|d| d.receipt).collect();
                queue.ack(&receipts).await;
            }
            Err(_) => dropped.push(queue),
        }
    }
    backend.advance(backend.tick() * 2).await;
    for queue in dropped {
        let delivery = receive_one(backend, &*queue).await;
        assert_eq!(queue.ack(&[delivery.receipt]).await, [Ok(())]);
    }
}

pub(super) async fn depth_tells_how_many_messages_are_where(backend: &dyn Backend) {
    let queue = queue(backend).await;
    assert_eq!(queue.depth().await, Ok(Depth::default()));
    let mut messages: Vec<NewMessage> = (0..6).map(|n| message(n.to_string())).collect();
    messages.extend([NewMessage { delay: backend.tick() * 5, ..message("later") }]);
    send(&*queue, &messages).await;
    let mut held = hold(backend, &*queue, 6).await;
    assert_eq!(queue.ack(&[held.remove(0).receipt]).await, [Ok(())]);
    assert_eq!(queue.dead_letter(&[(held.remove(0), failure("broken"))]).await, [Ok(())]);
    let given_back = (held.remove(0), Duration::ZERO);
    assert_eq!(queue.release(&[given_back]).await, [Ok(())]);
    let expected = Depth { visible: 1, in_flight: 3, delayed: 1, dead: 1 };
    eventually("the depth", || async { (queue.depth().await == Ok(expected)).then_some(()) }).await;
}

pub(super) async fn a_delay_until_the_end_of_time_is_no_error(backend: &dyn Backend) {
    // A handler may snooze until any moment; a backend with a shorter reach delivers earlier and is asked again.
    let queue = queue(backend).await;
    let forever = Duration::from_secs(u64::MAX >> 1);
    send(&*queue, &[NewMessage { delay: forever, ..message("never") }, message("now")]).await;
    let held = receive_one(backend, &*queue).await;
    assert_eq!(held.body, "now");
    assert_eq!(queue.extend(from_ref(&held.receipt), forever).await, [Ok(())]);
    assert_eq!(queue.release(&[(held, forever)]).await, [Ok(())]);
    backend.advance(backend.tick() * 2).await;
    assert_nothing_visible(&*queue, "both are hidden for good").await;
}

pub(super) async fn a_receipt_that_never_was_is_stale(backend: &dyn Backend) {
    let queue = queue(backend).await;
    send(&*queue, &[message("untouched")]).await;
    for text in
        ["", "1", "1#1", "1-1", "1:1", "1.1", "-1", "x", "ü", "99999999999999999999-1", "1-99999999999999999999"]
    {
        let receipt = sendoff_consumers::Receipt::new(text);
        let stale = [Err(QueueError::Stale)];
        assert_eq!(queue.ack(from_ref(&receipt)).await, stale, "ack {text:?}");
        assert_eq!(queue.extend(from_ref(&receipt), backend.tick()).await, stale, "extend {text:?}");
        let never = Delivery {
            receipt,
            message_id: "m".into(),
            body: "never".into(),
            attributes: Attributes::new(),
            receive_count: 1,
            sent_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(queue.release(&[(never, Duration::ZERO)]).await, stale, "release {text:?}");
    }
    assert_eq!(receive_one(backend, &*queue).await.body, "untouched");
}
