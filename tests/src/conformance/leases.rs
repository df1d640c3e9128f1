//! Queue: leases, and what a receipt can still do when its lease is over.

use std::{slice::from_ref, sync::Arc, time::Duration};

use sendoff_consumers::{Delivery, Queue, QueueError, Receipt};

use super::{
    Backend,
    given::{assert_nothing_visible, failure, hold, message, receive, receive_for, receive_one, send},
};

const STALE: Result<(), QueueError> = Err(QueueError::Stale);

/// A queue with one message, leased for a tick.
async fn leased(backend: &dyn Backend) -> (Arc<dyn Queue>, Delivery) {
    leased_for(backend, 1).await
}

/// The same, for so many ticks.
async fn leased_for(backend: &dyn Backend, ticks: u32) -> (Arc<dyn Queue>, Delivery) {
    let queue = backend.create_queue("email", None).await;
    send(&*queue, &[message("work")]).await;
    let delivery = receive_for(backend.tick() * ticks, &*queue, 1).await.remove(0);
    (queue, delivery)
}

/// The same after its lease has lapsed and somebody else holds it: the old delivery and the new one.
async fn taken_over(backend: &dyn Backend) -> (Arc<dyn Queue>, Delivery, Delivery) {
    let (queue, old) = leased(backend).await;
    backend.advance(backend.tick() * 2).await;
    let new = receive_one(backend, &*queue).await;
    (queue, old, new)
}

/// Checks that the new holder still holds it, and can finish it.
async fn still_held(backend: &dyn Backend, queue: &dyn Queue, new: &Delivery) {
    assert_nothing_visible(queue, "it is leased to somebody").await;
    assert_eq!(queue.ack(from_ref(&new.receipt)).await, [Ok(())]);
    backend.advance(backend.tick() * 5).await;
    assert_nothing_visible(queue, "it was acked").await;
}

pub(super) async fn a_leased_message_is_hidden(backend: &dyn Backend) {
    let (queue, _) = leased_for(backend, 4).await;
    assert_nothing_visible(&*queue, "it is leased").await;
    backend.advance(backend.tick()).await;
    assert_nothing_visible(&*queue, "its lease isn't over").await;
}

pub(super) async fn a_message_whose_lease_lapses_is_delivered_again_and_counted(backend: &dyn Backend) {
    let (queue, first) = leased(backend).await;
    for count in 2..5 {
        backend.advance(backend.tick() * 2).await;
        let again = receive_one(backend, &*queue).await;
        assert_eq!(again.receive_count, count);
        assert_eq!((&again.message_id, &again.body, again.sent_at), (&first.message_id, &first.body, first.sent_at));
        assert_ne!(again.receipt, first.receipt);
    }
}

pub(super) async fn an_acked_message_never_comes_back(backend: &dyn Backend) {
    let (queue, held) = leased(backend).await;
    assert_eq!(queue.ack(&[held.receipt]).await, [Ok(())]);
    backend.advance(backend.tick() * 5).await;
    assert_nothing_visible(&*queue, "it was acked").await;
}

pub(super) async fn a_stale_receipt_cannot_ack(backend: &dyn Backend) {
    let (queue, old, new) = taken_over(backend).await;
    assert_eq!(queue.ack(&[old.receipt]).await, [STALE]);
    still_held(backend, &*queue, &new).await;
}

pub(super) async fn a_stale_receipt_cannot_extend(backend: &dyn Backend) {
    let (queue, old, _) = taken_over(backend).await;
    assert_eq!(queue.extend(&[old.receipt], backend.tick() * 100).await, [STALE]);
    backend.advance(backend.tick() * 2).await;
    assert_eq!(receive_one(backend, &*queue).await.receive_count, 3);
}

pub(super) async fn a_stale_receipt_cannot_release(backend: &dyn Backend) {
    let (queue, old, new) = taken_over(backend).await;
    assert_eq!(queue.release(&[(old, Duration::ZERO)]).await, [STALE]);
    still_held(backend, &*queue, &new).await;
}

