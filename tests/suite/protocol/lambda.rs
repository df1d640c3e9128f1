//! The Lambda host of a consumer: what is reported of a batch, and what becomes of its messages.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use sendoff_aws::lambda::{Deadline, QueueEvent, SqsHost};
use sendoff_consumers::{Fence, IdempotencyKey, NotSent, Queue, Receipt, Router, SendOutcome, Status};
use sendoff_events::Clock;
use sendoff_tests::memory::{MemoryQueue, lock};
use serde_json::{Value, json, value::to_raw_value};

use super::rig::{Act, Rig, WORKER, sent};

/// How long Lambda leases the messages of a batch: six times the function's time.
const VISIBILITY: Duration = Duration::from_secs(360);
const TIMEOUT: Duration = Duration::from_secs(60);
/// The fence of another worker's claim.
const STRANGER: Fence = 42;

/// A batch that Lambda has received, and what came of it.
struct Batch<'a> {
    rig: &'a mut Rig,
    records: Vec<Value>,
}

impl<'a> Batch<'a> {
    /// Leases everything that is visible in the queue.
    fn received(rig: &'a mut Rig) -> Self {
        let queue = MemoryQueue::new("scripted", rig.remote(&rig.queue));
        let deliveries = futures::executor::block_on(queue.receive(10, Duration::ZERO, VISIBILITY)).unwrap();
        let records = deliveries.iter().map(|delivery| {
            json!({
                "messageId": delivery.message_id,
                "receiptHandle": delivery.receipt.as_str(),
                "body": String::from_utf8(delivery.body.to_vec()).unwrap(),
                "attributes": { "ApproximateReceiveCount": delivery.receive_count.to_string() },
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:scripted",
            })
        });
        Self { records: records.collect(), rig }
    }

    /// The same messages, in these groups of a FIFO queue.
    fn in_groups(mut self, groups: &[&str]) -> Self {
        for (record, group) in self.records.iter_mut().zip(groups) {
            record["attributes"]["MessageGroupId"] = json!(group);
            record["eventSourceARN"] = json!("arn:aws:sqs:eu-central-1:123456789012:scripted.fifo");
        }
        self
    }

    /// Lets the function work it, deletes what it doesn't report, and gives the places of what it does.
    fn worked_within(self, timeout: Duration) -> Vec<usize> {
        let Self { rig, records } = self;
        let consumer = Router::new(rig.ports()).with(rig.handler()).unwrap().consumer("scripted").unwrap().clone();
        let queue = Arc::new(rig.watched());
        let now = rig.world.clock().now();
        let event = QueueEvent::of(&to_raw_value(&json!({ "Records": records })).unwrap(), now).unwrap();
        let host = SqsHost::new(consumer, queue.clone(), rig.clock());
        let answer = Arc::new(Mutex::new(None));
        let told = Arc::clone(&answer);
        rig.world.spawn(WORKER, async move {
            *lock(&told) = Some(host.handle(event, &Deadline::of(now, now + timeout)).await);
        });
        while lock(&answer).is_none() {
            assert!(rig.world.step(), "it never answers");
        }
        assert!(rig.world.clock().now() <= now + timeout, "Lambda would have killed it");
        let answer = lock(&answer).take().unwrap();
        // The queue can put off for long only what it is given whole.
        for delivery in lock(&queue.released).iter() {
            let record = records.iter().find(|record| record["receiptHandle"] == delivery.receipt.as_str()).unwrap();
            assert_eq!(record["body"].as_str().unwrap().as_bytes(), delivery.body);
        }
        let failed = |record: &Value| answer.failures().iter().any(|id| record["messageId"] == id.as_str());
        let done = records.iter().filter(|record| !failed(record));
        let receipts: Vec<_> = done.map(|record| Receipt::new(record["receiptHandle"].as_str().unwrap())).collect();
        // Those that were dead-lettered are gone already.
        let _ = futures::executor::block_on(queue.ack(&receipts));
        records.iter().enumerate().filter(|(_, record)| failed(record)).map(|(place, _)| place).collect()
    }

    fn worked(self) -> Vec<usize> {
        self.worked_within(TIMEOUT)
    }
}

/// A script that answers the first step of the n-th message as `acts` says.
fn each(acts: impl Fn(u32) -> Act + Send + Sync + 'static) -> impl Fn(&str, u32) -> Act + Send + Sync {
    let messages = AtomicU32::new(0);
    move |step, _| if step == "ada" { acts(messages.fetch_add(1, SeqCst)) } else { sent() }
}

fn transient() -> Act {
    Act::Answer(SendOutcome::NotSent(NotSent::Transient { reason: "451 try later".into() }))
}

fn push(rig: &Rig, messages: usize) -> Vec<sendoff_events::EventId> {
    let pushed = (0..messages).map(|_| {
        let (event, body) = rig.envelope(Duration::ZERO);
        rig.push(body, None);
        event
    });
    pushed.collect()
}

