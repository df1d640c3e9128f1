//! An API over records in memory, and a caller who is short of words.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use futures::executor::block_on;
use sendoff_events::{AnyEnvelope, BoxFuture, Clock, Rng, Timestamp};
use sendoff_producers::api::{ApiState, DevelopmentKey, KeySet, mint, router};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::memory::MemoryRecords;

/// Time that stands still unless it is moved; waiting takes forever, or no time at all.
pub(crate) struct TestClock {
    second: AtomicI64,
    pub(crate) flies: AtomicBool,
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.second.fetch_add(by.as_secs().cast_signed(), Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.second.load(Relaxed)).unwrap()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        if self.flies.load(Relaxed) { Box::pin(async {}) } else { Box::pin(pending()) }
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Rng for Counter {
    fn next_u64(&self) -> u64 {
        // Spread over all bits, still the same in each run.
        self.0.fetch_add(1, Relaxed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

pub(crate) struct World {
    pub(crate) records: Arc<MemoryRecords>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) router: Router,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|state| state)
    }

    pub(crate) fn with(adjust: impl FnOnce(ApiState) -> ApiState) -> Self {
        Self::trusting(KeySet::new().with_development(&development()).unwrap(), adjust)
    }

    pub(crate) fn trusting(keys: KeySet, adjust: impl FnOnce(ApiState) -> ApiState) -> Self {
        let records = Arc::new(MemoryRecords::default());
        let clock = Arc::new(TestClock { second: AtomicI64::new(1_795_000_000), flies: AtomicBool::new(false) });
        let state = ApiState::new(records.clone(), keys, clock.clone(), Arc::new(Counter::default()));
        Self { records, clock, router: router(adjust(state)) }
    }

    /// A world in which tenant acme has the app `expenses` and the user `ada`.
    pub(crate) fn furnished() -> Self {
        Self::new().furnish()
    }

    pub(crate) fn furnish(self) -> Self {
        self.put("/v1/apps/expenses").json(&json!({ "name": "Expenses" })).send().expect(StatusCode::CREATED);
        self.put("/v1/users/ada").json(&json!({ "name": "Ada" })).send().expect(StatusCode::CREATED);
        self
    }

    /// A token for the user `grace` of `tenant`.
    pub(crate) fn token(&self, tenant: &str, subject: &str) -> String {
        let hour = Duration::from_secs(3600);
        let (tenant, subject) = (tenant.parse().unwrap(), subject.parse().unwrap());
        mint(&development().signing(), &tenant, &subject, hour, &*self.clock).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub(crate) fn put(&self, path: &str) -> Call {
        self.call("PUT", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// A request of grace of acme; other callers replace the token.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        let token = self.token("acme", "grace");
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        Call { router: self.router.clone(), request }.token(&token)
    }
}

pub(crate) fn development() -> DevelopmentKey {
    DevelopmentKey::loopback("127.0.0.1:0".parse().unwrap()).unwrap()
}

pub(crate) struct Call {
    router: Router,
    request: Request<Body>,
}

impl Call {
    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.request.headers_mut().remove(name);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", &format!("\"{key}\""))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self.header("content-type", "application/json")
    }

    pub(crate) fn send(self) -> Reply {
        block_on(self.sending())
    }

    pub(crate) async fn sending(self) -> Reply {
        let response = self.router.oneshot(self.request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply { status: parts.status, headers: parts.headers, text }
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The problem's kind, after checking that the answer is a proper problem.
    #[track_caller]
    pub(crate) fn problem(&self, status: StatusCode) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["status"], status.as_u16());
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem["type"].as_str().unwrap().strip_prefix("urn:sendoff:problem:").unwrap().to_owned()
    }

    /// Where the fields are wrong, in order.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|flaw| flaw["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// The last event that was committed, as consumers will read it.
pub(crate) fn last_event(world: &World) -> Value {
    let event = world.records.events().pop().expect("an event was committed");
    AnyEnvelope::decode(event.body()).expect("consumers can read it");
    serde_json::from_slice(event.body()).unwrap()
}
