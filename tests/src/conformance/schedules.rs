//! Schedules: messages for later.

use std::{slice::from_ref, sync::Arc, time::Duration};

use sendoff_consumers::{NewMessage, Queue, Schedule, SchedulesError};
use sendoff_events::Timestamp;

use super::{
    Backend,
    given::{assert_nothing_visible, message, receive_one, send},
};

async fn queue(backend: &dyn Backend) -> Arc<dyn Queue> {
    backend.create_queue("email", None).await
}

/// A schedule for so many ticks from now.
fn schedule(backend: &dyn Backend, name: &str, ticks: u32, body: &'static str) -> Schedule {
    let due = backend.clock().now() + backend.tick() * ticks;
    Schedule { name: name.into(), due, queue: "email".into(), message: message(body) }
}

async fn put(backend: &dyn Backend, schedule: &Schedule) {
    backend.schedules().put(schedule).await.expect("the schedule is put");
}

async fn cancel(backend: &dyn Backend, name: &str) -> bool {
    backend.schedules().cancel(name).await.expect("the schedules answer")
}

/// Receives what must be `body`, and nothing else, and acks it.
async fn arrives(backend: &dyn Backend, queue: &dyn Queue, body: &str) {
    let delivery = receive_one(backend, queue).await;
    assert_eq!(delivery.body, body.as_bytes());
    assert_eq!(queue.ack(&[delivery.receipt]).await, [Ok(())]);
    assert_nothing_visible(queue, "nothing else is due").await;
}

pub(super) async fn a_message_arrives_when_it_is_due_and_not_before(backend: &dyn Backend) {
    let queue = queue(backend).await;
    put(backend, &schedule(backend, "s", 5, "due")).await;
    backend.advance(backend.tick() * 3).await;
    assert_nothing_visible(&*queue, "it isn't due").await;
    backend.advance(backend.tick() * 3).await;
    arrives(backend, &*queue, "due").await;
}

pub(super) async fn a_scheduled_message_keeps_its_attributes(backend: &dyn Backend) {
    let queue = queue(backend).await;
    let mut later = schedule(backend, "s", 2, "due");
    later.message.attributes.insert("type".into(), "ü.v1".into());
    put(backend, &later).await;
    backend.advance(backend.tick() * 3).await;
    let delivery = receive_one(backend, &*queue).await;
    assert_eq!((&delivery.body[..], &delivery.attributes), (&b"due"[..], &later.message.attributes));
}

pub(super) async fn the_past_means_now(backend: &dyn Backend) {
    let queue = queue(backend).await;
    put(backend, &Schedule { due: Timestamp::UNIX_EPOCH, ..schedule(backend, "s", 0, "long due") }).await;
    arrives(backend, &*queue, "long due").await;
}

pub(super) async fn the_delay_of_its_message_is_ignored(backend: &dyn Backend) {
    let queue = queue(backend).await;
    let delayed = NewMessage { delay: backend.tick() * 100, ..message("due") };
    put(backend, &Schedule { message: delayed, ..schedule(backend, "s", 1, "") }).await;
    backend.advance(backend.tick() * 2).await;
    arrives(backend, &*queue, "due").await;
}

pub(super) async fn putting_a_name_again_replaces_message_and_moment(backend: &dyn Backend) {
    let queue = queue(backend).await;
    put(backend, &schedule(backend, "s", 2, "first")).await;
    put(backend, &schedule(backend, "s", 6, "second")).await;
    backend.advance(backend.tick() * 4).await;
    assert_nothing_visible(&*queue, "the first was replaced").await;
    backend.advance(backend.tick() * 4).await;
    arrives(backend, &*queue, "second").await;
    put(backend, &schedule(backend, "s", 6, "third")).await;
    put(backend, &schedule(backend, "s", 2, "fourth")).await;
    backend.advance(backend.tick() * 3).await;
    arrives(backend, &*queue, "fourth").await;
    backend.advance(backend.tick() * 6).await;
    assert_nothing_visible(&*queue, "the third was replaced").await;
}

pub(super) async fn a_replacement_may_go_to_another_queue(backend: &dyn Backend) {
    let (email, sms) = (queue(backend).await, backend.create_queue("sms", None).await);
    put(backend, &schedule(backend, "s", 2, "by email")).await;
    put(backend, &Schedule { queue: "sms".into(), ..schedule(backend, "s", 2, "by sms") }).await;
    backend.advance(backend.tick() * 3).await;
    arrives(backend, &*sms, "by sms").await;
    assert_nothing_visible(&*email, "it was replaced").await;
}

