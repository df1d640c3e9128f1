//! Sending letters to a queue.

use std::collections::HashMap;

use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use aws_smithy_types::{Blob, base64};
use sendoff_consumers::{OutgoingLetter, QueueError};

use super::{
    AT_ONCE, SqsDeadLetters, is_fifo,
    outgoing::{Ready, attributes, is_binary},
    publish::{PAUSE, TRIES},
};
use crate::{
    CallError, Cause, batches,
    error::is_throttle,
    message::{SQS_LIMIT, TRACE_HEADER},
    queue::batch::{self, Answer, failed_with},
};

impl SqsDeadLetters {
    /// One `SendMessageBatch` per ten letters, many at a time. Into a first-in-first-out queue they go one after another, so
    /// that they stand there in the order that they were given in.
    pub(super) async fn send_to_queue(
        &self,
        name: &str,
        letters: &[OutgoingLetter],
    ) -> Vec<Result<String, QueueError>> {
        let (url, fifo) = (self.url(name), is_fifo(name));
        let mut results: Vec<Result<String, QueueError>> = Vec::with_capacity(letters.len());
        let (mut places, mut ready) = (Vec::new(), Vec::with_capacity(letters.len()));
        for (place, letter) in letters.iter().enumerate() {
            match Ready::of(letter, SQS_LIMIT, fifo) {
                Ok(one) => {
                    places.push(place);
                    ready.push(one);
                    results.push(Ok(String::new()));
                }
                Err(why) => results.push(Err(QueueError::Refused(why))),
            }
        }
        let sizes: Vec<usize> = ready.iter().map(|one| one.bytes).collect();
        let at_once = if fifo { 1 } else { AT_ONCE };
        let sent = batch::carry_out(at_once, batches::split(&sizes, SQS_LIMIT), |range| {
            let call = self.send_batch(&url, range.start, &ready[range], fifo);
            Box::pin(call)
        });
        for (place, result) in places.into_iter().zip(sent.await) {
            results[place] = result;
        }
        results
    }

    /// One `SendMessageBatch`, and again what SQS certainly has not taken: who wasn't reached, or was asked to slow down.
    async fn send_batch(
        &self,
        url: &str,
        start: usize,
        ready: &[Ready<'_>],
        fifo: bool,
    ) -> Result<Answer<String>, CallError> {
        let mut answer = Answer::default();
        let mut left: Vec<usize> = (0..ready.len()).collect();
        for attempt in 1.. {
            let entries = left.iter().filter_map(|&n| entry(start + n, &ready[n], fifo)).collect();
            let call = self.store.aws.sqs().send_message_batch().queue_url(url).set_entries(Some(entries));
            let last = attempt == TRIES;
            match call.send().await {
                Ok(told) => {
                    answer.done.extend(told.successful.into_iter().map(|entry| (entry.id, entry.message_id)));
                    let (again, failed) = told.failed.into_iter().partition(|entry| !last && is_throttle(entry.code()));
                    answer.failed.extend::<Vec<_>>(failed);
                    let again: Vec<_> = again;
                    left.retain(|n| again.iter().any(|entry| entry.id() == (start + n).to_string()));
                }
                Err(error) => {
                    let error = CallError::of("sqs:SendMessage", url, &error);
                    if last || !matches!(error.cause, Cause::Throttled | Cause::NotSent) {
                        if left.len() == ready.len() {
                            return Err(error);
                        }
                        answer.failed.extend(left.iter().filter_map(|n| failed_with(start + n, &error)));
                        left.clear();
                    }
                }
            }
            if left.is_empty() {
                break;
            }
            self.store.clock.sleep(PAUSE.delay(attempt, &*self.store.rng)).await;
        }
        Ok(answer)
    }
}

fn entry(place: usize, ready: &Ready<'_>, fifo: bool) -> Option<SendMessageBatchRequestEntry> {
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
    let trace = letter.attributes.get(TRACE_HEADER).and_then(|trace| {
        let value = MessageSystemAttributeValue::builder().string_value(trace).data_type("String").build().ok()?;
        Some(HashMap::from([(MessageSystemAttributeNameForSends::AwsTraceHeader, value)]))
    });
    SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(ready.body)
        .set_message_attributes((!values.is_empty()).then_some(values))
        .set_message_system_attributes(trace)
        // On a standard queue the group only makes it fair to tenants.
        .set_message_group_id(letter.group.clone())
        .set_message_deduplication_id(fifo.then(|| letter.dedup.clone()))
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_types_the_trace_and_the_group_and_only_a_fifo_one_an_id_to_drop_repetitions_by() {
        let pairs = |all: &[(&str, &str)]| all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let letter = OutgoingLetter {
            body: "x".into(),
            attributes: pairs(&[("b", "AP8="), ("n", "17"), ("t", "ü"), (TRACE_HEADER, "Root=1")]),
            types: pairs(&[("b", "Binary"), ("n", "Number")]),
            group: Some("acme".into()),
            dedup: "m-1-1".into(),
            copy_of: None,
        };
        let ready = Ready::of(&letter, SQS_LIMIT, true).unwrap_or_else(|why| panic!("{why}"));
        let made = entry(3, &ready, true).unwrap();
        let values = made.message_attributes().unwrap();
        assert_eq!((values.len(), values["n"].data_type(), values["t"].string_value()), (3, "Number", Some("ü")));
        assert_eq!(values["b"].binary_value().unwrap().as_ref(), [0, 255]);
        assert_eq!(made.message_system_attributes().unwrap().len(), 1);
        assert_eq!((made.id(), made.message_body(), made.message_group_id()), ("3", "x", Some("acme")));
        assert_eq!(made.message_deduplication_id(), Some("m-1-1"));
        assert_eq!(entry(3, &ready, false).unwrap().message_deduplication_id(), None);
    }
}
