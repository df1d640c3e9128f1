//! What must not wear out, however long it goes on: patience with a message, a clock that was wrong once, one strange record.

use std::time::Duration;

use sendoff_consumers::Filter;
use sendoff_events::Clock as _;
use sendoff_producers::{CommitError, Expected};
use serde_json::{Value, json};

use super::{Bench, message, receive, write};
use crate::{Retention, StoreError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_message_that_is_put_off_again_and_again_is_never_given_up() {
    let bench = Bench::with(|options| options.max_receives = 3);
    let queue = bench.store.queue("email").await.unwrap();
    queue.send(&[message("throttled")]).await[0].as_ref().unwrap();
    for round in 1..=10 {
        let delivery = receive(&*queue, 1).await.remove(0);
        assert_eq!(delivery.receive_count, round);
        queue.release(&[(delivery, Duration::ZERO)]).await[0].as_ref().unwrap();
    }
    assert_eq!(queue.depth().await.unwrap().dead, 0);
}

#[tokio::test]
async fn what_is_dated_in_the_future_does_not_keep_the_rest_from_being_forgotten() {
    let bench = Bench::new();
    let mut early = bench.work(vec![write("crm", Expected::Any, Some(json!(0)))], vec![bench.event("crm", None)]);
    early.at = bench.clock.now() + 1000 * DAY;
    bench.store.records().commit(early).await.unwrap();
    let rest = 1200;
    for i in 0..rest {
        let writes = vec![write("crm", Expected::Any, Some(json!(i)))];
        bench.store.records().commit(bench.work(writes, vec![bench.event("crm", None)])).await.unwrap();
    }
    bench.clock.advance(91 * DAY);
    let purged = bench.store.purge(Retention::default()).await.unwrap();
    assert_eq!((purged.events, purged.changes), (rest, rest));
}

#[tokio::test]
async fn a_record_too_deep_to_be_read_back_is_refused_and_the_stream_of_changes_goes_on() {
    let bench = Bench::new();
    let nested = |depth| (0..depth).fold(Value::Null, |inner, _| json!([inner]));
    let deep = bench.work(vec![write("deep", Expected::Absent, Some(nested(128)))], vec![]);
    let refused = bench.store.records().commit(deep).await;
    assert!(matches!(refused, Err(CommitError::Invalid(_))), "{refused:?}");
    let deepest = bench.work(vec![write("fits", Expected::Absent, Some(nested(127)))], vec![]);
    bench.store.records().commit(deepest).await.unwrap();
    let changes = bench.store.changes().read("timeline", 10, Duration::ZERO).await.unwrap();
    assert_eq!(changes[0].new, Some(nested(127)));
}

#[tokio::test]
async fn a_dead_letter_queue_subscribes_to_nothing() {
    let bench = Bench::new();
    bench.store.queue("email").await.unwrap();
    let refused = bench.store.subscribe("email-dlq", &Filter::default()).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
}
