//! The cache on a clock that tests move, over records and a shared cache that count what they are asked.

mod memory;
mod shared;

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use futures::executor::block_on;
use sendoff_events::{BoxFuture, Clock, Timestamp};
use sendoff_producers::{Lookup, ReadError, Record, RecordKey};
use serde_json::{Value, json};

use super::{CacheSettings, Cached, Image, SharedCache, SharedCacheError};
use crate::{Count, Meter, Span, handlers::doubles::tenant};

/// Moves when a test says so, and when somebody sleeps, who then has slept.
#[derive(Clone)]
struct LeapClock(Arc<Mutex<Timestamp>>);

impl LeapClock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new("2026-11-24T12:00:00Z".parse().unwrap())))
    }

    fn forward(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for LeapClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move { clock.forward(duration) })
    }
}

/// Records that take their time.
#[derive(Default)]
struct Slow {
    records: Mutex<BTreeMap<RecordKey, Record>>,
    calls: AtomicU32,
    /// So many of the next look-ups fail.
    failures: AtomicU32,
}

impl Slow {
    fn put(&self, key: &RecordKey, version: u64) {
        let data = json!({ "n": version });
        let record = Record { key: key.clone(), version, data, updated_at: Timestamp::UNIX_EPOCH };
        self.records.lock().unwrap().insert(key.clone(), record);
    }

    fn calls(&self) -> u32 {
        self.calls.load(Relaxed)
    }
}

impl Lookup for Slow {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Relaxed);
            let found = self.records.lock().unwrap().get(key).cloned();
            step_back().await;
            let fails = self.failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
            if fails { Err(ReadError::Unavailable("down".into())) } else { Ok(found) }
        })
    }
}

/// Lets everybody else go first, once.
async fn step_back() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A shared cache; `down`, it fails, or, silent, never answers.
#[derive(Default)]
struct Server {
    kept: Mutex<BTreeMap<RecordKey, Image>>,
    calls: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Up,
    Down,
    Silent,
}

impl Server {
    fn turn(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    fn kept(&self, key: &RecordKey) -> Option<Image> {
        self.kept.lock().unwrap().get(key).cloned()
    }

    async fn reach(&self) -> Result<(), SharedCacheError> {
        self.calls.fetch_add(1, Relaxed);
        let state = *self.state.lock().unwrap();
        match state {
            State::Up => Ok(()),
            State::Down => Err(SharedCacheError("down".into())),
            State::Silent => std::future::pending().await,
        }
    }
}

impl SharedCache for Server {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Image>, SharedCacheError>> {
        Box::pin(async move {
            self.reach().await?;
            Ok(self.kept(key))
        })
    }

    fn put_if_newer<'a>(
        &'a self,
        key: &'a RecordKey,
        image: &'a Image,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), SharedCacheError>> {
        Box::pin(async move {
            self.reach().await?;
            let mut kept = self.kept.lock().unwrap();
            if kept.get(key).is_none_or(|kept| kept.version < image.version) {
                kept.insert(key.clone(), image.clone());
            }
            Ok(())
        })
    }
}

#[derive(Default)]
struct Counts(Mutex<BTreeMap<Count, u64>>);

impl Meter for Counts {
    fn count(&self, what: Count, name: &str, n: u64) {
        assert_eq!(name, "email");
        *self.0.lock().unwrap().entry(what).or_default() += n;
    }

    fn time(&self, _: Span, _: &str, _: Duration) {}
}

struct World {
    clock: LeapClock,
    inner: Arc<Slow>,
    server: Arc<Server>,
    counts: Arc<Counts>,
    cached: Cached,
}

impl World {
    fn with(settings: CacheSettings) -> Self {
        let (clock, inner, counts) = (LeapClock::new(), Arc::new(Slow::default()), Arc::new(Counts::default()));
        let cached = Cached::new(inner.clone(), settings, Arc::new(clock.clone())).with_meter(counts.clone(), "email");
        Self { clock, inner, server: Arc::default(), counts, cached }
    }

    fn new() -> Self {
        Self::with(CacheSettings::default())
    }

    fn shared() -> Self {
        let world = Self::new();
        let cached = world.cached.with_shared(world.server.clone());
        Self { cached, ..world }
    }

    /// The version that a look-up gives.
    fn get(&self, key: &RecordKey) -> Option<u64> {
        block_on(self.cached.get(key)).unwrap().map(|record| record.version)
    }

    fn counted(&self) -> Vec<(Count, u64)> {
        self.counts.0.lock().unwrap().iter().map(|(what, n)| (*what, *n)).collect()
    }
}

fn user(id: &str) -> RecordKey {
    RecordKey::new(&tenant(), "users", id)
}

#[test]
fn an_image_comes_back_as_it_was_also_one_of_null_and_one_of_nothing() {
    for data in [Some(json!({ "n": 1 })), Some(Value::Null), None] {
        let image = Image { version: u64::MAX, data, at: Timestamp::UNIX_EPOCH };
        let text = serde_json::to_string(&image).unwrap();
        assert_eq!(serde_json::from_str::<Image>(&text).unwrap(), image, "{text}");
    }
}
