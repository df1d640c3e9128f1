//! A reactor over changes that it is given.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::executor::block_on;
use sendoff_events::{BoxFuture, Clock, Timestamp};
use sendoff_producers::RecordKey;
use serde_json::json;

use super::{Dealt, Reactor};
use crate::{
    Backoff, Change, Changes, ChangesError, Failure, HandlerError, Limits, Policy, Position, Reaction, ReactionContext,
    Stop,
    handlers::doubles::{Counting, tenant},
};

/// Sleeping moves its time.
#[derive(Clone)]
struct LeapClock(Arc<Mutex<Timestamp>>);

impl Clock for LeapClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let mut is_first = true;
        // Time passes only where nothing else happens.
        let leap = std::future::poll_fn(move |context| {
            if std::mem::take(&mut is_first) {
                context.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            *clock.0.lock().unwrap() += duration;
            std::task::Poll::Ready(())
        });
        Box::pin(leap)
    }
}

/// Keeps what is parked; down, it takes nothing.
#[derive(Default)]
struct Parked {
    parked: Mutex<Vec<(String, String)>>,
    is_down: bool,
}

impl Changes for Parked {
    fn read<'a>(&'a self, _: &'a str, _: usize, _: Duration) -> BoxFuture<'a, Result<Vec<Change>, ChangesError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn checkpoint<'a>(&'a self, _: &'a str, _: &'a Position) -> BoxFuture<'a, Result<(), ChangesError>> {
        Box::pin(async { Ok(()) })
    }

    fn park<'a>(&'a self, _: &'a str, change: &'a Change, why: &'a Failure) -> BoxFuture<'a, Result<(), ChangesError>> {
        Box::pin(async move {
            if self.is_down {
                return Err(ChangesError("down".into()));
            }
            self.parked.lock().unwrap().push((change.key.id.clone(), why.reason.clone()));
            Ok(())
        })
    }
}

/// Does with a change what its record's id says.
#[derive(Default)]
struct Obedient(Mutex<Vec<(String, u64)>>);

impl Reaction for Obedient {
    fn name(&self) -> &'static str {
        "obedient"
    }

    fn policy(&self) -> Policy {
        let backoff = Backoff { base: Duration::from_secs(10), cap: Duration::from_secs(10) };
        Policy { max_attempts: 3, backoff, ..Policy::DEFAULT }
    }

    fn react<'a>(&'a self, change: &'a Change, _: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            self.0.lock().unwrap().push((change.key.id.clone(), change.version));
            match &*change.key.id {
                "reject" => Err(HandlerError::Reject { reason: "bad".into(), source: "bad".into() }),
                "retry" => Err(HandlerError::Retry { after: None, source: "again".into() }),
                "snooze" => Err(HandlerError::Snooze { until: None, source: "later".into() }),
                "panic" => panic!("no"),
                "hang" => std::future::pending().await,
                _ => Ok(()),
            }
        })
    }
}

fn change(id: &str, version: u64) -> Change {
    Change {
        position: Position(version.to_string()),
        key: RecordKey::new(&tenant(), "things", id),
        version,
        actor: "ada".into(),
        at: Timestamp::UNIX_EPOCH,
        old: None,
        new: Some(json!(version)),
    }
}

struct Bench {
    reaction: Arc<Obedient>,
    changes: Arc<Parked>,
    clock: LeapClock,
}

impl Bench {
    fn new(is_down: bool) -> Self {
        let clock = LeapClock(Arc::new(Mutex::new(Timestamp::UNIX_EPOCH)));
        Self { reaction: Arc::default(), changes: Arc::new(Parked { is_down, ..Parked::default() }), clock }
    }

    /// What becomes of these when the host has so many seconds.
    fn deal_with(&self, changes: &[(&str, u64)], seconds: Option<u64>) -> Vec<Result<Dealt, ()>> {
        let context = ReactionContext { clock: Arc::new(self.clock.clone()), rng: Arc::new(Counting::default()) };
        let reactor = Reactor::new(self.reaction.clone(), self.changes.clone(), context);
        let until = seconds.map(|seconds| self.clock.now() + Duration::from_secs(seconds));
        let limits = Limits { stop: Stop::never(), until };
        let changes: Vec<_> = changes.iter().map(|(id, version)| change(id, *version)).collect();
        block_on(reactor.deal_with(&changes, &limits)).into_iter().map(|dealt| dealt.map_err(drop)).collect()
    }

    fn parked(&self) -> Vec<(String, String)> {
        self.changes.parked.lock().unwrap().clone()
    }
}

use Dealt::{Done, Interrupted, Parked as Aside};

#[test]
fn what_can_be_dealt_with_is_and_the_rest_is_put_aside_each_in_its_place() {
    let bench = Bench::new(false);
    let changes = [("a", 1), ("reject", 1), ("b", 1), ("panic", 1), ("retry", 1), ("reject", 2), ("a", 2)];
    let dealt = bench.deal_with(&changes, None);
    assert_eq!(dealt, [Done, Aside, Done, Aside, Aside, Aside, Done].map(Ok));
    let mut parked = bench.parked();
    parked.sort();
    let told: Vec<_> = parked.iter().map(|(id, reason)| (id.as_str(), reason.as_str())).collect();
    let exhausted = "attempts-exhausted";
    assert_eq!(told, [("panic", exhausted), ("reject", "bad"), ("reject", "bad"), ("retry", exhausted)]);
    let of_a: Vec<_> = bench.reaction.0.lock().unwrap().iter().filter(|(id, _)| id == "a").map(|(_, v)| *v).collect();
    assert_eq!(of_a, [1, 2]);
}

#[test]
fn what_would_have_to_wait_longer_than_the_host_lives_is_interrupted_and_so_is_what_follows_it() {
    for id in ["retry", "snooze", "hang"] {
        let bench = Bench::new(false);
        let dealt = bench.deal_with(&[("a", 1), (id, 1), (id, 2), ("a", 2)], Some(4));
        assert_eq!(dealt, [Done, Interrupted, Interrupted, Done].map(Ok), "{id}");
        assert_eq!(bench.parked(), []);
        assert!(!bench.reaction.0.lock().unwrap().contains(&(id.to_owned(), 2)), "{id}: out of order");
        assert!(bench.clock.now() <= Timestamp::UNIX_EPOCH + Duration::from_secs(4), "{id}");
    }
}

#[test]
fn what_cannot_even_be_put_aside_must_come_again_with_all_that_follows_it() {
    let bench = Bench::new(true);
    let dealt = bench.deal_with(&[("reject", 1), ("reject", 2), ("a", 1)], None);
    assert_eq!(dealt, [Err(()), Ok(Interrupted), Ok(Done)]);
}
