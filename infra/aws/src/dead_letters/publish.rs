//! Sending letters to the topic.

use std::{collections::HashMap, time::Duration};

use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_smithy_types::{Blob, base64};
use futures::{StreamExt as _, stream};
use sendoff_consumers::{Backoff, OutgoingLetter, QueueError};

use super::{
    AT_ONCE, SqsDeadLetters, is_fifo,
    outgoing::{Ready, attributes, is_binary},
};
use crate::{CallError, Cause, batches, error::is_throttle};

/// What SNS takes in one batch, and in one message
/// (<https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>).
const LIMIT: usize = 256 * 1024;
/// How often a send is tried in all that certainly wasn't taken.
pub(super) const TRIES: u32 = 8;
/// Between those.
pub(super) const PAUSE: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(2) };

impl SqsDeadLetters {
    /// One `PublishBatch` per ten letters, many at a time. The trace header stays behind: SNS has no place for one per message,
    /// and the envelope has its own.
    pub(super) async fn publish(&self, letters: &[OutgoingLetter]) -> Vec<Result<String, QueueError>> {
        let fifo = is_fifo(&self.store.resources.topic_arn);
        let unsent = || Err(QueueError::Unavailable("the letter was not sent".to_owned()));
        let mut results: Vec<Result<String, QueueError>> = (0..letters.len()).map(|_| unsent()).collect();
        let mut ready = Vec::with_capacity(letters.len());
        for (place, letter) in letters.iter().enumerate() {
            match Ready::of(letter, LIMIT, fifo) {
                Ok(one) => ready.push((place, one)),
                Err(why) => results[place] = Err(QueueError::Refused(why)),
            }
        }
        let sizes: Vec<usize> = ready.iter().map(|(_, one)| one.bytes).collect();
        let calls: Vec<_> =
            batches::split(&sizes, LIMIT).into_iter().map(|range| self.publish_batch(&ready[range], fifo)).collect();
        let told: Vec<_> = stream::iter(calls).buffered(if fifo { 1 } else { AT_ONCE }).concat().await;
        for (place, result) in told {
            results[place] = result;
        }
        results
    }

    /// Publishes a batch. One that SNS refuses as a whole is published letter by letter, to find the one that it means.
    async fn publish_batch(&self, batch: &[(usize, Ready<'_>)], fifo: bool) -> Vec<Told> {
        let refused = match self.publish_taken(batch, fifo).await {
            Ok(told) => return told,
            Err(error) => error,
        };
        if batch.len() == 1 || refused.cause != Cause::Refused {
            return batch.iter().map(|(place, _)| (*place, Err(why(&refused)))).collect();
        }
        let mut told = Vec::with_capacity(batch.len());
        for one in batch.chunks(1) {
            match self.publish_taken(one, fifo).await {
                Ok(one) => told.extend(one),
                Err(error) => told.push((one[0].0, Err(why(&error)))),
            }
        }
        told
    }

    /// One `PublishBatch`, and again what SNS certainly has not taken: who wasn't reached, or was asked to slow down. Fails when
    /// none of it was taken.
    async fn publish_taken(&self, batch: &[(usize, Ready<'_>)], fifo: bool) -> Result<Vec<Told>, CallError> {
        let topic = &self.store.resources.topic_arn;
        let mut results = Vec::with_capacity(batch.len());
        let mut left: Vec<&(usize, Ready<'_>)> = batch.iter().collect();
        for attempt in 1.. {
            let last = attempt == TRIES;
            let entries = left.iter().filter_map(|(place, ready)| entry(*place, ready, fifo)).collect();
            let call = self.store.aws.sns().publish_batch().topic_arn(topic);
            match call.set_publish_batch_request_entries(Some(entries)).send().await {
                Ok(answer) => {
                    let failed = answer.failed.unwrap_or_default();
                    let done = answer.successful.unwrap_or_default();
                    left.retain(|(place, _)| {
                        let id = place.to_string();
                        if let Some(one) = done.iter().find(|one| one.id() == Some(&id)) {
                            results.push((*place, Ok(one.message_id().unwrap_or_default().to_owned())));
                            return false;
                        }
                        let Some(one) = failed.iter().find(|one| one.id() == id) else {
                            let untold = "SNS's answer doesn't tell of it".to_owned();
                            results.push((*place, Err(QueueError::Unavailable(untold))));
                            return false;
                        };
                        if !last && is_throttle(one.code()) {
                            return true;
                        }
                        let text = format!("{}: {}", one.code(), one.message().unwrap_or("SNS doesn't say why"));
                        let refused = one.sender_fault() && !is_throttle(one.code());
                        let error = if refused { QueueError::Refused(text) } else { QueueError::Unavailable(text) };
                        results.push((*place, Err(error)));
                        false
                    });
                }
                Err(error) => {
                    let error = CallError::of("sns:Publish", topic, &error);
                    if last || !matches!(error.cause, Cause::Throttled | Cause::NotSent) {
                        if results.is_empty() {
                            return Err(error);
                        }
                        results.extend(left.drain(..).map(|(place, _)| (*place, Err(why(&error)))));
                    }
                }
            }
            if left.is_empty() {
                break;
            }
            self.store.clock.sleep(PAUSE.delay(attempt, &*self.store.rng)).await;
        }
        Ok(results)
    }
}

/// The place of a letter, and what became of it.
type Told = (usize, Result<String, QueueError>);

fn why(error: &CallError) -> QueueError {
    match error.cause {
        Cause::Refused => QueueError::Refused(error.to_string()),
        _ => QueueError::Unavailable(error.to_string()),
    }
}

fn entry(place: usize, ready: &Ready<'_>, fifo: bool) -> Option<PublishBatchRequestEntry> {
    let letter = ready.letter;
    let values: HashMap<_, _> = attributes(letter)
        .filter_map(|(name, kind, value)| {
            let built = MessageAttributeValue::builder().data_type(kind);
            let built = if is_binary(kind) {
                built.binary_value(Blob::new(base64::decode(value).ok()?))
            } else {
                built.string_value(value)
            };
            Some((name.to_owned(), built.build().ok()?))
        })
        .collect();
    PublishBatchRequestEntry::builder()
        .id(place.to_string())
        .message(ready.body)
        .set_message_attributes((!values.is_empty()).then_some(values))
        .set_message_group_id(letter.group.clone())
        .set_message_deduplication_id(fifo.then(|| letter.dedup.clone()))
        .build()
        .ok()
}
