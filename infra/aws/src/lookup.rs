//! Looking users and apps up through a cache: the process's own memory and, where one is configured, the shared cache.

mod late;

use std::sync::Arc;

use sendoff_consumers::{
    Meter,
    cache::{CacheSettings, Cached, SharedCache},
};
use sendoff_producers::Lookup;

use late::{Connect, Late};

#[cfg(feature = "redis")]
use crate::RedisCache;
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

/// The shared cache, if one is configured. While it can't be connected everything is looked up without it: a cache is never a
/// reason to fail. That is attempted again and again, and what changes meanwhile doesn't reach it: what it holds is then as
/// old as [`CacheSettings::shared_ttl`] allows.
pub(crate) async fn shared(store: &Store, settings: &Settings) -> Option<Arc<dyn SharedCache>> {
    let late = Late::new(connection(store, settings)?, store.clock.clone()).await;
    Some(Arc::new(late))
}

/// The shared cache, if one is configured, connected: for who keeps it up to date for all others, and can be made again.
///
/// # Errors
///
/// When its secret can't be read or used.
pub(crate) async fn connected(store: &Store, settings: &Settings) -> Result<Option<Arc<dyn SharedCache>>, String> {
    match connection(store, settings) {
        Some(connect) => connect().await.map(Some).map_err(|error| format!("the shared cache can't be used: {error}")),
        None => Ok(None),
    }
}

/// How to connect to the shared cache, if one is configured.
#[cfg(feature = "redis")]
fn connection(store: &Store, settings: &Settings) -> Option<Connect> {
    let (store, secret) = (store.clone(), settings.cache()?);
    Some(Box::new(move || {
        let (store, secret) = (store.clone(), secret.clone());
        Box::pin(async move {
            let url = secret.get(&store.aws, &*store.clock).await.map_err(|error| error.to_string())?;
            // The table tells deployments apart that share a server; readers and the reaction have the same one.
            let cache = RedisCache::new(&url, store.resources().table.clone()).map_err(|error| error.to_string())?;
            Ok(Arc::new(cache) as Arc<dyn SharedCache>)
        })
    }))
}

/// None: nothing that was built so can talk to one, so there is nothing to be kept up to date either.
#[cfg(not(feature = "redis"))]
fn connection(_: &Store, settings: &Settings) -> Option<Connect> {
    settings.cache()?;
    tracing::error!("there is no shared cache: this program was built without the feature `redis`");
    None
}

#[cfg(test)]
#[cfg(feature = "redis")]
mod tests {
    use sendoff_events::TenantId;
    use sendoff_host::{SystemClock, SystemRng};
    use sendoff_producers::RecordKey;

    use super::*;
    use crate::{Aws, Environment};

    /// What has a secret in a Secrets Manager that isn't there.
    fn deployment() -> (Store, Settings) {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("SENDOFF_CACHE_URL_ARN", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cache-a1b2c3"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::read(variables.clone(), &[]).unwrap();
        let aws = Aws::from_environment(Environment::of(variables)).unwrap();
        let store = Store::new(aws, settings.resources(), Arc::new(SystemClock), Arc::new(SystemRng::new()));
        (store, settings)
    }

    #[tokio::test]
    async fn a_cache_whose_secret_cannot_be_read_is_no_reason_to_fail_but_for_who_keeps_it_up_to_date() {
        let (store, settings) = deployment();
        let error = connected(&store, &settings).await.err().unwrap();
        assert!(error.contains("secretsmanager:GetSecretValue"), "{error}");
        let cache = shared(&store, &settings).await.unwrap();
        let tenant: TenantId = "acme".parse().unwrap();
        assert!(cache.get(&RecordKey::new(&tenant, "users", "ada")).await.is_err(), "it is tried again later");
    }

    #[tokio::test]
    async fn without_a_cache_nothing_is_connected() {
        let (store, _) = deployment();
        let settings = Settings::read(Vec::<(String, String)>::new(), &[]).unwrap();
        assert!(connected(&store, &settings).await.unwrap().is_none());
        assert!(shared(&store, &settings).await.is_none());
    }
}
