//! The process's own memory, and one look-up at a time for each record.

use std::{io, pin::pin, sync::Arc, time::Duration};

use futures::poll;
use quick_cache::{
    DefaultHashBuilder, Weighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult, PlaceholderGuard},
};
use sendoff_events::{Clock, Timestamp};
use sendoff_producers::{Record, RecordKey};
use serde_json::Value;

use super::CacheSettings;
use crate::moments::later;

type Entries = Cache<RecordKey, Entry, ByWeight>;
type Guard<'a> =
    PlaceholderGuard<'a, RecordKey, Entry, ByWeight, DefaultHashBuilder, DefaultLifecycle<RecordKey, Entry>>;

pub(super) struct Memory {
    entries: Entries,
    /// What an entry weighs at the least. So many of them fill the memory, however small they are.
    least: u64,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Entry {
    record: Option<Arc<Record>>,
    until: Timestamp,
    weight: u64,
}

/// Weighs entries in bytes.
#[derive(Clone)]
struct ByWeight;

impl Weighter<RecordKey, Entry> for ByWeight {
    fn weight(&self, _: &RecordKey, entry: &Entry) -> u64 {
        entry.weight
    }
}

/// More than any memory holds: what weighs so much is not kept.
const TOO_LARGE: u64 = u64::MAX;

/// What memory says of a record.
pub(super) enum Found<'a> {
    /// It knows it, or knows that there is none.
    Kept(Option<Arc<Record>>),
    /// It doesn't know. Whoever gets this looks it up.
    Missing(Flight<'a>),
}

/// A look-up under way. Others that ask for the same record wait until it lands or is dropped.
pub(super) struct Flight<'a> {
    memory: &'a Memory,
    key: &'a RecordKey,
    guard: Option<Guard<'a>>,
}

impl Memory {
    pub(super) fn new(settings: &CacheSettings, clock: Arc<dyn Clock>) -> Self {
        let least = settings.max_bytes / (settings.capacity as u64).max(1);
        Self { entries: Cache::with_weighter(settings.capacity, settings.max_bytes, ByWeight), least, clock }
    }

    pub(super) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What is known of the record; waits for a look-up of it that is under way.
    ///
    /// When that look-up comes to nothing, all who waited are let go at once, each for itself. One after the other they
    /// would wait out an outage once for each before them.
    pub(super) async fn find<'a>(&'a self, key: &'a RecordKey) -> Found<'a> {
        let mut entry = pin!(self.entries.entry_async(key, |_, entry| {
            if self.clock.now() < entry.until {
                EntryAction::Retain(entry.record.clone())
            } else {
                EntryAction::ReplaceWithGuard
            }
        }));
        let (result, waited) = match poll!(&mut entry) {
            std::task::Poll::Ready(result) => (result, false),
            std::task::Poll::Pending => (entry.await, true),
        };
        match result {
            EntryResult::Retained(record) => Found::Kept(record),
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) if !waited => {
                Found::Missing(Flight { memory: self, key, guard: Some(guard) })
            }
            // Dropping the guard lets the next one go.
            _ => Found::Missing(Flight { memory: self, key, guard: None }),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Flight<'_> {
    fn weight(&self, record: Option<&Record>, settings: &CacheSettings) -> u64 {
        let data = record.map_or(0, |record| json_size(&record.data));
        if data > settings.max_record {
            return TOO_LARGE;
        }
        let RecordKey { tenant, collection, id } = self.key;
        let key = (tenant.as_str().len() + collection.len() + id.len()) as u64;
        // Nothing would weigh nothing, and never make room.
        (data + key).max(self.memory.least).max(1)
    }

    /// Remembers what was found, and tells those who wait.
    pub(super) fn land(self, record: Option<&Record>, settings: &CacheSettings) {
        let ttl: Duration = if record.is_some() { settings.ttl } else { settings.negative_ttl };
        let entry = Entry {
            record: record.cloned().map(Arc::new),
            until: later(self.memory.clock.now(), ttl),
            weight: self.weight(record, settings),
        };
        match self.guard {
            // Refused when somebody was let go by itself and was faster: what that one found is as good.
            Some(guard) => drop(guard.insert(entry)),
            None => self.memory.entries.insert(self.key.clone(), entry),
        }
    }
}

/// How many bytes the data take as JSON, without writing it down.
fn json_size(data: &Value) -> u64 {
    struct Bytes(u64);

    impl io::Write for Bytes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut bytes = Bytes(0);
    match serde_json::to_writer(&mut bytes, data) {
        Ok(()) => bytes.0,
        Err(_) => TOO_LARGE,
    }
}
