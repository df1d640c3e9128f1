//! The index of what waits: its partitions, read side by side.

use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use sendoff_events::{EventId, Timestamp};
use sendoff_producers::{OutboxError, Stuck};

use super::item::{id_of, shards};
use crate::{
    CallError,
    item::{Attribute, Item},
    table::Table,
    tables::records::{COMMITTED_AT, PENDING, PENDING_INDEX, PK},
};

/// An entry: when the event was committed, and its id, which sorts by time too.
type Entry = (i64, EventId);

/// The entries of all partitions, the oldest first, to be taken until there are none left.
pub(super) struct Index<'a> {
    table: &'a Table,
    before: Timestamp,
    /// How many are read at a time.
    page: usize,
    shards: Vec<Shard>,
}

/// One partition: what was read of it and isn't taken yet, and where it goes on.
struct Shard {
    name: String,
    entries: VecDeque<Entry>,
    damaged: Vec<Stuck>,
    from: Option<HashMap<String, AttributeValue>>,
    is_read: bool,
}

impl<'a> Index<'a> {
    /// What was committed before that moment.
    pub(super) fn new(table: &'a Table, before: Timestamp, page: usize) -> Self {
        let shard = |name| Shard { name, entries: VecDeque::new(), damaged: Vec::new(), from: None, is_read: false };
        Self { table, before, page, shards: shards().map(shard).collect() }
    }

    /// The next ones, at most `most`; none when there are no more. Those that can't be read are told of.
    pub(super) async fn next(&mut self, most: usize, stuck: &mut Vec<Stuck>) -> Result<Vec<EventId>, OutboxError> {
        let (table, before, page) = (self.table, self.before, self.page);
        let mut next = Vec::new();
        while next.len() < most {
            try_join_all(self.shards.iter_mut().map(|shard| shard.fill(table, before, page))).await?;
            stuck.extend(self.shards.iter_mut().flat_map(|shard| shard.damaged.drain(..)));
            let waiting = self.shards.iter_mut().filter(|shard| !shard.entries.is_empty());
            let oldest = waiting.min_by_key(|shard| shard.entries.front().copied());
            let Some((_, id)) = oldest.and_then(|shard| shard.entries.pop_front()) else { break };
            next.push(id);
        }
        Ok(next)
    }
}

impl Shard {
    /// Reads on, if all that was read is taken and there may be more.
    async fn fill(&mut self, table: &Table, before: Timestamp, page: usize) -> Result<(), OutboxError> {
        while self.entries.is_empty() && !self.is_read {
            let query = table
                .client()
                .query()
                .table_name(table.name())
                .index_name(PENDING_INDEX)
                .key_condition_expression("#pending = :shard AND #committed_at < :before")
                .expression_attribute_names("#pending", PENDING)
                .expression_attribute_names("#committed_at", COMMITTED_AT)
                .expression_attribute_values(":shard", Attribute::S(self.name.clone()).into())
                .expression_attribute_values(":before", Attribute::N(before.as_millisecond().to_string()).into())
                .set_exclusive_start_key(self.from.take())
                .limit(i32::try_from(page).unwrap_or(i32::MAX));
            let found = query
                .send()
                .await
                .map_err(|error| OutboxError(CallError::of("dynamodb:Query", table.name(), &error).to_string()))?;
            for item in found.items.into_iter().flatten().map(Item::from) {
                match (item.number(COMMITTED_AT), id_of(&item)) {
                    (Ok(committed_at), Ok(id)) => self.entries.push_back((committed_at, id)),
                    (Err(damage), _) | (_, Err(damage)) => {
                        let event = item.optional_text(PK).unwrap_or_default().to_owned();
                        self.damaged.push(Stuck { event, why: damage.to_string() });
                    }
                }
            }
            self.from = found.last_evaluated_key;
            self.is_read = self.from.is_none();
        }
        Ok(())
    }
}
