//! What is forgotten, and what never is.

use std::{collections::BTreeMap, time::Duration};

use sendoff_consumers::{
    Claim, Claimed, DeliveryId, DeliveryNews, DeliveryStatus, Destination, FAILURE_ATTRIBUTE, IdempotencyKey,
    OutgoingLetter, Status,
};
use sendoff_events::{Clock as _, EXTENDED_SIZE_ATTRIBUTE, Pointer};
use sendoff_producers::Expected;
use serde_json::json;

use super::{Bench, LEASE, failure, receive, write};
use crate::{Purged, Retention};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn settled_inbox_records_go_on_their_date_and_open_ones_never() {
    let bench = Bench::new();
    let inbox = bench.store.inbox();
    let now = bench.clock.now();
    let mut keys = Vec::new();
    for (fence, status) in (1..).zip([Status::Done, Status::Failed, Status::Claimed, Status::InDoubt]) {
        let key = IdempotencyKey::new("email", bench.event("crm", None).id());
        let claim =
            Claim { key, fence, payload_hash: [7; 32], replay: 0, now, lease_until: now + LEASE, reconcile: false };
        let Claimed::Won(mut record) = inbox.claim(&claim).await.unwrap() else { panic!("it was free") };
        record.status = status;
        record.revision += 1;
        // A date on a record that is open would be a mistake; it must not cost the record.
        record.expires_at = Some(now + DAY);
        inbox.write(&record).await.unwrap();
        keys.push(record.key);
    }
    bench.clock.advance(DAY - Duration::from_millis(1));
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap(), Purged::default());
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap().inbox, 2);
    let mut left = Vec::new();
    for key in &keys {
        left.extend(inbox.get(key).await.unwrap().map(|record| record.status));
    }
    assert_eq!(left, [Status::Claimed, Status::InDoubt]);
}

#[tokio::test]
async fn more_than_one_step_is_purged_in_one_go() {
    let bench = Bench::new();
    let rows = 1234;
    bench
        .connection()
        .execute_batch(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO inbox SELECT randomblob(16), 'email', 1, 1, 1, 0, 1, 0, x'07', NULL, NULL, 0, 0, 1 FROM n"
        ))
        .unwrap();
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap().inbox, rows);
}

#[tokio::test]
async fn an_old_event_goes_with_its_blob_once_no_queue_needs_it() {
    let bench = Bench::with(|options| options.max_body = 100);
    let queue = bench.subscribed("email").await;
    let events = [bench.event("crm", None), bench.event("hr", None)];
    bench.store.publisher().publish(&events).await;
    let deliveries = receive(&*queue, 2).await;
    let blobs = bench.store.blobs();
    let pointers: Vec<_> =
        deliveries.iter().map(|d| Pointer::parse(&d.body, &[blobs.bucket()]).unwrap().unwrap().key).collect();
    queue.ack(&[deliveries[0].receipt.clone()]).await[0].as_ref().unwrap();
    queue.dead_letter(&[(deliveries[1].clone(), failure("bad-template"))]).await[0].as_ref().unwrap();

    bench.clock.advance(90 * DAY);
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap(), Purged::default());
    bench.clock.advance(DAY);
    let purged = bench.store.purge(Retention::default()).await.unwrap();
    assert_eq!((purged.events, purged.blobs), (1, 1));
    let left: Vec<_> = bench.store.events(0, 10).await.unwrap().into_iter().map(|event| event.id).collect();
    assert_eq!(left, [events[1].id()], "a dead letter keeps its event");
    assert!(blobs.get(&pointers[0], 10_000).await.is_err());
    assert_eq!(blobs.get(&pointers[1], 10_000).await.unwrap(), events[1].body());
}