pub(super) async fn a_stale_receipt_cannot_dead_letter(backend: &dyn Backend) {
    let (queue, old, new) = taken_over(backend).await;
    assert_eq!(queue.dead_letter(&[(old, failure("late"))]).await, [STALE]);
    assert!(backend.dead_letters("email").await.is_empty());
    still_held(backend, &*queue, &new).await;
}

pub(super) async fn the_receipt_of_a_released_message_is_stale_once_it_is_delivered_again(backend: &dyn Backend) {
    let (queue, old) = leased(backend).await;
    assert_eq!(queue.release(&[(old.clone(), Duration::ZERO)]).await, [Ok(())]);
    let new = receive_one(backend, &*queue).await;
    assert_eq!(queue.ack(from_ref(&old.receipt)).await, [STALE]);
    assert_eq!(queue.extend(&[old.receipt], backend.tick()).await, [STALE]);
    still_held(backend, &*queue, &new).await;
}

pub(super) async fn a_message_is_acked_once(backend: &dyn Backend) {
    let (queue, held) = leased(backend).await;
    assert_eq!(queue.ack(from_ref(&held.receipt)).await, [Ok(())]);
    assert_eq!(queue.ack(from_ref(&held.receipt)).await, [STALE]);
    assert_eq!(queue.release(&[(held, Duration::ZERO)]).await, [STALE]);
    assert_nothing_visible(&*queue, "it was acked").await;
}

pub(super) async fn an_ack_after_the_lease_and_before_the_next_delivery_is_either_taken_or_told_stale(
    backend: &dyn Backend,
) {
    let (queue, held) = leased(backend).await;
    backend.advance(backend.tick() * 2).await;
    match queue.ack(&[held.receipt]).await.remove(0) {
        Ok(()) => assert_nothing_visible(&*queue, "the ack was taken").await,
        Err(QueueError::Stale) => assert_eq!(receive_one(backend, &*queue).await.receive_count, 2),
        Err(error) => panic!("{error}"),
    }
}

pub(super) async fn an_extended_lease_keeps_the_message_hidden(backend: &dyn Backend) {
    let (queue, held) = leased_for(backend, 3).await;
    for _ in 0..3 {
        backend.advance(backend.tick() * 3 / 2).await;
        assert_eq!(queue.extend(from_ref(&held.receipt), backend.tick() * 3).await, [Ok(())]);
    }
    backend.advance(backend.tick() * 3 / 2).await;
    assert_nothing_visible(&*queue, "its lease was extended").await;
    backend.advance(backend.tick() * 2).await;
    assert_eq!(receive_one(backend, &*queue).await.receive_count, 2);
}

pub(super) async fn an_extension_counts_from_now_and_can_also_shorten(backend: &dyn Backend) {
    let (queue, held) = leased(backend).await;
    assert_eq!(queue.extend(from_ref(&held.receipt), backend.tick() * 10).await, [Ok(())]);
    assert_eq!(queue.extend(&[held.receipt], backend.tick()).await, [Ok(())]);
    backend.advance(backend.tick() * 2).await;
    assert_eq!(receive_one(backend, &*queue).await.receive_count, 2);
}

pub(super) async fn a_message_that_is_given_back_is_there_at_once_as_it_was(backend: &dyn Backend) {
    let (queue, first) = leased(backend).await;
    assert_eq!(queue.release(&[(first.clone(), Duration::ZERO)]).await, [Ok(())]);
    let again = receive_one(backend, &*queue).await;
    assert_eq!(again.receive_count, 2);
    assert_eq!((again.message_id, again.body, again.sent_at), (first.message_id, first.body, first.sent_at));
}

