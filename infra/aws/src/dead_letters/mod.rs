//! Every dead-letter queue of the deployment on SQS, for whoever looks into them and repairs what is in there.
//!
//! SQS has no look without a lease: each look is a receive, counts as one, and hides the message from everybody else. So there is
//! only [`take`](DeadLetters::take), and who looks gives back.

mod age;
mod describe;
mod ledger;
mod letter;
mod outgoing;
mod publish;
mod queues;
mod send;
mod subscribers;
mod take;

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use sendoff_consumers::{
    Backlog, DeadLetter, DeadLetterQueue, DeadLetters, DeadLettersError, Destination, IdempotencyKey, InboxError,
    InboxRecord, OutgoingLetter, QueueError, Receipt, Subscriber, TakenLetter,
};
use sendoff_events::{BoxFuture, Timestamp};

use crate::{
    CallError, Cause, Store,
    queue::{Leases, seconds},
};

/// How many calls of one batch are under way at a time. A call takes some 10 ms, so this is tens of thousands of messages a second,
/// more than one processor gets through.
const AT_ONCE: usize = 64;

/// [`DeadLetters`] over SQS, SNS and the inbox's table.
struct SqsDeadLetters {
    store: Store,
    /// How many receives a take begins with.
    width: AtomicUsize,
}

impl Store {
    /// All dead-letter queues.
    #[must_use]
    pub fn dead_letter_queues(&self) -> Arc<dyn DeadLetters> {
        Arc::new(SqsDeadLetters { store: self.clone(), width: take::FIRST.into() })
    }
}

impl SqsDeadLetters {
    /// The URL of a queue. One that doesn't belong to the deployment is named by its URL.
    fn url(&self, name: &str) -> String {
        if is_url(name) { name.to_owned() } else { self.store.resources.queue_url(name) }
    }

    fn leases<'a>(&'a self, url: &'a str) -> Leases<'a> {
        Leases::new(&self.store.aws, url, AT_ONCE)
    }
}

/// Whether this name of a queue is its URL.
fn is_url(name: &str) -> bool {
    name.starts_with("https://") || name.starts_with("http://")
}

/// Whether a queue of this name or URL is a first-in-first-out queue: SQS tells them by their names.
fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

/// A call about a queue that failed as a whole.
fn failed(queue: &str, error: &CallError) -> DeadLettersError {
    let over = error.code.as_deref().is_some_and(|code| code.contains("OverLimit"));
    match error.cause {
        _ if over => DeadLettersError::TooManyLeased(queue.to_owned()),
        Cause::Missing => DeadLettersError::NoSuchQueue(queue.to_owned()),
        Cause::Refused => DeadLettersError::Refused(error.to_string()),
        _ => DeadLettersError::Unavailable(error.to_string()),
    }
}

impl DeadLetters for SqsDeadLetters {
    fn deployment(&self) -> String {
        format!("aws {} {}", self.store.aws.region(), describe::home(&self.store.resources.queue_url_base))
    }

    fn queues(&self, _: Timestamp) -> BoxFuture<'_, Result<Vec<DeadLetterQueue>, DeadLettersError>> {
        Box::pin(self.list())
    }

    fn queue<'a>(&'a self, name: &'a str, _: Timestamp) -> BoxFuture<'a, Result<DeadLetterQueue, DeadLettersError>> {
        Box::pin(self.one(name))
    }

    fn read<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<DeadLetter>>, DeadLettersError>> {
        Box::pin(async { Ok(None) })
    }

    fn take<'a>(
        &'a self,
        queue: &'a str,
        max: usize,
        hold: Duration,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, DeadLettersError>> {
        Box::pin(self.take_some(queue, max, hold))
    }

    fn take_these<'a>(
        &'a self,
        _: &'a str,
        _: &'a [String],
        _: Duration,
    ) -> BoxFuture<'a, Result<Option<Vec<TakenLetter>>, DeadLettersError>> {
        Box::pin(async { Ok(None) })
    }

    fn hold<'a>(
        &'a self,
        queue: &'a str,
        receipts: &'a [Receipt],
        hold: Duration,
    ) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(async move {
            let entries: Vec<_> = receipts.iter().map(|receipt| (receipt.clone(), seconds(hold))).collect();
            self.leases(&self.url(queue)).hide(&entries).await
        })
    }

    fn delete<'a>(&'a self, queue: &'a str, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(async move { self.leases(&self.url(queue)).delete(receipts).await })
    }

    fn send<'a>(
        &'a self,
        to: &'a Destination,
        letters: &'a [OutgoingLetter],
    ) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        Box::pin(async move {
            match to {
                Destination::Queue(name) => self.send_to_queue(name, letters).await,
                Destination::Topic => self.publish(letters).await,
            }
        })
    }

    fn create<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<(), DeadLettersError>> {
        Box::pin(self.make(queue))
    }

    fn backlog<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Backlog, DeadLettersError>> {
        Box::pin(self.backlog_of(queue))
    }

    fn oldest<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Option<Duration>, DeadLettersError>> {
        Box::pin(self.oldest_of(queue))
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, DeadLettersError>> {
        Box::pin(self.subscriptions())
    }

    fn ledger<'a>(&'a self, keys: &'a [IdempotencyKey]) -> BoxFuture<'a, Result<Vec<Option<InboxRecord>>, InboxError>> {
        Box::pin(self.records(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_gives_out_no_more_is_told_from_one_that_is_not_there_or_is_not_reached() {
        let error = |cause, code: &str| {
            let (resource, message) = ("https://queue".to_owned(), "no".to_owned());
            let error = CallError { call: "sqs:ReceiveMessage", resource, cause, code: Some(code.to_owned()), message };
            failed("email-dlq", &error)
        };
        let name = || "email-dlq".to_owned();
        // The two protocols of SQS spell it in two ways.
        for code in ["OverLimit", "AWS.SimpleQueueService.OverLimit"] {
            assert_eq!(error(Cause::Refused, code), DeadLettersError::TooManyLeased(name()));
        }
        assert_eq!(error(Cause::Missing, "QueueDoesNotExist"), DeadLettersError::NoSuchQueue(name()));
        assert!(matches!(error(Cause::Refused, "InvalidParameterValue"), DeadLettersError::Refused(_)));
        for cause in [Cause::Unknown, Cause::NotSent, Cause::Throttled, Cause::Denied] {
            assert!(matches!(error(cause, "x"), DeadLettersError::Unavailable(_)), "{cause:?}");
        }
    }
}
