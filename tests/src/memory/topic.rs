use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sendoff_consumers::{Attributes, Filter, NewMessage};
use sendoff_events::{BoxFuture, EXTENDED_SIZE_ATTRIBUTE, Outgoing, Pointer, Timestamp};
use sendoff_producers::{PublishError, Publisher};

use super::{BlobsState, MemoryBlobs, NoAnswer, Planted, QueueState, Remote, lock};

/// The topic: its subscriptions, each a filter and a queue.
#[derive(Default)]
pub struct TopicState {
    /// The subscriptions.
    pub subscriptions: Vec<(Filter, Arc<Mutex<QueueState>>)>,
    /// Where bodies over [`MAX_MESSAGE_BYTES`] are stored; without it they are passed on as they are.
    pub blobs: Option<Arc<Mutex<BlobsState>>>,
}

/// The largest body that travels in a message, as with SNS.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

impl TopicState {
    fn publish(&self, event: &Outgoing, now: Timestamp) {
        let mut attributes = Attributes::from([
            ("type".to_owned(), event.event_type().to_string()),
            ("tenant".to_owned(), event.tenant().to_string()),
        ]);
        let mut body = event.body().clone();
        if body.len() > MAX_MESSAGE_BYTES
            && let Some(blobs) = &self.blobs
            && let Ok(key) = event.id().to_string().parse()
        {
            attributes.insert(EXTENDED_SIZE_ATTRIBUTE.to_owned(), body.len().to_string());
            let pointer = Pointer { bucket: MemoryBlobs::BUCKET.to_owned(), key };
            let original = std::mem::replace(&mut body, Bytes::from(pointer.to_body()));
            lock(blobs).insert(pointer.key, original);
        }
        for (_, queue) in self.subscriptions.iter().filter(|(filter, _)| filter.accepts(&attributes)) {
            let message = NewMessage { body: body.clone(), attributes: attributes.clone(), ..NewMessage::default() };
            lock(queue).push(message, now);
        }
    }
}

/// A publisher in memory.
pub type MemoryPublisher = Remote<TopicState>;

impl Publisher for MemoryPublisher {
    fn publish<'a>(&'a self, events: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>> {
        let (mut taken, count, planted) = (events.to_vec(), events.len(), self.planted);
        let answer = self.call(move |topic, now| {
            if planted == Some(Planted::LosesLastOfBatch) {
                taken.pop();
            }
            for event in &taken {
                topic.publish(event, now);
            }
        });
        Box::pin(async move {
            match answer.await {
                Ok(()) => vec![Ok(()); count],
                Err(NoAnswer) => vec![Err(PublishError::Unavailable("no answer".into())); count],
            }
        })
    }
}
