//! What the engine takes for granted of the backends.

use std::time::Duration;

use sendoff_consumers::DeadLetters;
use sendoff_tests::conformance::{Backend as _, OnAws};

use super::House;

/// Asking for none of the letters says whether letters can be asked for by their ids, and touches nothing.
async fn can_pick(letters: &dyn DeadLetters, queue: &str) -> bool {
    let none = letters.take_these(queue, &[], Duration::from_secs(60)).await.unwrap();
    assert!(none.as_ref().is_none_or(Vec::is_empty), "{none:?}");
    none.is_some()
}

#[tokio::test]
async fn a_data_folder_says_that_letters_can_be_asked_for_by_their_ids_and_sqs_that_they_can_not() {
    let house = House::with(2).await;
    let store = house.store();
    let letters = store.dead_letter_queues();
    assert!(can_pick(&*letters, "email-dlq").await);
    assert_eq!(letters.take("email-dlq", 10, Duration::from_secs(1)).await.unwrap().len(), 2, "nobody holds any");
    store.shutdown().await;

    let aws = OnAws::open().await;
    aws.create_queue("email", None).await;
    assert!(!can_pick(&*aws.store().dead_letter_queues(), "email-dlq").await);
}