pub(super) async fn a_message_that_is_given_back_with_a_delay_is_hidden_until_then(backend: &dyn Backend) {
    let (queue, held) = leased(backend).await;
    assert_eq!(queue.release(&[(held, backend.tick() * 5)]).await, [Ok(())]);
    backend.advance(backend.tick() * 3).await;
    assert_nothing_visible(&*queue, "the delay isn't over").await;
    backend.advance(backend.tick() * 3).await;
    assert_eq!(receive_one(backend, &*queue).await.receive_count, 2);
}

/// Three messages: the second one's lease has gone to somebody else. Gives the three receipts.
async fn one_stale_among_good_ones(backend: &dyn Backend) -> (Arc<dyn Queue>, Vec<Delivery>) {
    let (queue, stale, _) = taken_over(backend).await;
    send(&*queue, &[message("first"), message("third")]).await;
    let mut held = receive(backend, &*queue, 2).await;
    held.insert(1, stale);
    (queue, held)
}

fn receipts(held: &[Delivery]) -> Vec<Receipt> {
    held.iter().map(|delivery| delivery.receipt.clone()).collect()
}

pub(super) async fn one_stale_receipt_in_a_batch_of_acks_fails_alone(backend: &dyn Backend) {
    let (queue, held) = one_stale_among_good_ones(backend).await;
    assert_eq!(queue.ack(&receipts(&held)).await, [Ok(()), STALE, Ok(())]);
    backend.advance(backend.tick() * 2).await;
    assert_eq!(receive_one(backend, &*queue).await.body, "work");
}

pub(super) async fn one_stale_receipt_in_a_batch_of_extensions_fails_alone(backend: &dyn Backend) {
    let (queue, held) = one_stale_among_good_ones(backend).await;
    assert_eq!(queue.extend(&receipts(&held), backend.tick() * 5).await, [Ok(()), STALE, Ok(())]);
    backend.advance(backend.tick() * 2).await;
    assert_eq!(receive_one(backend, &*queue).await.body, "work");
}

pub(super) async fn one_stale_receipt_in_a_batch_of_releases_fails_alone(backend: &dyn Backend) {
    let (queue, held) = one_stale_among_good_ones(backend).await;
    let entries: Vec<_> = held.into_iter().map(|delivery| (delivery, Duration::ZERO)).collect();
    assert_eq!(queue.release(&entries).await, [Ok(()), STALE, Ok(())]);
    let mut bodies: Vec<_> = receive(backend, &*queue, 2).await.into_iter().map(|d| d.body).collect();
    bodies.sort();
    assert_eq!(bodies, ["first", "third"]);
}

pub(super) async fn one_stale_receipt_in_a_batch_of_dead_letters_fails_alone(backend: &dyn Backend) {
    let (queue, held) = one_stale_among_good_ones(backend).await;
    let entries: Vec<_> = held.into_iter().map(|delivery| (delivery, failure("broken"))).collect();
    assert_eq!(queue.dead_letter(&entries).await, [Ok(()), STALE, Ok(())]);
    let mut bodies: Vec<_> = backend.dead_letters("email").await.into_iter().map(|d| d.body).collect();
    bodies.sort();
    assert_eq!(bodies, ["first", "third"]);
}

pub(super) async fn batches_larger_than_a_brokers_are_carried_out_whole(backend: &dyn Backend) {
    let queue = backend.create_queue("email", None).await;
    send(&*queue, &(0..45).map(|n| message(n.to_string())).collect::<Vec<_>>()).await;
    let mut held = hold(backend, &*queue, 45).await;
    assert_eq!(queue.extend(&receipts(&held), backend.tick() * 20).await, vec![Ok(()); 45]);
    let dead: Vec<_> = held.split_off(30).into_iter().map(|delivery| (delivery, failure("broken"))).collect();
    assert_eq!(queue.dead_letter(&dead).await, vec![Ok(()); 15]);
    let back: Vec<_> = held.split_off(15).into_iter().map(|delivery| (delivery, Duration::ZERO)).collect();
    assert_eq!(queue.release(&back).await, vec![Ok(()); 15]);
    assert_eq!(queue.ack(&receipts(&held)).await, vec![Ok(()); 15]);
    hold(backend, &*queue, 15).await;
    assert_nothing_visible(&*queue, "the rest is acked or dead").await;
}

