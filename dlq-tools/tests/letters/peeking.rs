//! A short look at a queue where every look is a lease.

use std::sync::Arc;

use sendoff_consumers::DeadLettersError;
use sendoff_dlq_tools::snapshot::peek::{Peeked, peek};
use sendoff_events::Timestamp;

use super::queue::Leasing;
use crate::calls::SleepClock;

async fn look(queue: &Leasing, max: usize) -> Result<Option<Peeked>, DeadLettersError> {
    peek(queue, &*queue.clock, &queue.queue(), max, Timestamp::UNIX_EPOCH).await
}

fn with(count: usize) -> Leasing {
    Leasing::with(count, Arc::new(SleepClock::new()))
}

#[tokio::test]
async fn some_are_looked_at_once_and_given_back_at_once() {
    let queue = with(2500);
    queue.state().most = 70;
    let peeked = look(&queue, 1000).await.unwrap().unwrap();
    assert_eq!((peeked.sampled, peeked.facts.arrived), (Some(1000), 1000));
    assert_eq!(peeked.facts.reasons, [(None, 1000)]);
    assert_eq!((queue.held(), queue.receives()), (0, 1000));
}

#[tokio::test]
async fn a_look_at_none_touches_nothing() {
    let queue = with(10);
    assert_eq!(look(&queue, 0).await, Ok(None));
    queue.state().untouchable = Some("it counts looks".into());
    assert_eq!(look(&queue, 1000).await, Ok(None));
    assert_eq!(queue.state().looks, 0);
    assert_eq!(look(&with(0), 1000).await, Ok(None));
}

#[tokio::test]
async fn a_queue_that_fails_in_the_middle_gets_back_what_it_gave() {
    let queue = with(100);
    queue.state().most = 10;
    queue.state().looks_left = Some(3);
    queue.state().unanswered = 1;
    assert_eq!(look(&queue, 1000).await.unwrap().unwrap().sampled, Some(30));
    assert_eq!(queue.held(), 0);
    queue.state().looks_left = Some(0);
    assert!(matches!(look(&queue, 1000).await, Err(DeadLettersError::Unavailable(_))));
}