#[test]
fn each_message_of_a_batch_has_its_own_outcome() {
    let mut rig = Rig::new(each(|n| if n == 1 { transient() } else { sent() }));
    let events = push(&rig, 3);
    rig.push("Hello!".into(), None);
    assert_eq!(Batch::received(&mut rig).worked(), [1]);
    assert_eq!(rig.record(events[0]).status, Status::Done);
    assert_eq!(rig.record(events[2]).status, Status::Done);
    assert_eq!(rig.dead_reasons(), ["not-json"], "what can't be read is moved, not reported");
    assert_eq!(lock(&rig.queue).len(), 1);
}

#[test]
fn what_is_to_be_tried_again_comes_back_after_its_own_delay_not_after_the_lease() {
    let mut rig = Rig::new(|_, attempt| if attempt == 1 { transient() } else { sent() });
    let events = push(&rig, 1);
    assert_eq!(Batch::received(&mut rig).worked(), [0]);
    rig.run_for(VISIBILITY / 2);
    assert_eq!(Batch::received(&mut rig).worked(), [] as [usize; 0]);
    assert_eq!((rig.record(events[0]).status, rig.record(events[0]).attempts), (Status::Done, 2));
    assert!(lock(&rig.queue).is_empty());
}

#[test]
fn a_handler_that_would_outlast_the_function_is_interrupted_and_the_others_are_done() {
    let mut rig = Rig::new(each(|n| if n == 0 { Act::Hang(Duration::from_secs(55)) } else { sent() }));
    let events = push(&rig, 3);
    assert_eq!(Batch::received(&mut rig).worked_within(Duration::from_secs(30)), [0]);
    assert_eq!(rig.record(events[0]).status, Status::InDoubt, "the step had begun, and nothing is known of it");
    assert_eq!(rig.record(events[2]).status, Status::Done);
}

#[test]
fn nothing_starts_when_there_is_no_time_left_and_everything_comes_again_at_once() {
    let mut rig = Rig::new(|_, _| sent());
    push(&rig, 3);
    assert_eq!(Batch::received(&mut rig).worked_within(Duration::ZERO), [0, 1, 2]);
    assert!(rig.sends().is_empty());
    assert_eq!(Batch::received(&mut rig).worked(), [] as [usize; 0]);
    assert_eq!(rig.sends().len(), 6);
}

#[test]
fn a_message_that_another_worker_has_taken_over_is_reported_and_left_alone() {
    let mut rig = Rig::new(|_, _| Act::Hang(Duration::from_secs(5)));
    let events = push(&rig, 1);
    let records = Arc::clone(&rig.records);
    rig.world.clock().later(Duration::from_secs(2), move || {
        lock(&records).values_mut().for_each(|record| record.fence = STRANGER);
    });
    assert_eq!(Batch::received(&mut rig).worked(), [0]);
    assert_eq!(rig.record(events[0]).fence, STRANGER);
    assert_eq!(lock(&rig.queue).len(), 1, "Lambda must not delete what somebody else works on");
    rig.run_for(VISIBILITY / 2);
    assert!(Batch::received(&mut rig).records.is_empty(), "its lease is left as it was");
}

#[test]
fn a_message_that_cannot_be_dead_lettered_is_reported() {
    let mut rig = Rig::new(|_, _| sent());
    rig.push("Hello!".into(), None);
    let mut batch = Batch::received(&mut rig);
    batch.records[0]["receiptHandle"] = json!("of an earlier delivery");
    assert_eq!(batch.worked(), [0]);
    assert_eq!((rig.dead_reasons().len(), lock(&rig.queue).len()), (0, 1));
}

#[test]
fn nothing_runs_while_the_inbox_cannot_be_reached_and_everything_is_reported() {
    let mut rig = Rig::new(|_, _| sent());
    rig.inbox_down = TIMEOUT;
    push(&rig, 2);
    assert_eq!(Batch::received(&mut rig).worked(), [0, 1]);
    assert!(rig.sends().is_empty());
    assert_eq!(lock(&rig.queue).len(), 2);
}

#[test]
fn on_a_fifo_queue_nothing_overtakes_a_failed_message_of_its_group() {
    let mut rig = Rig::new(each(|n| if n == 0 { transient() } else { sent() }));
    let events = push(&rig, 5);
    let groups = ["acme", "acme", "other", "acme", "other"];
    assert_eq!(Batch::received(&mut rig).in_groups(&groups).worked(), [0, 1, 3]);
    let ran = |event| lock(&rig.records).get(&IdempotencyKey::new("scripted", event)).map(|r| r.status);
    let (open, done) = (Some(Status::Claimed), Some(Status::Done));
    assert_eq!(events.into_iter().map(ran).collect::<Vec<_>>(), [open, None, done, None, done]);
}
