//! The oldest events that are still to be published.
//!
//! The index projects the keys only, and the events are read from the table: nearly every event is marked before anybody looks
//! for it here, so what counts is what the index costs on the way in and out. That is one write unit each, however large the
//! event is, where an index of whole items would take a unit per KiB twice. The read also drops what was marked already and
//! the index, which is a moment behind, still shows.

use std::collections::HashMap;

use futures::{StreamExt as _, stream};
use sendoff_events::{EventId, Timestamp};
use sendoff_producers::{OutboxError, Pending, Stuck};

use super::{
    DynamoOutbox,
    index::Index,
    item::{Stored, id_of, place},
};
use crate::tables::records::PENDING;

/// How many keys are looked at beyond those that are asked for, since some of them may be marked already.
const SPARE: usize = 100;
/// How many events are read from the table at a time: bodies of that many fit into a few answers.
const BATCH: usize = 25;
/// How many bodies that were put aside are fetched at the same time.
const AT_ONCE: usize = 8;

impl DynamoOutbox {
    pub(super) async fn oldest(&self, before: Timestamp, limit: usize) -> Result<Pending, OutboxError> {
        let mut pending = Pending::default();
        let mut index = Index::new(&self.table, before, limit + SPARE);
        while pending.events.len() < limit {
            let some = index.next(BATCH, &mut pending.stuck).await?;
            if some.is_empty() {
                break;
            }
            let whole = self.read(&some, &mut pending.stuck).await?.into_iter().map(|stored| async move {
                let event = stored.id().to_string();
                // One body that can't be fetched must not keep the others in the outbox.
                self.outgoing(stored).await.map_err(|error| Stuck { event, why: error.to_string() })
            });
            for one in stream::iter(whole).buffered(AT_ONCE).collect::<Vec<_>>().await {
                match one {
                    Ok(event) => pending.events.push(event),
                    Err(stuck) => pending.stuck.push(stuck),
                }
            }
        }
        pending.events.truncate(limit);
        Ok(pending)
    }

    /// Those of the events that are still waiting, in the same order.
    async fn read(&self, ids: &[EventId], stuck: &mut Vec<Stuck>) -> Result<Vec<Stored>, OutboxError> {
        let places = ids.iter().map(|id| place(*id)).collect();
        let found = self.table.read_all(places, &[]).await.map_err(|error| OutboxError(error.to_string()))?;
        let mut by_id = HashMap::new();
        for item in found.iter().filter(|item| item.has(PENDING)) {
            match Stored::of(item) {
                Ok(stored) => drop(by_id.insert(stored.id(), stored)),
                Err(damage) => {
                    let event = id_of(item).map_or_else(|_| String::new(), |id| id.to_string());
                    stuck.push(Stuck { event, why: damage.to_string() });
                }
            }
        }
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }
}
