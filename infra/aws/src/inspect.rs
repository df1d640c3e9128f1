//! Looking at what became of events, without changing anything.

use std::time::Duration;

use sendoff_consumers::{FAILURE_ATTRIBUTE, Failure, QueueError};
use sendoff_events::{EventId, EventType, Timestamp};
use serde::Deserialize;

use crate::{
    CallError, Cause, Store,
    outbox::{Stored, place},
};

/// How long a dead letter is held while it is looked at: another look in this time misses it.
const HOLD: Duration = Duration::from_secs(10);

/// An event as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedEvent {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// A message in a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event that it carries, if its body can be read.
    pub event: Option<EventId>,
    /// Why it is there; `None` when SQS moved it by itself.
    pub failure: Option<Failure>,
}

#[derive(Deserialize)]
struct Head {
    id: EventId,
}

impl Store {
    /// An event in the outbox, whether it is published or not. Published ones are kept for 30 days.
    ///
    /// # Errors
    ///
    /// [`CallError`] when the table can't be read, or holds something else in its place.
    pub async fn event(&self, id: EventId) -> Result<Option<CommittedEvent>, CallError> {
        let table = self.table();
        let Some(item) = table.read(place(id)).await? else { return Ok(None) };
        let stored = Stored::of(&item).map_err(|damage| CallError {
            call: "dynamodb:GetItem",
            resource: table.name().to_owned(),
            cause: Cause::Refused,
            code: None,
            message: format!("the item of event {id} is damaged: {damage}"),
        })?;
        Ok(Some(CommittedEvent { id, event_type: stored.event_type().clone(), committed_at: stored.committed_at }))
    }

    /// The messages in a consumer's dead-letter queue that SQS shows: nearly all of them, of few. They stay there; each was
    /// received once more.
    ///
    /// # Errors
    ///
    /// [`QueueError`] when the queue can't be read.
    pub async fn dead_letters(&self, consumer: &str) -> Result<Vec<DeadLetter>, QueueError> {
        let queue = self.queue(&format!("{consumer}-dlq"));
        let (mut letters, mut receipts) = (Vec::new(), Vec::new());
        loop {
            let some = queue.receive(10, Duration::ZERO, HOLD).await?;
            if some.is_empty() {
                break;
            }
            for letter in some {
                let failure = letter.attributes.get(FAILURE_ATTRIBUTE);
                letters.push(DeadLetter {
                    event: serde_json::from_slice::<Head>(&letter.body).ok().map(|head| head.id),
                    failure: failure.and_then(|text| serde_json::from_str(text).ok()),
                });
                receipts.push((letter.receipt, Duration::ZERO));
            }
        }
        // One that isn't given back comes back by itself.
        queue.release(&receipts).await;
        Ok(letters)
    }
}
