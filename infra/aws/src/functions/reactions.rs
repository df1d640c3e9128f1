//! The function `reactions`: lets the reactions deal with what has changed in the table of records.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use futures::future::{Either, select};
use sendoff_consumers::{
    Attributes, Change, Class, Dealt, FAILURE_ATTRIBUTE, Failure, Limits, NewMessage, Queue, ReactionContext, Reactor,
    Stop,
    cache::CacheSettings,
    fingerprint,
    reactions::{CacheInvalidation, Timeline},
    scrub,
};
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::{
    changes::record::StreamRecord,
    lambda::{Answer, Deadline, Function, FunctionError, Invocation, Outcome, StreamBatch, answer, run},
    lookup::shared,
    settings::Need,
};

/// The queue of what the timeline can't deal with.
const DEAD_LETTERS: &str = "timeline-dlq";

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

struct Reactions {
    parts: Parts,
    reactors: Vec<Reactor>,
    dead_letters: Arc<dyn Queue>,
}

async fn make() -> Result<Reactions, FunctionError> {
    let parts = Parts::of(&[Need::Table, Need::Queues])?;
    let context = ReactionContext { clock: parts.clock.clone(), rng: parts.rng.clone() };
    let timeline = Arc::new(Timeline { records: parts.store.records() });
    let mut reactors = vec![Reactor::new(timeline, parts.store.changes(), context.clone())];
    if let Some(shared) = shared(&parts.store, &parts.settings).await {
        let invalidation = CacheInvalidation::new(shared, &CacheSettings::default(), parts.clock.clone());
        reactors.push(Reactor::new(Arc::new(invalidation), parts.store.changes(), context));
    }
    Ok(Reactions { reactors, dead_letters: parts.store.queue(DEAD_LETTERS), parts })
}

impl Function for Reactions {
    async fn handle(&self, event: &RawValue, invocation: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let batch = StreamBatch::of(event)?;
        let mut outcomes = BTreeMap::new();
        let (mut places, mut changes) = (Vec::new(), Vec::new());
        for (place, record) in batch.records.iter().enumerate() {
            match read(record.raw) {
                Ok(Some(change)) => {
                    places.push(place);
                    changes.push(change);
                }
                Ok(None) => {
                    outcomes.insert(place, Outcome::Done);
                }
                Err(error) => {
                    outcomes.insert(place, self.put_aside(record.raw, &error).await);
                }
            }
        }
        let dealt = self.deal_with(&changes, &invocation.deadline).await;
        outcomes.extend(places.into_iter().zip(dealt));
        answer(&Answer::to_stream(batch.ids(), |place| outcomes.get(&place).copied().unwrap_or(Outcome::Failed)))
    }

    fn flush(&self) {
        self.parts.flush();
    }
}

impl Reactions {
    /// What became of each change: done when every reaction has dealt with it, or put it aside.
    async fn deal_with(&self, changes: &[Change], deadline: &Deadline) -> Vec<Outcome> {
        let clock = &*self.parts.clock;
        let limits = Limits { stop: Stop::never(), until: Some(deadline.interrupt) };
        let mut outcomes = vec![Outcome::Done; changes.len()];
        for reactor in &self.reactors {
            let time_up = clock.sleep(Deadline::until(clock.now(), deadline.drop));
            let dealt = match select(pin!(reactor.deal_with(changes, &limits)), time_up).await {
                Either::Left((dealt, _)) => dealt,
                Either::Right(_) => {
                    tracing::warn!(changes = changes.len(), "the changes took too long and will be seen again");
                    return vec![Outcome::Failed; changes.len()];
                }
            };
            for (outcome, dealt) in outcomes.iter_mut().zip(dealt) {
                match dealt {
                    Ok(Dealt::Done | Dealt::Parked) => {}
                    Ok(Dealt::Interrupted) => *outcome = Outcome::Failed,
                    Err(error) => {
                        tracing::warn!(%error, "a change can't be put aside; it will be seen again");
                        *outcome = Outcome::Failed;
                    }
                }
            }
        }
        outcomes
    }

    /// Puts a record that can't be read aside as it came, so that the stream goes on.
    async fn put_aside(&self, record: &RawValue, error: &str) -> Outcome {
        let now = self.parts.clock.now();
        let failure = Failure {
            reason: "record-damaged".into(),
            class: Class::Undecodable,
            fingerprint: fingerprint("record-damaged", error),
            consumer: "timeline".into(),
            attempts: 0,
            first_at: now,
            last_at: now,
            error: scrub(error),
        };
        tracing::error!(reason = failure.reason, error = failure.error, "a record of the stream can't be read");
        let message = NewMessage {
            body: record.get().to_owned().into(),
            attributes: Attributes::from([(FAILURE_ATTRIBUTE.to_owned(), failure.to_attribute())]),
            ..NewMessage::default()
        };
        match self.dead_letters.send(&[message]).await.as_slice() {
            [Ok(_)] => Outcome::Done,
            result => {
                tracing::error!(?result, queue = DEAD_LETTERS, "it can't be put aside either; it will be seen again");
                Outcome::Failed
            }
        }
    }
}

/// The change in a record; `None` when it is about something else.
fn read(record: &RawValue) -> Result<Option<Change>, String> {
    let record: StreamRecord = serde_json::from_str(record.get()).map_err(|error| error.to_string())?;
    record.change().map_err(|damage| damage.to_string())
}
