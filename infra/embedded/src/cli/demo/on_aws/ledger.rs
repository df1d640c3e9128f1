//! What became of events: read from the outbox, the inbox records and the dead-letter queues.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::try_join_all;
use sendoff_aws::{CommittedEvent, Store};
use sendoff_consumers::{Consumer, DeadLetter, FAILURE_ATTRIBUTE, Failure, IdempotencyKey, Status, Workflows};
use sendoff_embedded::{
    program::{Exit, Stopped},
    sink::SinkAccounts,
};
use sendoff_events::{BoxFuture, EventId, TenantId};
use serde::Deserialize;

use crate::cli::{
    demo::{
        fate::{Fate, Ledger, Pace, Standing, steps, subscribes, told},
        webhook,
    },
    outcome::{State, reason},
};

/// How long a dead letter is held while it is looked at: another look in this time misses it.
const HOLD: Duration = Duration::from_secs(10);
/// How many are looked at at a time. Of a demonstration there are few.
const SOME: usize = 100;

#[derive(Deserialize)]
struct Head {
    id: EventId,
}

/// Dead letters by consumer and event.
type Letters = BTreeMap<(&'static str, EventId), Option<Failure>>;

/// The ledger of a deployment.
pub(super) struct OnAws {
    store: Store,
    sink: SinkAccounts,
    consumers: Vec<Arc<Consumer>>,
    /// The dead letters that were seen. They stay where they are, so none has to be looked for twice.
    seen: Mutex<Letters>,
}

impl OnAws {
    pub(super) fn new(store: Store, sink: SinkAccounts, consumers: Vec<Arc<Consumer>>) -> Self {
        Self { store, sink, consumers, seen: Mutex::default() }
    }

    async fn standing(&self, consumer: &Consumer, event: &CommittedEvent) -> Result<Standing, Stopped> {
        let key = IdempotencyKey::new(consumer.name(), event.id);
        let record = self.store.inbox().get(&key).await.map_err(unreachable)?;
        let status = record.as_ref().map(|record| record.status);
        let letter = match status {
            Some(Status::Done | Status::InDoubt | Status::Claimed) => None,
            // A message that no handler saw has no record.
            Some(Status::Failed) | None => self.letter(consumer, event.id).await?,
        };
        let state = match (status, &letter) {
            (Some(Status::Done), _) => State::Done,
            (Some(Status::InDoubt), _) => State::InDoubt,
            (_, Some(failure)) => State::DeadLettered(reason(failure.as_ref(), record.as_ref())),
            // It has failed, and isn't in the dead-letter queue yet.
            (Some(_), None) => State::Running,
            (None, None) => State::Waiting,
        };
        let (attempts, at) = match (&record, letter.flatten()) {
            (Some(record), _) => (record.attempts, Some(record.updated_at)),
            (None, Some(failure)) => (failure.attempts, Some(failure.last_at)),
            (None, None) => (0, None),
        };
        // Clocks of different machines must not make it negative.
        let latency = |at: sendoff_events::Timestamp| {
            Duration::try_from(at.duration_since(event.committed_at)).unwrap_or_default()
        };
        let latency = at.filter(|_| state.is_settled()).map(latency);
        let (told, steps) = (told(record.as_ref()), steps(record.as_ref()));
        Ok(Standing { consumer: consumer.name().to_owned(), state, attempts, latency, told, steps })
    }

    /// The dead letter of an event, if there is one; with the failure, if it tells one.
    async fn letter(&self, consumer: &Consumer, event: EventId) -> Result<Option<Option<Failure>>, Stopped> {
        let key = (consumer.name(), event);
        if let Some(seen) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Some(seen.clone()));
        }
        let (letters, queue) = (self.store.dead_letter_queues(), format!("{}-dlq", consumer.name()));
        let (mut found, mut receipts) = (Vec::new(), Vec::new());
        loop {
            let some = letters.take(&queue, SOME, HOLD).await.map_err(unreachable)?;
            if some.is_empty() {
                break;
            }
            for taken in some {
                found.extend(read(&taken.letter));
                receipts.push(taken.receipt);
            }
        }
        // One that isn't given back comes back by itself.
        letters.hold(&queue, &receipts, Duration::ZERO).await;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(found.into_iter().map(|(event, failure)| ((consumer.name(), event), failure)));
        Ok(seen.get(&key).cloned())
    }
}

/// The event that a dead letter is about, and why it is there; `None` when SQS moved it by itself.
fn read(letter: &DeadLetter) -> Option<(EventId, Option<Failure>)> {
    let head: Head = serde_json::from_slice(&letter.body).ok()?;
    let failure = letter.attributes.get(FAILURE_ATTRIBUTE);
    Some((head.id, failure.and_then(|text| serde_json::from_str(text).ok())))
}

impl Ledger for OnAws {
    fn fate(&self, event: EventId) -> BoxFuture<'_, Result<Option<Fate>, Stopped>> {
        Box::pin(async move {
            let Some(found) = self.store.event(event).await.map_err(unreachable)? else { return Ok(None) };
            let event_type = found.event_type.parse().map_err(Stopped::failed)?;
            let subscribers = self.consumers.iter().filter(|consumer| subscribes(consumer, &event_type));
            let standings = try_join_all(subscribers.map(|consumer| self.standing(consumer, &found))).await?;
            Ok(Some(Fate { id: event, event_type, standings }))
        })
    }

    fn does_steps(&self) -> bool {
        // The functions that state machines call aren't part of the demo's stack, which holds data alone.
        false
    }

    fn workflows(&self) -> Arc<dyn Workflows> {
        self.store.workflows()
    }

    fn consumers(&self) -> &[Arc<Consumer>] {
        &self.consumers
    }

    fn add_webhook<'a>(&'a self, tenant: &'a TenantId, app: &'a str) -> BoxFuture<'a, Result<bool, Stopped>> {
        Box::pin(async move { webhook::add(&*self.store.records(), &self.sink, tenant, app).await.map(|()| true) })
    }

    fn pace(&self) -> Pace {
        // What the fast path didn't publish, the sweep does within a minute and a half.
        Pace { patience: Duration::from_secs(180), tick: Duration::from_millis(100) }
    }
}

fn unreachable(error: impl std::fmt::Display) -> Stopped {
    Stopped::new(Exit::Unreachable, error)
}
