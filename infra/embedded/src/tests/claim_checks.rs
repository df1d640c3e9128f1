//! Bodies over the topic's limit.

use sendoff_events::{EXTENDED_SIZE_ATTRIBUTE, Outgoing, Pointer};
use sendoff_producers::{CommitError, PublishError};

use super::{Bench, receive};

/// An event whose body has so many bytes: white space after JSON is JSON.
fn of_size(bench: &Bench, bytes: usize) -> Outgoing {
    let event = bench.event("crm", None);
    let mut body = event.body().to_vec();
    body.resize(bytes, b' ');
    event.with_body(body.into())
}

#[tokio::test]
async fn a_body_over_the_limit_travels_as_a_pointer_to_a_blob() {
    let bench = Bench::with(|options| options.max_body = 1000);
    let queue = bench.subscribed("email").await;
    let event = of_size(&bench, 1001);
    bench.store.records().commit(bench.work(vec![], vec![event.clone()])).await.unwrap();
    let delivery = receive(&*queue, 1).await.remove(0);
    let blobs = bench.store.blobs();
    let pointer = Pointer::parse(&delivery.body, &[blobs.bucket()]).unwrap().unwrap();
    assert_eq!(delivery.attributes[EXTENDED_SIZE_ATTRIBUTE], "1001");
    assert_eq!(blobs.get(&pointer.key, 2000).await.unwrap(), event.body());
    assert!(pointer.key.as_str().contains(&event.id().to_string()));
    assert_eq!(bench.store.event(event.id()).await.unwrap().unwrap().summary.payload_bytes, Some(1001));
}

#[tokio::test]
async fn a_body_at_the_limit_travels_itself() {
    let bench = Bench::with(|options| options.max_body = 1000);
    let queue = bench.subscribed("email").await;
    let event = of_size(&bench, 1000);
    bench.store.publisher().publish(std::slice::from_ref(&event)).await[0].as_ref().unwrap();
    let delivery = receive(&*queue, 1).await.remove(0);
    assert_eq!(delivery.body, event.body());
    assert!(!delivery.attributes.contains_key(EXTENDED_SIZE_ATTRIBUTE));
    assert!(!bench.folder.path().join("blobs").exists());
}

#[tokio::test]
async fn without_room_for_a_body_it_is_known_that_nothing_was_committed() {
    let bench = Bench::with(|options| options.max_body = 1000);
    // Where the folder would stand.
    std::fs::write(bench.folder.path().join("blobs"), "").unwrap();
    let event = of_size(&bench, 1001);
    let error = bench.store.records().commit(bench.work(vec![], vec![event])).await.unwrap_err();
    assert!(matches!(error, CommitError::NotCommitted(_)), "{error:?}");
    assert!(bench.store.events(0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn publishing_an_event_twice_delivers_it_twice_and_keeps_it_once() {
    let bench = Bench::with(|options| options.max_body = 100);
    let queue = bench.subscribed("email").await;
    let event = bench.event("crm", None);
    let publisher = bench.store.publisher();
    for _ in 0..2 {
        publisher.publish(std::slice::from_ref(&event)).await[0].as_ref().unwrap();
    }
    let deliveries = receive(&*queue, 10).await;
    assert_eq!(deliveries.len(), 2);
    assert_eq!(deliveries[0].body, deliveries[1].body);
    assert_eq!(bench.store.events(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_body_under_a_known_id_is_refused_and_the_rest_is_published() {
    let bench = Bench::new();
    let queue = bench.subscribed("email").await;
    let publisher = bench.store.publisher();
    let known = bench.event("crm", None);
    publisher.publish(std::slice::from_ref(&known)).await[0].as_ref().unwrap();
    let mut other = bench.envelope("hr", None);
    other.header.id = known.id();
    let other = other.encode().unwrap();
    let results = publisher.publish(&[other.clone(), bench.event("hr", None)]).await;
    assert!(matches!(&results[0], Err(PublishError::Refused(why)) if why.contains(&known.id().to_string())));
    assert_eq!(results[1], Ok(()));
    assert_eq!(receive(&*queue, 10).await.len(), 2);
    let error = bench.store.records().commit(bench.work(vec![], vec![other])).await.unwrap_err();
    assert!(error.to_string().contains("another event was published before"), "{error}");
}
