//! Keeps the shared cache true to the records.

use std::{sync::Arc, time::Duration};

use sendoff_events::{BoxFuture, Clock};

use crate::{
    Backoff, Change, HandlerError, Reaction, ReactionContext,
    cache::{CacheSettings, Image, Shared, SharedCache},
};

const NAME: &str = "cache";
/// How often a change is offered to the shared cache.
const ATTEMPTS: u32 = 3;
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(1) };

/// Puts each change of a cached collection into the shared cache in the place of what is kept there: the new image, or the
/// trace of a deletion.
///
/// Versions make it safe to repeat and to come late. When the cache can't be reached the change is let go after three
/// attempts: the stream must not wait for a cache, and what the cache may still hold ends with
/// [`CacheSettings::shared_ttl`].
pub struct CacheInvalidation {
    shared: Shared,
    collections: &'static [&'static str],
    ttl: Duration,
}

impl CacheInvalidation {
    /// Keeps `shared` true for the look-ups that are cached with the same settings.
    #[must_use]
    pub fn new(shared: Arc<dyn SharedCache>, settings: &CacheSettings, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared::new(shared, settings.shared_timeout, clock);
        Self { shared, collections: settings.collections, ttl: settings.shared_ttl }
    }
}

impl Reaction for CacheInvalidation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn react<'a>(&'a self, change: &'a Change, cx: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            if !self.collections.contains(&&*change.key.collection) {
                return Ok(());
            }
            let image = Image::after(change);
            for attempt in 1..=ATTEMPTS {
                match self.shared.put(&change.key, &image, self.ttl).await {
                    Ok(()) => return Ok(()),
                    Err(error) if attempt == ATTEMPTS => {
                        tracing::warn!(%error, record = %change.key, version = change.version,
                            "a change doesn't reach the shared cache, which may answer with the old one until its TTL ends");
                    }
                    Err(_) => cx.clock.sleep(BACKOFF.delay(attempt, &*cx.rng)).await,
                }
            }
            Ok(())
        })
    }
}
