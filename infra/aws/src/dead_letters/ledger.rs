//! What the inbox has recorded, for many jobs at once.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_consumers::{IdempotencyKey, InboxError, InboxRecord};

use super::SqsDeadLetters;
use crate::{inbox, tables::inbox::ID};

/// How many keys `BatchGetItem` takes.
const BATCH: usize = 100;
/// How many of those calls are under way at a time. A table that is paid by request serves 40,000 reads a second before it is
/// asked to grow.
const AT_ONCE: usize = 16;

impl SqsDeadLetters {
    /// One `BatchGetItem` per hundred keys.
    pub(super) async fn records(&self, keys: &[IdempotencyKey]) -> Result<Vec<Option<InboxRecord>>, InboxError> {
        let table = self.store.inbox_table();
        // DynamoDB refuses a batch that asks for an item twice.
        let mut once = HashSet::with_capacity(keys.len());
        let asked: Vec<&IdempotencyKey> = keys.iter().filter(|key| once.insert(key.as_str())).collect();
        let calls: Vec<_> = asked
            .chunks(BATCH)
            .map(|some| table.read_all(some.iter().map(|key| inbox::place(key)).collect(), &[]))
            .collect();
        let found: Vec<_> = stream::iter(calls)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
            .map_err(|error| InboxError::Unavailable(error.to_string()))?;
        let mut items: HashMap<String, _> = HashMap::with_capacity(asked.len());
        for item in found.into_iter().flatten() {
            if let Some(id) = item.optional_text(ID) {
                items.insert(id.to_owned(), item);
            }
        }
        Ok(keys.iter().map(|key| items.get(key.as_str()).map(|item| inbox::decode(key, item))).collect())
    }
}
