//! What is done by receipts: ack, extend, release.

use std::time::Duration;

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};
use sendoff_consumers::{Delivery, FAILURE_ATTRIBUTE, NewMessage, QueueError, Receipt};
use sendoff_events::Timestamp;

use super::{SqsQueue, batch, batch::Answer, dead_letter::HOLD};
use crate::{Aws, CallError, batches};

/// The longest that a message is hidden in one go. SQS allows twelve hours in all since it was received; the hour that is left
/// is for what has passed of them.
const LONGEST: Duration = Duration::from_secs(11 * 3600);

/// How old a message may become in its queue. The template's queues delete what is twelve days old, without a word; the day that is
/// left is for those whose schedule can't be made at once.
const KEPT: Duration = Duration::from_secs(11 * 86_400);

/// How often a message is received at most: SQS itself moves what was received too often, by the template 500 times, of mails 480 and
/// of webhooks 72, to the dead-letter queue, without a reason.
const RECEIVED: u32 = 60;

/// Whether a message that is given back has to come back as a new one: SQS can't hide it for that long, or wouldn't keep it.
#[must_use]
pub fn comes_back_as_new(delivery: &Delivery, delay: Duration, now: Timestamp) -> bool {
    let age = Duration::try_from(now.duration_since(delivery.sent_at)).unwrap_or_default();
    delay > LONGEST || age.saturating_add(delay) > KEPT || delivery.receive_count >= RECEIVED
}

/// The whole seconds that a lease or a delay takes: none is shorter than it was asked for, but for those beyond what a message
/// can be hidden for.
pub(crate) fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i32::try_from(whole.min(LONGEST.as_secs())).unwrap_or(i32::MAX)
}

/// The messages of one queue that are held, by their receipts.
pub(crate) struct Leases<'a> {
    aws: &'a Aws,
    url: &'a str,
    /// How many calls are under way at a time.
    at_once: usize,
}

impl<'a> Leases<'a> {
    pub(crate) const fn new(aws: &'a Aws, url: &'a str, at_once: usize) -> Self {
        Self { aws, url, at_once }
    }

    /// Removes the messages: one `DeleteMessageBatch` per ten.
    pub(crate) async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let results = batch::carry_out(self.at_once, batches::split(&vec![0; receipts.len()], 1), |range| {
            let entry = |place: usize| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(receipts[place].as_str()).build().ok()
            };
            let entries = range.filter(|place| is_one(&receipts[*place])).filter_map(entry).collect::<Vec<_>>();
            if entries.is_empty() {
                return Box::pin(async { Ok(Answer::default()) });
            }
            let call = self.aws.sqs_repeating().delete_message_batch().queue_url(self.url).set_entries(Some(entries));
            Box::pin(async move {
                let answer = call.send().await.map_err(|error| CallError::of("sqs:DeleteMessage", self.url, &error))?;
                let done = answer.successful.into_iter().map(|entry| (entry.id, ())).collect();
                Ok(Answer { done, failed: answer.failed })
            })
        });
        stale_if_none(receipts, results.await)
    }

    /// Hides each message for its seconds from now on. Where they would go beyond SQS's twelve hours, it is hidden for as long
    /// as SQS takes, halved until it does.
    pub(crate) async fn hide(&self, entries: &[(Receipt, i32)]) -> Vec<Result<(), QueueError>> {
        let mut results = self.change_visibility(entries).await;
        let mut share = 2;
        while share <= 1 << 12 {
            let beyond = |place: &usize| matches!(&results[*place], Err(QueueError::Refused(why)) if is_beyond(why));
            let places: Vec<usize> = (0..entries.len()).filter(beyond).collect();
            if places.is_empty() {
                break;
            }
            let shorter: Vec<_> = places.iter().map(|&n| (entries[n].0.clone(), entries[n].1 / share)).collect();
            for (place, result) in places.into_iter().zip(self.change_visibility(&shorter).await) {
                results[place] = result;
            }
            share *= 2;
        }
        results
    }

    /// One `ChangeMessageVisibilityBatch` per ten.
    async fn change_visibility(&self, entries: &[(Receipt, i32)]) -> Vec<Result<(), QueueError>> {
        let results = batch::carry_out(self.at_once, batches::split(&vec![0; entries.len()], 1), |range| {
            let entry = |place: usize| {
                let (receipt, seconds) = &entries[place];
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(receipt.as_str()).visibility_timeout(*seconds).build().ok()
            };
            let changes = range.filter(|place| is_one(&entries[*place].0)).filter_map(entry).collect::<Vec<_>>();
            if changes.is_empty() {
                return Box::pin(async { Ok(Answer::default()) });
            }
            let call = self.aws.sqs_repeating().change_message_visibility_batch().queue_url(self.url);
            let call = call.set_entries(Some(changes));
            Box::pin(async move {
                let answer = call
                    .send()
                    .await
                    .map_err(|error| CallError::of("sqs:ChangeMessageVisibility", self.url, &error))?;
                let done = answer.successful.into_iter().map(|entry| (entry.id, ())).collect();
                Ok(Answer { done, failed: answer.failed })
            })
        });
        let receipts: Vec<Receipt> = entries.iter().map(|(receipt, _)| receipt.clone()).collect();
        stale_if_none(&receipts, results.await)
    }
}

