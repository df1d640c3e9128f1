//! The function `relay`: publishes what was committed and isn't known to be published, as the table's stream tells of it.

use std::{
    collections::{BTreeMap, HashSet},
    pin::pin,
};

use futures::future::{Either, select};
use sendoff_events::EventId;
use sendoff_producers::{
    OutboxError, PublishError,
    relay::{Relayed, publish_committed},
};
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::{
    changes::record::StreamRecord,
    lambda::{Answer, Deadline, Function, FunctionError, Invocation, Outcome, StreamBatch, answer, run},
    outbox::{DynamoOutbox, Stored},
    settings::Need,
};

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

struct Relay {
    parts: Parts,
    outbox: DynamoOutbox,
}

async fn make() -> Result<Relay, FunctionError> {
    let parts = Parts::of(&[Need::Table, Need::Topic, Need::Bucket])?;
    Ok(Relay { outbox: parts.store.dynamo_outbox(), parts })
}

impl Function for Relay {
    async fn handle(&self, event: &RawValue, invocation: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let batch = StreamBatch::of(event)?;
        let mut committed = BTreeMap::new();
        for (place, record) in batch.records.iter().enumerate() {
            match read(record.raw) {
                Ok(Some(event)) => drop(committed.insert(place, event)),
                Ok(None) => {}
                // It stays in the outbox, where the sweep finds it: the stream has nothing to wait for.
                Err(error) => tracing::error!(error, "an event of the outbox can't be read; it is left there"),
            }
        }
        let places: BTreeMap<usize, EventId> = committed.iter().map(|(place, event)| (*place, event.id())).collect();
        let clock = &*self.parts.clock;
        let time_up = clock.sleep(Deadline::until(clock.now(), invocation.deadline.drop));
        let unpublished = match select(pin!(self.publish(committed.into_values().collect())), time_up).await {
            Either::Left((unpublished, _)) => unpublished.map_err(FunctionError::backend)?,
            Either::Right(_) => {
                tracing::warn!(events = places.len(), "publishing took too long; the events are looked at again");
                places.values().copied().collect()
            }
        };
        answer(&Answer::to_stream(batch.ids(), |place| match places.get(&place) {
            Some(id) if unpublished.contains(id) => Outcome::Failed,
            _ => Outcome::Done,
        }))
    }

    fn flush(&self) {
        self.parts.flush();
    }
}

impl Relay {
    /// Publishes those that aren't known to be published, and gives those that have to be looked at again.
    async fn publish(&self, committed: Vec<Stored>) -> Result<HashSet<EventId>, OutboxError> {
        let ids: Vec<EventId> = committed.iter().map(Stored::id).collect();
        let waiting: HashSet<EventId> = match ids.is_empty() {
            true => HashSet::new(),
            // Most were published on the fast path.
            false => self.outbox.still_pending(&ids).await?.into_iter().collect(),
        };
        let (mut events, mut unpublished) = (Vec::new(), HashSet::new());
        for event in committed.into_iter().filter(|event| waiting.contains(&event.id())) {
            let event_id = event.id();
            match self.outbox.outgoing(event).await {
                Ok(event) => events.push(event),
                Err(error) => {
                    tracing::warn!(%event_id, %error, "an event's body can't be fetched; it is looked at again");
                    unpublished.insert(event_id);
                }
            }
        }
        let publisher = self.parts.publisher("relay");
        let Relayed { left, .. } = publish_committed(&self.outbox, &*publisher, &events).await;
        for (event_id, error) in left {
            // What the topic will never take must not hold up the stream; it stays in the outbox, and the sweep tells of it.
            let refused = matches!(error, PublishError::Refused(_));
            tracing::error!(%event_id, %error, refused, "a committed event was not published");
            if !refused {
                unpublished.insert(event_id);
            }
        }
        Ok(unpublished)
    }
}

/// The event that a record tells the commit of; `None` when it is about something else.
fn read(record: &RawValue) -> Result<Option<Stored>, String> {
    let record: StreamRecord = serde_json::from_str(record.get()).map_err(|error| error.to_string())?;
    record.outbox_event().map_err(|damage| damage.to_string())
}
