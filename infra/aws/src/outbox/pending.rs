//! The oldest events that are still to be published.
//!
//! The index projects the keys only, and the events are read from the table: nearly every event is marked before anybody looks
//! for it here, so what counts is what the index costs on the way in and out. That is one write unit each, however large the
//! event is, where an index of whole items would take a unit per KiB twice. The read also drops what was marked already and
//! the index, which is a moment behind, still shows.

use std::collections::HashMap;

use futures::{StreamExt as _, future::try_join_all, stream};
use sendoff_events::{EventId, Outgoing, Timestamp};
use sendoff_producers::OutboxError;

use super::{
    DynamoOutbox,
    item::{Stored, id_of, place, shards},
};
use crate::{
    CallError,
    item::{Attribute, Item},
    tables::records::{COMMITTED_AT, PENDING, PENDING_INDEX},
};

/// How many keys are looked at beyond those that are asked for, since some of them may be marked already.
const SPARE: usize = 100;
/// How many events are read from the table at a time: bodies of that many fit into a few answers.
const BATCH: usize = 25;
/// How many bodies that were put aside are fetched at the same time.
const AT_ONCE: usize = 8;

/// An entry of the index: when the event was committed, and its id, which sorts by time too.
type Entry = (i64, EventId);

impl DynamoOutbox {
    pub(super) async fn oldest(&self, before: Timestamp, limit: usize) -> Result<Vec<Outgoing>, OutboxError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let entries = try_join_all(shards().map(|shard| self.entries(shard, before, limit + SPARE))).await?;
        let mut entries: Vec<Entry> = entries.into_iter().flatten().collect();
        entries.sort_unstable();
        let mut waiting = Vec::new();
        for some in entries.chunks(BATCH) {
            let whole = self.read(some).await?.into_iter().map(|stored| async move {
                let event_id = stored.id();
                // One body that can't be fetched must not keep the others in the outbox.
                self.outgoing(stored)
                    .await
                    .map_err(|error| tracing::error!(%event_id, %error, "an event waits for its body"))
            });
            let whole: Vec<_> = stream::iter(whole).buffered(AT_ONCE).collect().await;
            waiting.extend(whole.into_iter().flatten());
            if waiting.len() >= limit {
                break;
            }
        }
        waiting.truncate(limit);
        Ok(waiting)
    }

    /// The oldest entries of one partition of the index, at most `limit`.
    async fn entries(&self, shard: String, before: Timestamp, limit: usize) -> Result<Vec<Entry>, OutboxError> {
        let mut entries = Vec::new();
        let mut from = None;
        loop {
            let query = self
                .table
                .client()
                .query()
                .table_name(self.table.name())
                .index_name(PENDING_INDEX)
                .key_condition_expression("#pending = :shard AND #committed_at < :before")
                .expression_attribute_names("#pending", PENDING)
                .expression_attribute_names("#committed_at", COMMITTED_AT)
                .expression_attribute_values(":shard", Attribute::S(shard.clone()).into())
                .expression_attribute_values(":before", Attribute::N(before.as_millisecond().to_string()).into())
                .set_exclusive_start_key(from)
                .limit(i32::try_from(limit - entries.len()).unwrap_or(i32::MAX));
            let found = query
                .send()
                .await
                .map_err(|error| OutboxError(CallError::of("dynamodb:Query", self.table.name(), &error).to_string()))?;
            for item in found.items.into_iter().flatten().map(Item::from) {
                match (item.number(COMMITTED_AT), id_of(&item)) {
                    (Ok(committed_at), Ok(id)) => entries.push((committed_at, id)),
                    (Err(damage), _) | (_, Err(damage)) => {
                        tracing::error!(error = %damage, "an event of the outbox is damaged and can't be published");
                    }
                }
            }
            from = found.last_evaluated_key;
            if from.is_none() || entries.len() >= limit {
                return Ok(entries);
            }
        }
    }

    /// Those of the events that are still waiting, in the same order.
    async fn read(&self, entries: &[Entry]) -> Result<Vec<Stored>, OutboxError> {
        let places = entries.iter().map(|(_, id)| place(*id)).collect();
        let found = self.table.read_all(places, &[]).await.map_err(|error| OutboxError(error.to_string()))?;
        let mut by_id = HashMap::new();
        for item in &found {
            match Stored::of(item) {
                Ok(stored) if stored.is_pending => drop(by_id.insert(stored.id(), stored)),
                Ok(_) => {}
                Err(damage) => {
                    tracing::error!(error = %damage, "an event of the outbox is damaged and can't be published")
                }
            }
        }
        Ok(entries.iter().filter_map(|(_, id)| by_id.remove(id)).collect())
    }
}
