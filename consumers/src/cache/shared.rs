//! The cache that processes share: a port, and what makes it safe to have a slow or dead one.

use std::{sync::Arc, time::Duration};

use futures::future::{Either, select};
use sendoff_events::{BoxFuture, Clock};
use sendoff_producers::RecordKey;

use super::{Image, breaker::Breaker};

/// The shared cache can't be asked, or doesn't answer. Never a reason to fail: whoever meets it looks the record up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the shared cache can't be reached: {0}")]
pub struct SharedCacheError(pub String);

/// A cache that many processes share.
pub trait SharedCache: Send + Sync {
    /// What is kept under `key`. What can't be understood is as good as nothing.
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Image>, SharedCacheError>>;

    /// Keeps `image` for `ttl`, unless one of its version or a newer one is kept, in one atomic step. So whoever read the
    /// record before it changed, and is slow to say so, can't put the old one back.
    fn put_if_newer<'a>(
        &'a self,
        key: &'a RecordKey,
        image: &'a Image,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), SharedCacheError>>;
}

/// A shared cache that answers soon or not at all.
pub(crate) struct Shared {
    cache: Arc<dyn SharedCache>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    breaker: Breaker,
}

impl Shared {
    pub(crate) fn new(cache: Arc<dyn SharedCache>, timeout: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { cache, timeout, clock, breaker: Breaker::default() }
    }

    /// What is kept under `key`, if it says so in time.
    pub(crate) async fn get(&self, key: &RecordKey) -> Option<Image> {
        self.soon(self.cache.get(key)).await.ok().flatten()
    }

    pub(crate) async fn put(&self, key: &RecordKey, image: &Image, ttl: Duration) -> Result<(), SharedCacheError> {
        self.soon(self.cache.put_if_newer(key, image, ttl)).await
    }

    async fn soon<T>(&self, call: BoxFuture<'_, Result<T, SharedCacheError>>) -> Result<T, SharedCacheError> {
        if !self.breaker.allows(self.clock.now()) {
            return Err(SharedCacheError("it failed just now, and is left alone for a while".into()));
        }
        let result = match select(call, self.clock.sleep(self.timeout)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(SharedCacheError("it didn't answer in time".into())),
        };
        match &result {
            Ok(_) => self.breaker.succeeded(),
            Err(error) if self.breaker.failed(self.clock.now()) => {
                tracing::warn!(%error, "look-ups go on without the shared cache until it answers again");
            }
            Err(_) => {}
        }
        result
    }
}
