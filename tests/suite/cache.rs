//! The cache of look-ups with a real Redis server behind it, also one that dies.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::join_all;
use sendoff_aws::RedisCache;
use sendoff_consumers::{
    Change, Count, Meter, NoMeter, Position, Reaction, ReactionContext, Span,
    cache::{CacheSettings, Cached, Image, SharedCache},
    reactions::CacheInvalidation,
};
use sendoff_events::{BoxFuture, Clock, Timestamp};
use sendoff_host::SystemRng;
use sendoff_producers::{Lookup, ReadError, Record, RecordKey};
use sendoff_tests::{conformance::WarpClock, servers::Redis};
use serde_json::json;

/// Records that count how often they are asked.
#[derive(Default)]
struct Table {
    records: Mutex<BTreeMap<String, u64>>,
    calls: AtomicU32,
}

impl Lookup for Table {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        self.calls.fetch_add(1, Relaxed);
        let version = self.records.lock().unwrap().get(&key.id).copied();
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(version.map(|version| record(key, version)))
        })
    }
}

fn record(key: &RecordKey, version: u64) -> Record {
    let data = json!({ "n": version, "name": "Zoë 漢\u{0}" });
    Record { key: key.clone(), version, data, updated_at: Timestamp::UNIX_EPOCH }
}

fn user(id: &str) -> RecordKey {
    RecordKey::new(&"acme".parse().unwrap(), "users", id)
}

#[derive(Default)]
struct Counts(Mutex<BTreeMap<Count, u64>>);

impl Meter for Counts {
    fn count(&self, what: Count, _: &str, n: u64) {
        *self.0.lock().unwrap().entry(what).or_default() += n;
    }

    fn time(&self, _: Span, _: &str, _: Duration) {}
}

/// One process: its memory, and the way to the server.
struct Process {
    table: Arc<Table>,
    shared: Arc<RedisCache>,
    cached: Cached,
    clock: WarpClock,
    counts: Arc<Counts>,
}

/// A machine under load may take its time; where the timeout matters, tests say so.
fn settings() -> CacheSettings {
    CacheSettings { shared_timeout: Duration::from_secs(10), ..CacheSettings::default() }
}

impl Process {
    fn at(url: &str) -> Self {
        Self::with(url, settings())
    }

    fn with(url: &str, settings: CacheSettings) -> Self {
        let shared = Arc::new(RedisCache::new(&url.to_owned().into(), "test").unwrap());
        let (table, clock, counts) = (Arc::new(Table::default()), WarpClock::new(), Arc::new(Counts::default()));
        let cached = Cached::new(table.clone(), settings, Arc::new(clock.clone()))
            .with_shared(shared.clone())
            .with_meter(counts.clone(), "email");
        Self { table, shared, cached, clock, counts }
    }

    fn write(&self, id: &str, version: u64) {
        self.table.records.lock().unwrap().insert(id.to_owned(), version);
    }

    /// The version that a look-up gives.
    async fn get(&self, id: &str) -> Option<u64> {
        let found = self.cached.get(&user(id)).await.expect("a cache fails no look-up");
        if let Some(found) = &found {
            assert_eq!(*found, record(&user(id), found.version));
        }
        found.map(|found| found.version)
    }

    fn calls(&self) -> u32 {
        self.table.calls.load(Relaxed)
    }

    /// Memory forgets; the server doesn't.
    fn forget(&self) {
        self.clock.advance(Duration::from_secs(31));
    }

    async fn react(&self, id: &str, version: u64, deleted: bool) {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let reaction = CacheInvalidation::new(self.shared.clone(), &settings(), clock.clone());
        let change = Change {
            position: Position("1".into()),
            key: user(id),
            version,
            actor: "ada".into(),
            at: Timestamp::UNIX_EPOCH,
            old: None,
            new: (!deleted).then(|| record(&user(id), version).data),
        };
        let context = ReactionContext { clock, rng: Arc::new(SystemRng::new()), meter: Arc::new(NoMeter) };
        reaction.react(&change, &context).await.expect("it holds up no stream");
    }

    /// What the server keeps.
    async fn kept(&self, id: &str) -> Option<u64> {
        self.shared.get(&user(id)).await.expect("the server answers").map(|image| image.version)
    }

    async fn put(&self, id: &str, version: u64, ttl: Duration) {
        let image = Image::of(&record(&user(id), version));
        self.shared.put_if_newer(&user(id), &image, ttl).await.expect("the server answers");
    }
}

const LONG: Duration = Duration::from_secs(600);

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), test).await.expect("it takes too long") });
}

/// Asks until it is so.
async fn until<F: Future<Output = bool>>(what: impl Fn() -> F) {
    while !what().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn what_one_process_found_another_need_not_look_up() {
    let redis = Redis::start();
    run(async {
        let (first, second) = (Process::at(&redis.url()), Process::at(&redis.url()));
        first.write("ada", 3);
        assert_eq!((first.get("ada").await, first.get("ada").await, first.calls()), (Some(3), Some(3), 1));
        assert_eq!((second.get("ada").await, second.get("ada").await, second.calls()), (Some(3), Some(3), 0));
        let counted: Vec<_> = second.counts.0.lock().unwrap().clone().into_iter().collect();
        assert_eq!(counted, [(Count::CacheHits, 1), (Count::SharedCacheHits, 1)]);
        let counted: Vec<_> = first.counts.0.lock().unwrap().clone().into_iter().collect();
        assert_eq!(counted, [(Count::CacheHits, 1), (Count::CacheMisses, 1)]);
    });
}

#[test]
fn that_there_is_no_record_is_remembered_by_one_process_and_for_a_short_time() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url());
        assert_eq!((process.get("ada").await, process.get("ada").await, process.calls()), (None, None, 1));
        process.write("ada", 1);
        process.clock.advance(Duration::from_secs(6));
        assert_eq!(process.get("ada").await, Some(1));
    });
}

