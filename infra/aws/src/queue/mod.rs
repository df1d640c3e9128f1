//! A consumer's queue on SQS, with its dead-letter queue.

pub(crate) mod batch;
mod dead_letter;
mod receipts;
mod receive;
mod send;

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesDelayed as Delayed,
    ApproximateNumberOfMessagesNotVisible as InFlight,
};
use sendoff_consumers::{Delivery, Depth, Failure, NewMessage, Queue, QueueError, Receipt};
use sendoff_events::{Blobs, BoxFuture};

use crate::{CallError, Cause, Store, schedules::Scheduler};
pub(crate) use dead_letter::PUT_ASIDE;
pub use receipts::comes_back_as_new;
pub(crate) use receipts::{Leases, seconds};

/// [`Queue`] over an SQS standard queue.
///
/// What a receipt can still do once its lease has lapsed is SQS's choice
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>): on a standard queue an
/// old receipt handle of a message that was delivered again may delete it or do nothing, and the answer says "done" in both
/// cases, as it does for a message that is gone already. A change of visibility through an old handle is refused only when the
/// message isn't in flight. So this adapter tells [`QueueError::Stale`] where SQS does, and nobody may rely on it for safety:
/// the inbox's fence is what keeps a stale worker from doing harm.
pub(crate) struct SqsQueue {
    store: Store,
    name: String,
    url: String,
    dead_url: String,
    blobs: Arc<dyn Blobs>,
    scheduler: Scheduler,
}

impl Store {
    /// The queue of this name, with its dead-letter queue.
    #[must_use]
    pub fn queue(&self, name: &str) -> Arc<dyn Queue> {
        Arc::new(SqsQueue {
            store: self.clone(),
            name: name.to_owned(),
            url: self.resources.queue_url(name),
            dead_url: self.resources.dead_letter_url(name),
            blobs: self.blobs(),
            scheduler: Scheduler::new(self),
        })
    }
}

impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        Box::pin(self.send_all(messages))
    }

    fn receive(&self, max: usize, wait: Duration, lease: Duration) -> BoxFuture<'_, Result<Vec<Delivery>, QueueError>> {
        Box::pin(self.poll(max, wait, lease))
    }

    fn ack<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(async move { self.leases().delete(receipts).await })
    }

    fn extend<'a>(&'a self, receipts: &'a [Receipt], lease: Duration) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(async move {
            let entries: Vec<_> = receipts.iter().map(|receipt| (receipt.clone(), receipts::seconds(lease))).collect();
            self.hide(&entries).await
        })
    }

    fn release<'a>(&'a self, entries: &'a [(Delivery, Duration)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(self.give_back(entries))
    }

    fn dead_letter<'a>(&'a self, entries: &'a [(Delivery, Failure)]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(self.bury(entries))
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        Box::pin(async move {
            let ((visible, in_flight, delayed), dead) =
                futures::future::try_join(self.counts(&self.url), self.counts(&self.dead_url)).await?;
            Ok(Depth { visible, in_flight, delayed, dead: dead.0 + dead.1 + dead.2 })
        })
    }
}

impl SqsQueue {
    /// How many messages of a queue are visible, in flight and delayed, by one `GetQueueAttributes`.
    async fn counts(&self, url: &str) -> Result<(u64, u64, u64), QueueError> {
        let call = self.store.aws.sqs_repeating().get_queue_attributes().queue_url(url);
        let call = call.attribute_names(Visible).attribute_names(InFlight).attribute_names(Delayed);
        let answer =
            call.send().await.map_err(|error| failed(&CallError::of("sqs:GetQueueAttributes", url, &error)))?;
        let count = |name| {
            let text = answer.attributes().and_then(|all| all.get(&name));
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        Ok((count(Visible), count(InFlight), count(Delayed)))
    }
}

/// A call that failed as a whole.
fn failed(error: &CallError) -> QueueError {
    match error.cause {
        Cause::Refused => {
            batch::judge(error.code.as_deref().unwrap_or_default(), &error.message, true, &error.to_string())
        }
        _ => QueueError::Unavailable(error.to_string()),
    }
}
