//! A shared cache whose secret may not be readable yet.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use sendoff_consumers::cache::{Image, SharedCache, SharedCacheError};
use sendoff_events::{BoxFuture, Clock, Timestamp};
use sendoff_producers::RecordKey;

/// How long to wait after an attempt before the next one.
const PAUSE: Duration = Duration::from_secs(30);

/// Makes the cache. The error shows nothing of its secret.
pub(super) type Connect = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn SharedCache>, String>> + Send + Sync>;

/// A shared cache that is unreachable for as long as it can't be made. While somebody asks for it, it is attempted anew every
/// 30 seconds, beside the look-ups: none of them waits for it.
pub(super) struct Late {
    connect: Connect,
    clock: Arc<dyn Clock>,
    made: Arc<OnceLock<Arc<dyn SharedCache>>>,
    attempted: Mutex<Timestamp>,
}

impl Late {
    /// Made already, if the first attempt works.
    pub(super) async fn new(connect: Connect, clock: Arc<dyn Clock>) -> Self {
        let attempted = Mutex::new(clock.now());
        let late = Self { connect, clock, made: Arc::default(), attempted };
        late.attempt().await;
        late
    }

    fn attempt(&self) -> BoxFuture<'static, ()> {
        let (connecting, made) = ((self.connect)(), Arc::clone(&self.made));
        Box::pin(async move {
            match connecting.await {
                // One that was made meanwhile is as good.
                Ok(cache) => drop(made.set(cache)),
                Err(error) => {
                    tracing::error!(
                        error,
                        "the shared cache can't be used; everything is looked up without it for now"
                    );
                }
            }
        })
    }

    fn made(&self) -> Result<&dyn SharedCache, SharedCacheError> {
        if let Some(cache) = self.made.get() {
            return Ok(&**cache);
        }
        let now = self.clock.now();
        let mut attempted = self.attempted.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(*attempted).unsigned_abs() >= PAUSE {
            *attempted = now;
            tokio::spawn(self.attempt());
        }
        Err(SharedCacheError("it can't be connected yet".into()))
    }
}

impl SharedCache for Late {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Image>, SharedCacheError>> {
        Box::pin(async move { self.made()?.get(key).await })
    }

    fn put_if_newer<'a>(
        &'a self,
        key: &'a RecordKey,
        image: &'a Image,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), SharedCacheError>> {
        Box::pin(async move { self.made()?.put_if_newer(key, image, ttl).await })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;

    struct SetClock(Mutex<Timestamp>);

    impl SetClock {
        fn forward(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    /// Answers, and keeps nothing.
    struct Empty;

    impl SharedCache for Empty {
        fn get<'a>(&'a self, _: &'a RecordKey) -> BoxFuture<'a, Result<Option<Image>, SharedCacheError>> {
            Box::pin(async { Ok(None) })
        }

        fn put_if_newer<'a>(
            &'a self,
            _: &'a RecordKey,
            _: &'a Image,
            _: Duration,
        ) -> BoxFuture<'a, Result<(), SharedCacheError>> {
            Box::pin(async { Ok(()) })
        }
    }

    /// A cache that can be made after so many failures, and how often that was attempted.
    async fn after(failures: u32) -> (Late, Arc<SetClock>, Arc<AtomicU32>) {
        let clock = Arc::new(SetClock(Mutex::new(Timestamp::UNIX_EPOCH)));
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = attempts.clone();
        let connect: Connect = Box::new(move || {
            let failed = counted.fetch_add(1, SeqCst) < failures;
            Box::pin(async move {
                if failed { Err("it is down".to_owned()) } else { Ok(Arc::new(Empty) as Arc<dyn SharedCache>) }
            })
        });
        (Late::new(connect, clock.clone()).await, clock, attempts)
    }

    async fn answers(late: &Late) -> bool {
        let key = RecordKey::new(&"acme".parse().unwrap(), "users", "ada");
        let answers = late.get(&key).await.is_ok();
        // What goes on beside the look-up comes to its end.
        tokio::task::yield_now().await;
        answers
    }

    #[tokio::test]
    async fn one_that_can_be_made_is_there_from_the_beginning() {
        let (late, _, attempts) = after(0).await;
        assert!(answers(&late).await && answers(&late).await);
        assert_eq!(attempts.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn one_that_cannot_be_made_is_attempted_every_thirty_seconds_until_it_can() {
        let (late, clock, attempts) = after(2).await;
        for so_far in [1, 2] {
            assert!(!answers(&late).await && !answers(&late).await);
            assert_eq!(attempts.load(SeqCst), so_far);
            clock.forward(Duration::from_millis(29_999));
            assert!(!answers(&late).await);
            assert_eq!(attempts.load(SeqCst), so_far);
            clock.forward(Duration::from_millis(1));
            assert!(!answers(&late).await, "a look-up doesn't wait for it");
            assert_eq!(attempts.load(SeqCst), so_far + 1);
        }
        assert!(answers(&late).await);
        clock.forward(Duration::from_secs(3600));
        assert!(answers(&late).await);
        assert_eq!(attempts.load(SeqCst), 3);
    }
}
