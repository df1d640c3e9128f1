//! Looking users and apps up through a cache: the process's own memory and, where one is configured, the shared cache.

use std::sync::Arc;

use sendoff_consumers::{
    Meter,
    cache::{CacheSettings, Cached, SharedCache},
};
use sendoff_producers::Lookup;

#[cfg(feature = "redis")]
use crate::{RedisCache, Secret};
use crate::{Store, settings::Settings};

/// The records, remembered. Hits and misses are counted under `name`.
pub(crate) fn lookup(
    store: &Store,
    shared: Option<Arc<dyn SharedCache>>,
    meter: Arc<dyn Meter>,
    name: &'static str,
) -> Arc<dyn Lookup> {
    let cached = Cached::new(store.records(), CacheSettings::default(), store.clock.clone()).with_meter(meter, name);
    match shared {
        Some(shared) => Arc::new(cached.with_shared(shared)),
        None => Arc::new(cached),
    }
}

/// The shared cache, if one is configured. One that can't be used is told, and done without: a cache is never a reason to
/// fail.
pub(crate) async fn shared(store: &Store, settings: &Settings) -> Option<Arc<dyn SharedCache>> {
    let url = settings.cache()?;
    match connect(store, url).await {
        Ok(shared) => Some(shared),
        Err(error) => {
            tracing::error!(error, "the shared cache can't be used; everything is looked up without it");
            None
        }
    }
}

#[cfg(feature = "redis")]
async fn connect(store: &Store, url: Secret) -> Result<Arc<dyn SharedCache>, String> {
    let url = url.get(&store.aws, &*store.clock).await.map_err(|error| error.to_string())?;
    // The table tells deployments apart that share a server; readers and the reaction have the same one.
    let cache = RedisCache::new(&url, store.resources().table.clone()).map_err(|error| error.to_string())?;
    Ok(Arc::new(cache))
}

#[cfg(not(feature = "redis"))]
async fn connect(_: &Store, _: crate::Secret) -> Result<Arc<dyn SharedCache>, String> {
    Err("this program was built without the feature `redis`".to_owned())
}
