//! Delays beyond what SQS can hide a message for: EventBridge Scheduler takes over, whoever received the message.

use std::time::Duration;

use sendoff_consumers::{Attributes, Delivery, FAILURE_ATTRIBUTE, NewMessage};
use sendoff_tests::conformance::{Backend as _, OnAws};

const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// The schedules of the deployment.
async fn schedules(backend: &OnAws) -> usize {
    let list =
        backend.store().aws().scheduler().list_schedules().group_name(&backend.store().resources().schedule_group);
    list.send().await.expect("the schedules").schedules.len()
}

#[tokio::test]
async fn a_message_that_an_event_source_mapping_received_is_put_off_for_longer_than_sqs_can_hide_it() {
    let backend = OnAws::open().await;
    backend.create_queue("email", None).await;
    // The mapping's poller and the function are different processes: each has a queue of its own over the same resource.
    let (poller, function) = (backend.store().queue("email"), backend.store().queue("email"));
    let attributes = Attributes::from([("type".to_owned(), "x.v1".to_owned())]);
    let sent = poller.send(&[NewMessage { body: "later".into(), attributes, delay: Duration::ZERO }]).await;
    assert!(sent[0].is_ok(), "{sent:?}");
    let delivery =
        poller.receive(1, Duration::from_secs(5), Duration::from_secs(30)).await.expect("a message").remove(0);

    assert_eq!(function.release(&[(delivery, A_DAY)]).await, [Ok(())]);
    assert_eq!(schedules(&backend).await, 1);
    let depth = function.depth().await.expect("the queue answers");
    assert_eq!((depth.visible, depth.in_flight), (0, 0), "the message itself is gone");
}

#[tokio::test]
async fn a_message_that_sqs_would_not_keep_much_longer_comes_back_as_a_new_one_without_its_old_failure() {
    let backend = OnAws::open().await;
    backend.create_queue("email", None).await;
    let queue = backend.store().queue("email");
    let attributes = Attributes::from([(FAILURE_ATTRIBUTE.to_owned(), "{}".to_owned())]);
    let sent = queue.send(&[NewMessage { body: "again".into(), attributes, delay: Duration::ZERO }]).await;
    assert!(sent[0].is_ok(), "{sent:?}");
    let received =
        queue.receive(1, Duration::from_secs(5), Duration::from_secs(30)).await.expect("a message").remove(0);

    let often = Delivery { receive_count: 60, ..received.clone() };
    assert_eq!(queue.release(&[(often, Duration::ZERO)]).await, [Ok(())]);
    let renewed = queue.receive(1, Duration::from_secs(5), Duration::from_secs(30)).await.expect("a message").remove(0);
    assert_ne!(renewed.message_id, received.message_id);
    assert_eq!((renewed.receive_count, &renewed.body, renewed.attributes.len()), (1, &received.body, 0));
    assert_eq!(schedules(&backend).await, 0, "what is due at once needs none");
}
