//! Looking up users and apps through a cache: the process's own memory and, where one is configured, the shared cache.

use std::sync::Arc;

use sendoff_consumers::cache::{CacheSettings, Cached, SharedCache};
use sendoff_producers::Lookup;

use super::parts::Parts;
#[cfg(feature = "redis")]
use crate::{RedisCache, Secret};

/// The records, remembered. Hits and misses are counted under `name`.
pub(super) async fn lookup(parts: &Parts, name: &'static str) -> Arc<dyn Lookup> {
    let cached = Cached::new(parts.store.records(), CacheSettings::default(), parts.clock.clone());
    let cached = cached.with_meter(parts.meter(), name);
    match shared(parts).await {
        Some(shared) => Arc::new(cached.with_shared(shared)),
        None => Arc::new(cached),
    }
}

/// The shared cache, if one is configured. One that can't be used is told, and done without: a cache is never a reason to
/// fail.
pub(super) async fn shared(parts: &Parts) -> Option<Arc<dyn SharedCache>> {
    let url = parts.settings.cache()?;
    match connect(parts, url).await {
        Ok(shared) => Some(shared),
        Err(error) => {
            tracing::error!(error, "the shared cache can't be used; everything is looked up without it");
            None
        }
    }
}

#[cfg(feature = "redis")]
async fn connect(parts: &Parts, url: Secret) -> Result<Arc<dyn SharedCache>, String> {
    let url = url.get(&parts.store.aws, &*parts.clock).await.map_err(|error| error.to_string())?;
    // The table tells deployments apart that share a server; readers and the reaction have the same one.
    let cache = RedisCache::new(&url, parts.store.resources().table.clone()).map_err(|error| error.to_string())?;
    Ok(Arc::new(cache))
}

#[cfg(not(feature = "redis"))]
async fn connect(_: &Parts, _: crate::Secret) -> Result<Arc<dyn SharedCache>, String> {
    Err("this function was built without the feature `redis`".to_owned())
}
