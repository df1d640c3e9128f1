//! The process's own memory, and one look-up at a time for each record.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::poll;
use quick_cache::{
    DefaultHashBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult, PlaceholderGuard},
};
use sendoff_events::{Clock, Timestamp};
use sendoff_producers::{Record, RecordKey};

use super::CacheSettings;
use crate::moments::later;

type Entries = Cache<RecordKey, Entry>;
type Guard<'a> =
    PlaceholderGuard<'a, RecordKey, Entry, UnitWeighter, DefaultHashBuilder, DefaultLifecycle<RecordKey, Entry>>;

pub(super) struct Memory {
    entries: Entries,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Entry {
    record: Option<Arc<Record>>,
    until: Timestamp,
}

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
    pub(super) fn new(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self { entries: Cache::new(capacity), clock }
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
    /// Remembers what was found, and tells those who wait.
    pub(super) fn land(self, record: Option<&Record>, settings: &CacheSettings) {
        let ttl: Duration = if record.is_some() { settings.ttl } else { settings.negative_ttl };
        let entry = Entry { record: record.cloned().map(Arc::new), until: later(self.memory.clock.now(), ttl) };
        match self.guard {
            // Refused when somebody was let go by itself and was faster: what that one found is as good.
            Some(guard) => drop(guard.insert(entry)),
            None => self.memory.entries.insert(self.key.clone(), entry),
        }
    }
}
