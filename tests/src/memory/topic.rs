use std::sync::{Arc, Mutex};

use sendoff_consumers::{Attributes, Filter, NewMessage};
use sendoff_events::{BoxFuture, Outgoing};
use sendoff_producers::{PublishError, Publisher};

use super::{NoAnswer, Planted, QueueState, Remote, lock};

/// The topic: its subscriptions, each a filter and a queue.
#[derive(Default)]
pub struct TopicState {
    /// The subscriptions.
    pub subscriptions: Vec<(Filter, Arc<Mutex<QueueState>>)>,
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
            for event in taken {
                let attributes = Attributes::from([
                    ("type".to_owned(), event.event_type.to_string()),
                    ("tenant".to_owned(), event.tenant.to_string()),
                ]);
                for (_, queue) in topic.subscriptions.iter().filter(|(filter, _)| filter.accepts(&attributes)) {
                    let message = NewMessage {
                        body: event.body.clone(),
                        attributes: attributes.clone(),
                        ..NewMessage::default()
                    };
                    lock(queue).push(message, now);
                }
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
