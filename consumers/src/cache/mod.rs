//! A cache before the records, for data that changes rarely: users and apps, which handlers look up for every message.
//!
//! A look-up goes through the process's own memory, then, where there is one, through the shared cache, and then to the
//! records. Whatever fails on the way is a miss: a cache may be slow to help, never a reason to fail.
//!
//! How old an answer may be: in the shared cache, a record is replaced by the reaction
//! [`CacheInvalidation`](crate::reactions::CacheInvalidation) as soon as the change stream tells of it, and at the latest after
//! [`CacheSettings::shared_ttl`]. No stream reaches the memory of other processes: what is there lives for
//! [`CacheSettings::ttl`], and what is known to be missing for [`CacheSettings::negative_ttl`].

mod breaker;
mod image;
mod memory;
mod shared;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use sendoff_events::{BoxFuture, Clock};
use sendoff_producers::{
    Lookup, ReadError, Record, RecordKey,
    model::{App, Branding, Stored, User},
};

pub use image::Image;
use memory::{Found, Memory};
pub(crate) use shared::Shared;
pub use shared::{SharedCache, SharedCacheError};

use crate::{Count, Meter, NoMeter};

/// The collections that are cached unless others are named. Nothing that decides who may do what is among them, and nothing
/// of that kind should be added: a permission that was withdrawn would live on for as long as a copy of it.
pub const CACHED_COLLECTIONS: &[&str] = &[User::COLLECTION, App::COLLECTION, Branding::COLLECTION];

/// How a [`Cached`] look-up keeps what it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// The collections that are cached; others are always looked up. Default: [`CACHED_COLLECTIONS`].
    pub collections: &'static [&'static str],
    /// The most records in memory; beyond, those that are asked for least make room. Default 10,000.
    pub capacity: usize,
    /// The most bytes in memory, in the size of the records as JSON; beyond, those that are asked for least make room. Default
    /// 32 MiB.
    pub max_bytes: u64,
    /// The largest record that is kept in memory, in bytes of JSON; larger ones are looked up each time. Default 64 KiB.
    pub max_record: u64,
    /// How long a record lives in memory. Default 30 seconds.
    pub ttl: Duration,
    /// How long it is remembered in memory that there is no such record. Default 5 seconds: what is missing is often just
    /// being created.
    pub negative_ttl: Duration,
    /// How long a record lives in the shared cache, if no change replaces it. Default 5 minutes.
    pub shared_ttl: Duration,
    /// How long to wait for the shared cache. Default 100 milliseconds; it usually takes one.
    pub shared_timeout: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            collections: CACHED_COLLECTIONS,
            capacity: 10_000,
            max_bytes: 32 << 20,
            max_record: 64 << 10,
            ttl: Duration::from_secs(30),
            negative_ttl: Duration::from_secs(5),
            shared_ttl: Duration::from_secs(300),
            shared_timeout: Duration::from_millis(100),
        }
    }
}

/// A [`Lookup`] that remembers.
///
/// Look-ups of one record that arrive together become one. A look-up that fails is not remembered; those who waited for it,
/// or for one that was given up, then look up for themselves.
pub struct Cached {
    inner: Arc<dyn Lookup>,
    memory: Memory,
    shared: Option<Shared>,
    settings: CacheSettings,
    meter: Arc<dyn Meter>,
    name: String,
}

impl Cached {
    /// Remembers, in memory, what `inner` answers.
    #[must_use]
    pub fn new(inner: Arc<dyn Lookup>, settings: CacheSettings, clock: Arc<dyn Clock>) -> Self {
        let memory = Memory::new(&settings, clock);
        Self { inner, memory, shared: None, settings, meter: Arc::new(NoMeter), name: String::new() }
    }

    /// With a cache that processes share, between memory and `inner`.
    #[must_use]
    pub fn with_shared(mut self, shared: Arc<dyn SharedCache>) -> Self {
        self.shared = Some(Shared::new(shared, self.settings.shared_timeout, self.memory.clock().clone()));
        self
    }

    /// Counts hits and misses, as those of `name`.
    #[must_use]
    pub fn with_meter(mut self, meter: Arc<dyn Meter>, name: impl Into<String>) -> Self {
        (self.meter, self.name) = (meter, name.into());
        self
    }

    async fn look_up(&self, key: &RecordKey) -> Result<Option<Record>, ReadError> {
        let flight = match self.memory.find(key).await {
            Found::Kept(record) => {
                self.count(Count::CacheHits);
                return Ok(record.map(Arc::unwrap_or_clone));
            }
            Found::Missing(flight) => flight,
        };
        if let Some(image) = self.shared_image(key).await {
            self.count(Count::SharedCacheHits);
            let record = image.record(key);
            flight.land(record.as_ref(), &self.settings);
            return Ok(record);
        }
        self.count(Count::CacheMisses);
        let record = self.inner.get(key).await?;
        // First to those who wait.
        flight.land(record.as_ref(), &self.settings);
        if let (Some(shared), Some(record)) = (&self.shared, &record) {
            shared.put(key, &Image::of(record), self.settings.shared_ttl).await.ok();
        }
        Ok(record)
    }

    async fn shared_image(&self, key: &RecordKey) -> Option<Image> {
        match &self.shared {
            Some(shared) => shared.get(key).await,
            None => None,
        }
    }

    fn count(&self, what: Count) {
        self.meter.count(what, &self.name, 1);
    }
}

impl Lookup for Cached {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        if self.settings.collections.contains(&&*key.collection) {
            Box::pin(self.look_up(key))
        } else {
            self.inner.get(key)
        }
    }
}
