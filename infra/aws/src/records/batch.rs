//! Many records at once.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_producers::{ReadError, Record, RecordKey};

use super::{DynamoRecords, item::Place, list};
use crate::tables::records::{PK, SK};

/// How many keys `BatchGetItem` takes.
const BATCH: usize = 100;
/// How many of those calls are under way at a time.
const AT_ONCE: usize = 16;

impl DynamoRecords {
    /// One `BatchGetItem` per hundred records.
    pub(super) async fn all_of(&self, keys: &[RecordKey]) -> Result<Vec<Option<Record>>, ReadError> {
        let places: Vec<Option<Place>> = keys.iter().map(Place::of).collect();
        // DynamoDB refuses a batch that asks for an item twice.
        let asked: Vec<&Place> = places.iter().flatten().collect::<BTreeSet<_>>().into_iter().collect();
        let calls: Vec<_> = asked
            .chunks(BATCH)
            .map(|some| self.table.read_all(some.iter().map(|place| place.item()).collect(), &[]))
            .collect();
        let found: Vec<_> = stream::iter(calls)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
            .map_err(|error| ReadError::Unavailable(error.to_string()))?;
        let mut records = BTreeMap::new();
        for item in found.into_iter().flatten() {
            if let Some((pk, sk)) = item.optional_text(PK).zip(item.optional_text(SK)) {
                records.insert(Place { pk: pk.to_owned(), sk: sk.to_owned() }, list::live(&item)?);
            }
        }
        Ok(places.iter().map(|place| records.get(place.as_ref()?)?.clone()).collect())
    }
}