impl SqsQueue {
    pub(super) fn leases(&self) -> Leases<'_> {
        Leases::new(&self.store.aws, &self.url, batch::AT_ONCE)
    }

    /// Hides each message for its seconds from now on.
    pub(super) async fn hide(&self, entries: &[(Receipt, i32)]) -> Vec<Result<(), QueueError>> {
        self.leases().hide(entries).await
    }

    /// Gives messages back. One that is to wait for longer than SQS can hide it, or that SQS wouldn't keep for so long or so often,
    /// goes away and comes back as a new message by a schedule; where that can't be made it comes back sooner, and its handler
    /// puts it off again.
    pub(super) async fn give_back(&self, entries: &[(Delivery, Duration)]) -> Vec<Result<(), QueueError>> {
        let mut results: Vec<Option<Result<(), QueueError>>> = Vec::with_capacity(entries.len());
        let now = self.store.clock.now();
        for (delivery, delay) in entries {
            let renewed = comes_back_as_new(delivery, *delay, now);
            results.push(if renewed { self.put_off(delivery, *delay).await } else { None });
        }
        let places: Vec<usize> = (0..entries.len()).filter(|place| results[*place].is_none()).collect();
        let shorter: Vec<_> = places.iter().map(|&n| (entries[n].0.receipt.clone(), seconds(entries[n].1))).collect();
        for (place, result) in places.into_iter().zip(self.hide(&shorter).await) {
            results[place] = Some(result);
        }
        results.into_iter().flatten().collect()
    }

    /// Schedules a copy of the message, with all its attributes, and removes it. `None` when that can't be done; then it is
    /// still there. It is held first, which tells a stale receipt: what belongs to somebody else gets no copy.
    async fn put_off(&self, delivery: &Delivery, delay: Duration) -> Option<Result<(), QueueError>> {
        let Delivery { receipt, message_id, body, attributes, .. } = delivery;
        if let Some(Err(error)) = self.hide(&[(receipt.clone(), HOLD)]).await.pop() {
            return Some(Err(error));
        }
        let mut attributes = attributes.clone();
        // By an earlier failure that SQS moved back with it, the copy would be as old as the dead letter was.
        attributes.remove(FAILURE_ATTRIBUTE);
        let copy = NewMessage { body: body.clone(), attributes, delay: Duration::ZERO };
        // The name is the message's own, so that a release that is repeated schedules no second copy.
        let put = self.later(&format!("release/{}/{message_id}", self.name), &copy, delay).await;
        if let Err(error) = put {
            tracing::warn!(queue = self.name, %error, "a message comes back sooner than it was put off to");
            return None;
        }
        self.leases().delete(std::slice::from_ref(receipt)).await.pop()
    }
}

/// SQS fails a batch with an empty receipt as a whole.
fn is_one(receipt: &Receipt) -> bool {
    !receipt.as_str().is_empty()
}

fn stale_if_none(receipts: &[Receipt], results: Vec<Result<(), QueueError>>) -> Vec<Result<(), QueueError>> {
    let told = |(receipt, result)| if is_one(receipt) { result } else { Err(QueueError::Stale) };
    receipts.iter().zip(results).map(told).collect()
}

/// Whether SQS says that a message would be hidden for more than twelve hours since it was received.
fn is_beyond(why: &str) -> bool {
    why.contains("beyond the limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_never_shorter_than_asked_for_and_never_longer_than_sqs_takes() {
        let of = |millis| seconds(Duration::from_millis(millis));
        assert_eq!((of(0), of(1), of(1000), of(1001)), (0, 1, 1, 2));
        assert_eq!(seconds(LONGEST + Duration::from_secs(1)), 39_600);
        assert_eq!(seconds(Duration::MAX), 39_600);
    }

    #[test]
    fn what_sqs_cannot_hide_or_would_not_keep_comes_back_as_a_new_message() {
        let sent_at = Timestamp::from_second(1_800_000_000).unwrap();
        let renewed = |age: u64, receive_count, delay: u64| {
            let delivery = Delivery {
                receipt: Receipt::new("r"),
                message_id: "m".into(),
                body: "x".into(),
                attributes: sendoff_consumers::Attributes::new(),
                receive_count,
                sent_at,
            };
            comes_back_as_new(&delivery, Duration::from_secs(delay), sent_at + Duration::from_secs(age))
        };
        let (hour, day) = (3600, 86_400);
        assert_eq!([renewed(0, 1, 11 * hour), renewed(0, 1, 11 * hour + 1)], [false, true], "by its delay");
        assert_eq!([renewed(10 * day, 3, 11 * hour), renewed(11 * day, 3, 1)], [false, true], "by its age");
        assert_eq!([renewed(day, 59, 1), renewed(day, 60, 0)], [false, true], "by its receives");
    }

    #[test]
    fn a_lease_beyond_twelve_hours_is_told_by_its_text() {
        assert!(is_beyond(
            "InvalidParameterValue: Value 39600 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout \
             for the message is beyond the limit [43200 seconds]."
        ));
    }
}
