//! One SQS batch call after another, and what became of each entry.

use std::ops::Range;

use aws_sdk_sqs::types::BatchResultErrorEntry;
use futures::{StreamExt as _, stream};
use sendoff_consumers::QueueError;
use sendoff_events::BoxFuture;

use super::failed;
use crate::{CallError, Cause, error::is_throttle};

/// How many batches of one operation of a consumer are under way at a time.
pub(crate) const AT_ONCE: usize = 4;

/// SQS's answer to a batch. Entries are named by their places, so that a batch may hold the same receipt twice.
pub(crate) struct Answer<T> {
    pub(crate) done: Vec<(String, T)>,
    pub(crate) failed: Vec<BatchResultErrorEntry>,
}

impl<T> Default for Answer<T> {
    /// It tells of no entry.
    fn default() -> Self {
        Self { done: Vec::new(), failed: Vec::new() }
    }
}

/// A batch that is on its way.
pub(crate) type Call<'a, T> = BoxFuture<'a, Result<Answer<T>, CallError>>;

/// Carries out the batches, so many at a time, and gives one result per entry, in their order. SQS refuses some batches as a
/// whole because of one entry; such a batch is carried out entry by entry.
pub(crate) async fn carry_out<'a, T: Send>(
    at_once: usize,
    batches: Vec<Range<usize>>,
    call: impl Fn(Range<usize>) -> Call<'a, T>,
) -> Vec<Result<T, QueueError>> {
    let answers = match &batches[..] {
        // As nearly always: nothing has to be kept in order.
        [only] => vec![call(only.clone()).await],
        _ => {
            let calls: Vec<_> = batches.iter().map(|batch| call(batch.clone())).collect();
            stream::iter(calls).buffered(at_once).collect().await
        }
    };
    let mut results = Vec::new();
    for (batch, answer) in batches.into_iter().zip(answers) {
        match answer {
            Err(error) if error.cause == Cause::Refused && batch.len() > 1 => {
                for place in batch {
                    let alone = place..place + 1;
                    results.extend(one_each(alone.clone(), call(alone).await));
                }
            }
            answer => results.extend(one_each(batch, answer)),
        }
    }
    results
}

/// The entry at this place of a batch as one that failed with this call.
pub(crate) fn failed_with(place: usize, error: &CallError) -> Option<BatchResultErrorEntry> {
    let entry = BatchResultErrorEntry::builder().id(place.to_string()).message(error.to_string());
    let code = error.code.as_deref().unwrap_or("NoAnswer");
    entry.code(code).sender_fault(error.cause == Cause::Refused).build().ok()
}

fn one_each<T>(batch: Range<usize>, answer: Result<Answer<T>, CallError>) -> Vec<Result<T, QueueError>> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return batch.map(|_| Err(failed(&error))).collect(),
    };
    let mut done: Vec<Option<T>> = batch.clone().map(|_| None).collect();
    for (id, value) in answer.done {
        let place = id.parse::<usize>().ok().and_then(|place| place.checked_sub(batch.start));
        if let Some(place) = place.and_then(|place| done.get_mut(place)) {
            *place = Some(value);
        }
    }
    batch
        .zip(done)
        .map(|(place, done)| {
            let told = || answer.failed.iter().find(|entry| entry.id() == place.to_string());
            match (done, told()) {
                (Some(value), _) => Ok(value),
                (None, Some(entry)) => {
                    let text = format!("{}: {}", entry.code(), entry.message().unwrap_or("SQS doesn't say why"));
                    Err(judge(entry.code(), entry.message().unwrap_or_default(), entry.sender_fault(), &text))
                }
                (None, None) => Err(QueueError::Unavailable("SQS's answer doesn't tell of this entry".to_owned())),
            }
        })
        .collect()
}

