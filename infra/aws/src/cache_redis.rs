//! The shared cache in Redis or Valkey, such as ElastiCache.

mod connection;

use std::time::Duration;

use redis::{Script, aio::MultiplexedConnection};
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_consumers::cache::{Image, SharedCache, SharedCacheError};
use sendoff_events::BoxFuture;
use sendoff_producers::RecordKey;

use connection::Connection;

/// Puts a value unless one that is as new stands there, in one step. A value begins with its version in as many digits as a
/// `u64` has, so that versions compare as texts: a number of Lua can't hold them all. What doesn't begin so isn't ours.
const PUT_IF_NEWER: &str = r"
local kept = redis.call('GET', KEYS[1])
if kept then
    local version = kept:match('^(%d+) ')
    if version and #version == 20 and version >= ARGV[1]:sub(1, 20) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
";

/// A [`SharedCache`] in Redis 6.2 or newer, or Valkey. It connects when it is first used and whenever it has to, over one
/// connection, and needs a Tokio runtime for it.
///
/// Keys read `{stack}:{tenant}:{collection}/{id}`. What stands there may be personal data: use `rediss://` and a password, and
/// let nobody else into that server.
pub struct RedisCache {
    connection: Connection,
    stack: String,
    put: Script,
}

/// The URL isn't one of a Redis server. The text doesn't quote it: it may hold the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the URL of the cache is not valid: use redis://host:port, or rediss://user:password@host:port with TLS ({0})")]
pub struct RedisUrlError(&'static str);

impl RedisCache {
    /// The cache of `stack` in the server at this URL: `redis://` or, with TLS, `rediss://`, with user and password where the
    /// server asks for them.
    ///
    /// # Errors
    ///
    /// [`RedisUrlError`] when the URL isn't one of a Redis server. Nothing is connected yet.
    pub fn new(url: &SecretString, stack: impl Into<String>) -> Result<Self, RedisUrlError> {
        let url = url.expose_secret();
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return Err(RedisUrlError("it begins with another scheme"));
        }
        let client = redis::Client::open(url).map_err(|_| RedisUrlError("it can't be read"))?;
        Ok(Self { connection: Connection::to(client), stack: stack.into(), put: Script::new(PUT_IF_NEWER) })
    }

    fn key(&self, key: &RecordKey) -> String {
        format!("{}:{}:{key}", self.stack, key.tenant)
    }

    async fn fetch(&self, mut server: MultiplexedConnection, key: &RecordKey) -> redis::RedisResult<Option<Image>> {
        let kept: Option<Vec<u8>> = redis::cmd("GET").arg(self.key(key)).query_async(&mut server).await?;
        Ok(kept.and_then(|kept| read(&kept)))
    }

    async fn put(
        &self,
        mut server: MultiplexedConnection,
        key: &RecordKey,
        value: String,
        ttl: Duration,
    ) -> redis::RedisResult<()> {
        // A TTL of nothing is refused.
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 40);
        let mut put = self.put.key(self.key(key));
        put.arg(value).arg(millis).invoke_async::<u8>(&mut server).await.map(drop)
    }
}

fn write(image: &Image) -> Result<String, SharedCacheError> {
    let json = serde_json::to_string(image).map_err(|error| SharedCacheError(error.to_string()))?;
    Ok(format!("{:020} {json}", image.version))
}

/// The image in a value; `None` when it isn't one of ours.
fn read(value: &[u8]) -> Option<Image> {
    let json = value.get(21..)?;
    serde_json::from_slice(json).ok()
}

impl SharedCache for RedisCache {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Image>, SharedCacheError>> {
        Box::pin(self.connection.ask(move |server| self.fetch(server, key)))
    }

    fn put_if_newer<'a>(
        &'a self,
        key: &'a RecordKey,
        image: &'a Image,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), SharedCacheError>> {
        Box::pin(async move {
            let value = write(image)?;
            self.connection.ask(move |server| self.put(server, key, value, ttl)).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_refused_and_its_password_stays_secret() {
        for url in ["", "http://u:hunter2@host", "redis://u:hunter2@host:port", "unix:///tmp/socket", "rediss://"] {
            let refused = RedisCache::new(&SecretString::from(url), "s").err();
            let refused = refused.unwrap_or_else(|| panic!("{url} should be refused"));
            assert!(!refused.to_string().contains("hunter2") && !format!("{refused:?}").contains("hunter2"));
        }
        for url in ["redis://127.0.0.1:6379", "rediss://u:p%40ss@cache.example.org:6380/0"] {
            assert!(RedisCache::new(&SecretString::from(url), "s").is_ok(), "{url}");
        }
    }

    #[test]
    fn what_is_not_an_image_is_nothing() {
        for value in [b"".as_slice(), b"x", b"00000000000000000001", b"00000000000000000001 {", b"\xff\xff\xff"] {
            assert_eq!(read(value), None);
        }
    }
}
