use std::{collections::BTreeMap, time::Duration};

use sendoff_consumers::{Attributes, Change, Changes, ChangesError, DeadLetter, FAILURE_ATTRIBUTE, Failure, Position};
use sendoff_events::{BoxFuture, Timestamp};
use sendoff_producers::RecordKey;
use serde_json::Value;

use super::{DeadState, NoAnswer, RecordsState, Remote};

/// How long a waiting read pauses between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Every write there was, and how far each reaction has come.
#[derive(Default)]
pub struct ChangesState {
    stream: Vec<Change>,
    checkpoints: BTreeMap<String, Position>,
    /// What was put aside, by reaction.
    pub parked: BTreeMap<String, DeadState>,
}

impl ChangesState {
    pub(super) fn push(
        &mut self,
        key: RecordKey,
        version: u64,
        actor: &str,
        at: Timestamp,
        old: Option<Value>,
        new: Option<Value>,
    ) {
        // Padded, so that positions sort as text.
        let position = Position(format!("{:012}", self.stream.len()));
        self.stream.push(Change { position, key, version, actor: actor.to_owned(), at, old, new });
    }

    fn after_checkpoint(&self, reaction: &str, max: usize) -> Vec<Change> {
        let checkpoint = self.checkpoints.get(reaction);
        let new = self.stream.iter().filter(|change| checkpoint.is_none_or(|at| change.position > *at));
        new.take(max).cloned().collect()
    }
}

/// The changes of records in memory.
pub struct MemoryChanges(pub Remote<RecordsState>);

fn unavailable(_: NoAnswer) -> ChangesError {
    ChangesError("no answer".into())
}

impl Changes for MemoryChanges {
    fn read<'a>(
        &'a self,
        reaction: &'a str,
        max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<Change>, ChangesError>> {
        Box::pin(async move {
            let give_up = self.0.clock.now() + wait;
            loop {
                let name = reaction.to_owned();
                let answer = self.0.call(move |state, _| state.changes.after_checkpoint(&name, max));
                let changes = answer.await.map_err(unavailable)?;
                if !changes.is_empty() || self.0.clock.now() >= give_up {
                    return Ok(changes);
                }
                self.0.clock.sleep(POLL).await;
            }
        })
    }

    fn checkpoint<'a>(&'a self, reaction: &'a str, position: &'a Position) -> BoxFuture<'a, Result<(), ChangesError>> {
        let (reaction, position) = (reaction.to_owned(), position.clone());
        let answer = self.0.call(move |state, _| {
            let checkpoint = state.changes.checkpoints.entry(reaction).or_insert_with(|| position.clone());
            *checkpoint = position.max(checkpoint.clone());
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn park<'a>(
        &'a self,
        reaction: &'a str,
        change: &'a Change,
        failure: &'a Failure,
    ) -> BoxFuture<'a, Result<(), ChangesError>> {
        let letter = DeadLetter {
            message_id: change.position.0.clone(),
            body: change.to_json().to_string().into(),
            attributes: Attributes::from([(FAILURE_ATTRIBUTE.to_owned(), failure.to_attribute())]),
            types: BTreeMap::new(),
            receive_count: 0,
            enqueued_at: change.at,
            source: None,
            group: None,
        };
        let reaction = reaction.to_owned();
        let answer = self.0.call(move |state, now| state.changes.parked.entry(reaction).or_default().put(letter, now));
        Box::pin(async move { answer.await.map_err(unavailable) })
    }
}