/// What SQS says of a receipt whose message isn't ours any more.
pub(crate) fn judge(code: &str, message: &str, sender_fault: bool, text: &str) -> QueueError {
    let message = message.to_lowercase();
    let gone = ["not in flight", "not available", "does not exist", "has expired", "receipt handle"];
    if code.contains("ReceiptHandleIsInvalid")
        || code.contains("MessageNotInflight")
        || code.contains("InvalidParameterValue") && gone.iter().any(|part| message.contains(part))
    {
        QueueError::Stale
    } else if sender_fault && !is_throttle(code) {
        QueueError::Refused(text.to_owned())
    } else {
        QueueError::Unavailable(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches;

    fn told(id: &str, code: &str) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder().id(id).code(code).sender_fault(true).build().unwrap()
    }

    fn refused() -> CallError {
        let (cause, code) = (Cause::Refused, Some("InvalidParameterValue".to_owned()));
        CallError { call: "sqs:DeleteMessage", resource: "q".into(), cause, code, message: "one is wrong".into() }
    }

    #[test]
    fn every_entry_gets_its_own_result_in_order() {
        let call = |batch: Range<usize>| -> Call<'static, usize> {
            Box::pin(async move {
                let mut answer = Answer { done: Vec::new(), failed: vec![told("1", "ReceiptHandleIsInvalid")] };
                answer.done.extend(batch.filter(|n| ![1, 3].contains(n)).map(|n| (n.to_string(), n)).rev());
                Ok(answer)
            })
        };
        let results = futures::executor::block_on(carry_out(AT_ONCE, vec![0..2, 2..5], call));
        assert_eq!((&results[0], &results[1], &results[2]), (&Ok(0), &Err(QueueError::Stale), &Ok(2)));
        assert!(matches!(results[3], Err(QueueError::Unavailable(_))), "an entry that isn't told of isn't done");
        assert_eq!(results[4], Ok(4));
    }

    #[test]
    fn a_batch_that_is_refused_for_one_entry_is_carried_out_without_it() {
        let call = |batch: Range<usize>| -> Call<'static, ()> {
            let answer = if batch.contains(&1) {
                Err(refused())
            } else {
                Ok(Answer { done: batch.map(|n| (n.to_string(), ())).collect(), failed: Vec::new() })
            };
            Box::pin(async move { answer })
        };
        let results = futures::executor::block_on(carry_out(AT_ONCE, batches::split(&[1; 3], 100), call));
        assert!(matches!(&results[..], [Ok(()), Err(QueueError::Refused(_)), Ok(())]), "{results:?}");
    }

    #[test]
    fn a_call_without_an_answer_leaves_every_entry_of_it_unknown() {
        let call = |_: Range<usize>| -> Call<'static, ()> {
            Box::pin(async { Err(CallError { cause: Cause::Unknown, ..refused() }) })
        };
        let results = futures::executor::block_on(carry_out(AT_ONCE, batches::split(&[1; 3], 100), call));
        assert_eq!(results.len(), 3);
        assert!(results.iter().all(|result| matches!(result, Err(QueueError::Unavailable(_)))), "{results:?}");
    }

    #[test]
    fn a_message_that_is_not_in_flight_is_stale_and_other_wrong_values_are_refused() {
        let text = "Value abc for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for \
                    visibility timeout change.";
        assert_eq!(judge("InvalidParameterValue", text, true, ""), QueueError::Stale);
        assert_eq!(judge("ReceiptHandleIsInvalid", "", true, ""), QueueError::Stale);
        assert_eq!(judge("AWS.SimpleQueueService.MessageNotInflight", "", true, ""), QueueError::Stale);
        let long = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
        assert_eq!(judge("InvalidParameterValue", long, true, "why"), QueueError::Refused("why".into()));
        assert_eq!(judge("InternalError", "", false, "why"), QueueError::Unavailable("why".into()));
        for code in ["RequestThrottled", "ThrottlingException", "KMS.ThrottlingException"] {
            assert_eq!(judge(code, "", true, "why"), QueueError::Unavailable("why".into()), "{code}");
        }
    }
}