#[test]
fn stacks_and_tenants_do_not_see_each_other() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url());
        process.put("ada", 1, LONG).await;
        let other = RecordKey::new(&"other".parse().unwrap(), "users", "ada");
        assert_eq!(process.shared.get(&other).await, Ok(None));
        let stack = RedisCache::new(&redis.url().into(), "another").unwrap();
        assert_eq!(stack.get(&user("ada")).await, Ok(None));
    });
}

#[test]
fn fifty_look_ups_at_once_become_one() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url());
        process.write("ada", 1);
        let found = join_all((0..50).map(|_| process.get("ada"))).await;
        assert_eq!((found, process.calls()), (vec![Some(1); 50], 1));
    });
}

#[test]
fn what_is_kept_ends_with_its_ttl() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url());
        process.put("ada", 1, Duration::from_millis(100)).await;
        process.put("bob", 1, LONG).await;
        until(|| async { process.kept("ada").await.is_none() }).await;
        assert_eq!(process.kept("bob").await, Some(1));
    });
}

#[test]
fn only_newer_versions_replace_what_is_kept() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url());
        // Also where numbers of Lua would be the same.
        let versions = [9, 10, 2, 10, u64::MAX - 1, u64::MAX, u64::MAX - 1];
        let mut kept = Vec::new();
        for version in versions {
            process.put("ada", version, LONG).await;
            kept.push(process.kept("ada").await.unwrap());
        }
        assert_eq!(kept, [9, 10, 10, 10, u64::MAX - 1, u64::MAX, u64::MAX]);
    });
}

#[test]
fn a_change_replaces_what_is_kept_and_a_slow_reader_cannot_put_the_old_back() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url());
        process.write("ada", 1);
        assert_eq!(process.get("ada").await, Some(1));
        process.react("ada", 2, false).await;
        process.put("ada", 1, LONG).await;
        assert_eq!(process.get("ada").await, Some(1), "memory lives until its time is over");
        process.forget();
        assert_eq!((process.get("ada").await, process.calls()), (Some(2), 1));
        // A deletion leaves its trace, which is a version like any other.
        process.react("ada", 3, true).await;
        process.put("ada", 2, LONG).await;
        process.forget();
        assert_eq!((process.get("ada").await, process.calls()), (None, 1));
        process.react("ada", 4, false).await;
        process.forget();
        assert_eq!(process.get("ada").await, Some(4));
    });
}

#[test]
fn what_somebody_else_put_there_is_a_miss_and_is_replaced() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url());
        for rubbish in ["", "rubbish", "99999999999999999999", "zzzzzzzzzzzzzzzzzzzz {}"] {
            redis.set("test:acme:users/ada", rubbish);
            assert_eq!(process.kept("ada").await, None, "{rubbish}");
        }
        process.put("ada", 1, LONG).await;
        assert_eq!(process.kept("ada").await, Some(1));
    });
}

#[test]
fn a_wrong_password_fails_no_look_up() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url_with("wrong"));
        process.write("ada", 1);
        assert_eq!((process.get("ada").await, process.calls()), (Some(1), 1));
        let error = process.shared.get(&user("ada")).await.unwrap_err().to_string();
        assert!(!error.contains("wrong"), "{error}");
    });
}

#[test]
fn a_server_that_speaks_no_tls_fails_no_look_up_of_a_client_that_insists_on_it() {
    let redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url().replace("redis://", "rediss://"));
        process.write("ada", 1);
        assert_eq!((process.get("ada").await, process.calls()), (Some(1), 1));
        process.shared.get(&user("ada")).await.expect_err("no TLS");
    });
}

#[test]
fn a_server_that_dies_fails_no_look_up_and_is_used_again_when_it_is_back() {
    let mut redis = Redis::start();
    run(async {
        let process = Process::at(&redis.url());
        process.write("ada", 1);
        assert_eq!((process.get("ada").await, process.kept("ada").await), (Some(1), Some(1)));
        redis.kill();
        for n in 0..20 {
            process.write(&n.to_string(), 1);
            assert_eq!(process.get(&n.to_string()).await, Some(1));
        }
        process.react("ada", 2, false).await;
        redis.start_again();
        // The breaker lets one try after a while.
        process.clock.advance(Duration::from_secs(6));
        until(|| async {
            process.forget();
            process.get("ada").await;
            process.kept("ada").await == Some(1)
        })
        .await;
        let calls = process.calls();
        process.forget();
        assert_eq!((process.get("ada").await, process.calls()), (Some(1), calls));
    });
}

#[test]
fn a_server_that_says_nothing_costs_its_timeout_a_few_times_and_no_more() {
    // Nobody takes the connections that the system accepts for this listener.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("redis://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    run(async {
        let process = Process::with(&url, CacheSettings { shared_timeout: Duration::from_millis(50), ..settings() });
        let begun = process.clock.now();
        for n in 0..100 {
            process.write(&n.to_string(), 1);
            assert_eq!(process.get(&n.to_string()).await, Some(1));
        }
        // Three timeouts, and not two hundred of them.
        let took = Duration::try_from(process.clock.now().duration_since(begun)).unwrap();
        assert!(took < Duration::from_secs(5), "{took:?}");
    });
}