pub(super) async fn a_cancelled_schedule_never_arrives(backend: &dyn Backend) {
    let queue = queue(backend).await;
    put(backend, &schedule(backend, "s", 2, "cancelled")).await;
    assert!(cancel(backend, "s").await);
    assert!(!cancel(backend, "s").await);
    backend.advance(backend.tick() * 5).await;
    assert_nothing_visible(&*queue, "it was cancelled").await;
}

pub(super) async fn what_was_never_scheduled_or_is_delivered_cannot_be_cancelled(backend: &dyn Backend) {
    let queue = queue(backend).await;
    assert!(!cancel(backend, "s").await);
    put(backend, &schedule(backend, "s", 1, "due")).await;
    backend.advance(backend.tick() * 2).await;
    let held = receive_one(backend, &*queue).await;
    assert!(!cancel(backend, "s").await, "it is delivered");
    assert_eq!(queue.ack(&[held.receipt]).await, [Ok(())], "a cancel must not take it from its consumer");
}

pub(super) async fn a_name_put_again_after_its_delivery_is_a_new_message(backend: &dyn Backend) {
    let queue = queue(backend).await;
    put(backend, &schedule(backend, "s", 1, "first")).await;
    backend.advance(backend.tick() * 2).await;
    let held = receive_one(backend, &*queue).await;
    // A handler that schedules its own next run, under the same name, while it still holds this one.
    put(backend, &schedule(backend, "s", 4, "second")).await;
    assert_eq!(queue.extend(from_ref(&held.receipt), backend.tick() * 2).await, [Ok(())]);
    assert_eq!(queue.ack(&[held.receipt]).await, [Ok(())], "the delivered message is its consumer's");
    backend.advance(backend.tick() * 5).await;
    arrives(backend, &*queue, "second").await;
}

pub(super) async fn a_delivered_message_outlives_a_new_schedule_of_its_name(backend: &dyn Backend) {
    let queue = queue(backend).await;
    put(backend, &schedule(backend, "s", 1, "first")).await;
    backend.advance(backend.tick() * 2).await;
    let held = receive_one(backend, &*queue).await;
    assert_eq!(queue.release(&[(held, Duration::ZERO)]).await, [Ok(())]);
    put(backend, &schedule(backend, "s", 50, "second")).await;
    arrives(backend, &*queue, "first").await;
    assert!(cancel(backend, "s").await, "the second is still there");
}

pub(super) async fn schedules_of_different_names_do_not_touch_each_other(backend: &dyn Backend) {
    let queue = queue(backend).await;
    put(backend, &schedule(backend, "s", 2, "one")).await;
    put(backend, &schedule(backend, "S", 2, "other")).await;
    send(&*queue, &[NewMessage { delay: backend.tick() * 2, ..message("no schedule") }]).await;
    assert!(cancel(backend, "S").await);
    backend.advance(backend.tick() * 3).await;
    let mut bodies: Vec<_> =
        super::given::receive(backend, &*queue, 2).await.into_iter().map(|delivery| delivery.body).collect();
    bodies.sort();
    assert_eq!(bodies, ["no schedule", "one"]);
}

pub(super) async fn a_date_centuries_away_is_kept(backend: &dyn Backend) {
    let queue = queue(backend).await;
    for (name, due) in [("far", "2626-01-01T00:00:00Z"), ("last", "9999-12-30T22:00:00.999Z")] {
        let due = due.parse().expect("a moment");
        put(backend, &Schedule { due, ..schedule(backend, name, 0, "far") }).await;
    }
    backend.advance(backend.tick() * 100).await;
    assert_nothing_visible(&*queue, "it isn't due").await;
    assert!(cancel(backend, "far").await && cancel(backend, "last").await);
}

pub(super) async fn an_unknown_queue_is_refused_by_name_and_nothing_is_replaced(backend: &dyn Backend) {
    let queue = queue(backend).await;
    put(backend, &schedule(backend, "s", 1, "good")).await;
    let bad = Schedule { queue: "nowhere".into(), ..schedule(backend, "s", 1, "bad") };
    match backend.schedules().put(&bad).await {
        Err(SchedulesError::NoSuchQueue(name)) => assert_eq!(name, "nowhere"),
        other => panic!("{other:?}"),
    }
    backend.advance(backend.tick() * 2).await;
    arrives(backend, &*queue, "good").await;
}
