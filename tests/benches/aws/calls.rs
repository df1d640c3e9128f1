//! How many calls and written items an event and a message come to.

use std::time::Duration;

use futures::future::join_all;
use sendoff_consumers::{Delivery, Limits, Router, Verdict};
use sendoff_events::Outgoing;
use sendoff_producers::{Answer, Committed, Expected, RecordKey, RequestKey, UnitOfWork, Write};
use sendoff_tests::processor;

use crate::{
    handlers::{Once, Repeatable},
    rig::{self, BATCH, Rig},
};

/// Events and messages of each line.
const COUNT: usize = 1000;

/// Counts and prints what each of them comes to.
pub(crate) async fn run(rig: &Rig) {
    println!("{:<44} {:>6} {:>6} {:>9}  calls, by name", "per event or message", "calls", "items", "CPU µs");
    let events: Vec<Outgoing> = (0..COUNT as u64).map(rig::event).collect();
    let records = rig.store.records();
    let work: Vec<UnitOfWork> = events.iter().enumerate().map(|(n, event)| unit_of_work(rig, n, event)).collect();
    line(rig, "commit: a record, an event, a request key", async {
        for work in work {
            let committed = records.commit(work).await.unwrap();
            assert!(matches!(committed, Committed::Applied { .. }), "{committed:?}");
        }
    })
    .await;
    let (publisher, outbox) = (rig.store.publisher(), rig.store.outbox());
    for (what, size) in [("publish, one at a time", 1), ("publish, by tens", BATCH)] {
        line(rig, what, async {
            for batch in events.chunks(size) {
                assert!(publisher.publish(batch).await.iter().all(Result::is_ok));
            }
        })
        .await;
    }
    line(rig, "mark as published", async {
        for event in &events {
            outbox.mark_published(&[event.id()]).await.unwrap();
        }
    })
    .await;
    handled(rig).await;
}

/// Messages received, handled and acked by tens.
async fn handled(rig: &Rig) {
    let router = Router::new(rig.ports()).with(Repeatable).unwrap().with(Once).unwrap();
    let queue = rig.store.queue("calls");
    let (wait, lease, limits) = (Duration::from_secs(1), Duration::from_secs(60), Limits::none());
    for name in ["repeatable", "once"] {
        let consumer = router.consumer(name).unwrap();
        line(rig, &format!("receive, handle ({name}), ack, by tens"), async {
            for _ in 0..COUNT / BATCH {
                let batch: Vec<Delivery> = queue.receive(BATCH, wait, lease).await.unwrap();
                // All of a batch at once, as a function has them.
                for verdict in join_all(batch.iter().map(|delivery| consumer.process(delivery, &limits))).await {
                    assert!(matches!(verdict, Verdict::Ack { duplicate: false }), "{verdict:?}");
                }
                let receipts: Vec<_> = batch.into_iter().map(|delivery| delivery.receipt).collect();
                assert!(queue.ack(&receipts).await.iter().all(Result::is_ok));
            }
        })
        .await;
    }
}

/// Does the work, of [`COUNT`] events or messages, and prints what it came to.
async fn line(rig: &Rig, what: &str, work: impl Future<Output = ()>) {
    rig.stub.counts();
    let began = processor::used();
    work.await;
    let used = processor::used() - began;
    let (counts, each) = (rig.stub.counts(), COUNT as f64);
    let (calls, written) = counts.values().fold((0, 0), |(c, w), count| (c + count.calls, w + count.written));
    let named = counts.iter().map(|(name, count)| format!("{name} {}", count.calls as f64 / each));
    let (calls, written, micros) = (calls as f64 / each, written as f64 / each, used.as_secs_f64() * 1e6 / each);
    println!("{what:<44} {calls:>6.1} {written:>6.1} {micros:>9.0}  {}", named.collect::<Vec<_>>().join(", "));
}

fn unit_of_work(rig: &Rig, number: usize, event: &Outgoing) -> UnitOfWork {
    UnitOfWork {
        tenant: rig::tenant(),
        actor: "ada".into(),
        at: rig.clock.now(),
        writes: vec![Write {
            key: RecordKey::new(&rig::tenant(), "submissions", format!("bench/s-{number}")),
            expected: Expected::Absent,
            data: Some(serde_json::json!({ "fields": { "amount": number } })),
        }],
        events: vec![event.clone()],
        may_be_silent: false,
        request: Some(RequestKey {
            key: format!("request-{number}"),
            fingerprint: [7; 32],
            answer: Answer {
                status: 201,
                location: None,
                etag: None,
                events: vec![event.id()],
                body: format!(r#"{{"id":"s-{number}"}}"#),
            },
        }),
    }
}