#[tokio::test]
async fn a_body_that_was_put_back_is_kept_while_a_queue_needs_it_and_forgotten_as_others_are() {
    let bench = Bench::with(|options| options.max_body = 100);
    let (queue, blobs) = (bench.subscribed("email").await, bench.store.blobs());
    let event = bench.event("crm", None);
    bench.store.publisher().publish(std::slice::from_ref(&event)).await;
    let delivery = receive(&*queue, 1).await.remove(0);
    let pointer = Pointer::parse(&delivery.body, &[blobs.bucket()]).unwrap().unwrap();
    queue.ack(&[delivery.receipt]).await.remove(0).unwrap();
    let purge = async |days| {
        bench.clock.advance(days * DAY);
        let purged = bench.store.purge(Retention::default()).await.unwrap();
        (purged.events, purged.blobs)
    };
    assert_eq!(purge(91).await, (1, 1));

    blobs.put(&pointer.key, event.body().clone()).await.unwrap();
    let mut attributes = delivery.attributes;
    attributes.insert(FAILURE_ATTRIBUTE.into(), failure("bad-template").to_attribute());
    let letter = OutgoingLetter {
        body: delivery.body,
        attributes,
        types: BTreeMap::from([(EXTENDED_SIZE_ATTRIBUTE.into(), "Number".into())]),
        group: None,
        dedup: "1".into(),
        copy_of: None,
    };
    let letters = bench.store.dead_letter_queues();
    let to = Destination::Queue("email-dlq".into());
    letters.send(&to, std::slice::from_ref(&letter)).await.remove(0).unwrap();
    assert_eq!(purge(91).await, (0, 0), "a dead letter keeps it");
    let stands = bench.letters("email-dlq").await.remove(0);
    assert_eq!((&stands.body, &stands.attributes, &stands.types), (&letter.body, &letter.attributes, &letter.types));

    let taken = letters.take("email-dlq", 1, LEASE).await.unwrap().remove(0);
    letters.delete("email-dlq", &[taken.receipt]).await.remove(0).unwrap();
    assert_eq!(purge(0).await, (1, 1));
    assert!(blobs.get(&pointer.key, 10_000).await.is_err());
}

#[tokio::test]
async fn changes_go_when_they_are_old_and_every_reaction_has_read_them() {
    let bench = Bench::new();
    let changes = bench.store.changes();
    for i in 0..3 {
        let writes = vec![write("crm", Expected::Any, Some(json!(i)))];
        bench.store.records().commit(bench.work(writes, vec![])).await.unwrap();
    }
    let read = changes.read("timeline", 2, Duration::ZERO).await.unwrap();
    changes.checkpoint("timeline", &read[1].position).await.unwrap();
    bench.clock.advance(91 * DAY);
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap().changes, 2);
    assert_eq!(changes.read("timeline", 10, Duration::ZERO).await.unwrap()[0].new, Some(json!(2)));
}

#[tokio::test]
async fn what_providers_told_goes_after_the_record_of_the_message_it_was_about() {
    let bench = Bench::new();
    let (inbox, deliveries) = (bench.store.inbox(), bench.store.deliveries());
    let news = |at| DeliveryNews {
        status: DeliveryStatus::Delivered,
        provider: "twilio".into(),
        provider_id: None,
        reason: None,
        at,
    };
    let now = bench.clock.now();
    let key = IdempotencyKey::new("sms", bench.event("crm", None).id());
    let claim = Claim {
        key: key.clone(),
        fence: 1,
        payload_hash: [7; 32],
        replay: 0,
        now,
        lease_until: now + LEASE,
        reconcile: false,
    };
    let Claimed::Won(mut record) = inbox.claim(&claim).await.unwrap() else { panic!("it was free") };
    record.status = Status::InDoubt;
    record.revision += 1;
    inbox.write(&record).await.unwrap();
    let kept = DeliveryId::new(key, "ada");
    let orphan = DeliveryId::new(IdempotencyKey::new("sms", bench.event("crm", None).id()), "ada");
    for id in [&kept, &orphan] {
        // What a provider says of the time decides nothing.
        assert_eq!(deliveries.tell(id, &news(now + 10_000 * DAY), now).await, Ok(true));
    }
    bench.clock.advance(90 * DAY);
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap(), Purged::default());
    bench.clock.advance(DAY);
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap().deliveries, 1);
    assert_eq!(deliveries.get(&orphan).await, Ok(None));
    assert!(deliveries.get(&kept).await.unwrap().is_some(), "a doubt is never forgotten, nor what was told of it");
}