pub(super) async fn an_empty_batch_has_no_results(backend: &dyn Backend) {
    let queue = backend.create_queue("email", None).await;
    assert_eq!(queue.ack(&[]).await, []);
    assert_eq!(queue.extend(&[], backend.tick()).await, []);
    assert_eq!(queue.release(&[]).await, []);
    assert_eq!(queue.dead_letter(&[]).await, []);
}

pub(super) async fn the_same_receipt_twice_in_a_batch_acks_one_message(backend: &dyn Backend) {
    let (queue, held) = leased(backend).await;
    send(&*queue, &[message("another")]).await;
    let results = queue.ack(&[held.receipt.clone(), held.receipt]).await;
    assert_eq!(results[0], Ok(()));
    assert!(matches!(results[..], [_, Ok(()) | Err(QueueError::Stale)]), "{results:?}");
    assert_eq!(receive_one(backend, &*queue).await.body, "another");
}

/// A message with this body and attribute, delivered twice and dead-lettered: what was held, and what the dead-letter queue
/// has of it without the failure.
async fn dead_lettered(
    backend: &dyn Backend,
    body: Vec<u8>,
    attribute: &str,
) -> (Arc<dyn Queue>, Delivery, sendoff_consumers::DeadLetter) {
    let queue = backend.create_queue("email", None).await;
    let attributes = [("type", "x.v1"), (attribute, "漢字")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sent = sendoff_consumers::NewMessage { attributes: attributes.clone().into(), ..message(body) };
    send(&*queue, &[sent]).await;
    receive_one(backend, &*queue).await;
    backend.advance(backend.tick() * 2).await;
    let held = receive_one(backend, &*queue).await;
    assert_eq!(queue.dead_letter(&[(held.clone(), failure("broken"))]).await, [Ok(())]);

    let mut dead = backend.dead_letters("email").await;
    assert_eq!(dead.len(), 1);
    let mut letter = dead.remove(0);
    let told = letter.attributes.remove(sendoff_consumers::FAILURE_ATTRIBUTE).expect("the failure");
    assert_eq!(serde_json::from_str::<sendoff_consumers::Failure>(&told).expect("JSON"), failure("broken"));
    assert_eq!((&letter.body, &letter.attributes), (&held.body, &attributes.into()));
    (queue, held, letter)
}

pub(super) async fn a_dead_letter_is_the_message_as_it_was_and_its_failure(backend: &dyn Backend) {
    let (queue, ..) = dead_lettered(backend, "Hello, Wörld!".into(), "other").await;
    backend.advance(backend.tick() * 5).await;
    assert_nothing_visible(&*queue, "it was dead-lettered").await;
}

pub(super) async fn a_dead_letter_keeps_any_bytes(backend: &dyn Backend) {
    dead_lettered(backend, vec![0xff, 0, b'x'], "other").await;
}

pub(super) async fn a_dead_letter_keeps_attributes_of_any_name(backend: &dyn Backend) {
    dead_lettered(backend, "x".into(), "ü").await;
}

pub(super) async fn a_dead_letter_keeps_its_age(backend: &dyn Backend) {
    let (_, held, letter) = dead_lettered(backend, "x".into(), "other").await;
    assert_eq!(letter.enqueued_at, held.sent_at);
}

pub(super) async fn the_receipt_of_a_dead_letter_is_stale(backend: &dyn Backend) {
    let (queue, held, _) = dead_lettered(backend, "x".into(), "other").await;
    assert_eq!(queue.ack(&[held.receipt]).await, [STALE]);
}
