//! Putting messages into a queue.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use sendoff_consumers::{NewMessage, QueueError};

use super::{SqsQueue, batch, batch::Answer, receipts::seconds};
use crate::{
    CallError, batches,
    message::{SQS_LIMIT, SqsMessage},
};

/// The longest delay that SQS takes with a message. A longer one is a schedule.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

impl SqsQueue {
    /// One `SendMessageBatch` per ten messages; one `CreateSchedule` for each that is delayed for longer than a quarter of an
    /// hour. Such a message has the schedule's name for an id.
    pub(super) async fn send_all(&self, messages: &[NewMessage]) -> Vec<Result<String, QueueError>> {
        let mut results: Vec<Option<Result<String, QueueError>>> = vec![None; messages.len()];
        let mut now = Vec::new();
        for (place, message) in messages.iter().enumerate() {
            match SqsMessage::new(&message.body, &message.attributes) {
                Err(why) => results[place] = Some(Err(QueueError::Refused(why))),
                Ok(_) if message.delay > LONGEST_DELAY => {
                    let name = format!("delay/{:016x}{:016x}", self.store.rng.next_u64(), self.store.rng.next_u64());
                    results[place] = Some(self.later(&name, message, message.delay).await.map(|()| name));
                }
                Ok(ready) => now.push((place, ready, seconds(message.delay))),
            }
        }
        let (places, now): (Vec<usize>, Vec<(SqsMessage, i32)>) =
            now.into_iter().map(|(place, ready, delay)| (place, (ready, delay))).unzip();
        for (place, result) in places.into_iter().zip(self.send_to(&self.url, &now).await) {
            results[place] = Some(result);
        }
        let untold = || Err(QueueError::Unavailable("the message was not sent".to_owned()));
        results.into_iter().map(|result| result.unwrap_or_else(untold)).collect()
    }

    /// Puts messages into the queue at `url`, each with its delay in seconds. Gives their ids.
    pub(super) async fn send_to(&self, url: &str, messages: &[(SqsMessage, i32)]) -> Vec<Result<String, QueueError>> {
        let sizes: Vec<usize> = messages.iter().map(|(message, _)| message.bytes()).collect();
        let url = url.to_owned();
        batch::carry_out(batch::AT_ONCE, batches::split(&sizes, SQS_LIMIT), |range| {
            let entries: Vec<_> = range.clone().zip(&messages[range]).filter_map(|(n, one)| entry(n, one)).collect();
            let call = self.store.aws.sqs().send_message_batch().queue_url(&url).set_entries(Some(entries));
            let url = url.clone();
            Box::pin(async move {
                let answer = call.send().await.map_err(|error| CallError::of("sqs:SendMessage", url, &error))?;
                let done = answer.successful.into_iter().map(|entry| (entry.id, entry.message_id)).collect();
                Ok(Answer { done, failed: answer.failed })
            })
        })
        .await
    }

    /// Puts the message into this queue after `delay`, by a schedule of our own of this name.
    pub(super) async fn later(&self, name: &str, message: &NewMessage, delay: Duration) -> Result<(), QueueError> {
        let due = self.store.clock.now().saturating_add(delay).unwrap_or(sendoff_events::Timestamp::MAX);
        let put = self.scheduler.put_own(name, due, &self.name, message).await;
        put.map_err(|error| QueueError::Unavailable(error.to_string()))
    }
}

fn entry(place: usize, (message, delay): &(SqsMessage, i32)) -> Option<SendMessageBatchRequestEntry> {
    let entry = SendMessageBatchRequestEntry::builder().id(place.to_string());
    // Without a delay of its own a message takes the queue's.
    let entry = if *delay > 0 { entry.delay_seconds(*delay) } else { entry };
    message.fill(entry).build().ok()
}
