//! A reactor over changes that it is given.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::executor::block_on;
use sendoff_events::{BoxFuture, Clock, Timestamp};
use sendoff_producers::RecordKey;
use serde_json::json;

use super::{Dealt, Reactor};
use crate::{
    Backoff, Change, Changes, ChangesError, Count, Failure, HandlerError, Limits, Meter, Policy, Position, Reaction,
    ReactionContext, Span, Stop,
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

/// Has one change to read, and then somebody else reads.
struct Lost;

impl Changes for Lost {
    fn read<'a>(&'a self, _: &'a str, _: usize, _: Duration) -> BoxFuture<'a, Result<Vec<Change>, ChangesError>> {
        Box::pin(async { Ok(vec![change("hang", 1)]) })
    }

    fn keep<'a>(&'a self, _: &'a str, _: &'a Position) -> BoxFuture<'a, ChangesError> {
        Box::pin(async { ChangesError("it is lost".into()) })
    }

    fn checkpoint<'a>(&'a self, _: &'a str, _: &'a Position) -> BoxFuture<'a, Result<(), ChangesError>> {
        Box::pin(async { panic!("nothing is dealt with") })
    }

    fn park<'a>(&'a self, _: &'a str, _: &'a Change, _: &'a Failure) -> BoxFuture<'a, Result<(), ChangesError>> {
        Box::pin(async { panic!("nothing is given up") })
    }
}

/// Does with a change what its record's id says.
#[derive(Default)]
struct Obedient(Mutex<Vec<(String, u64)>>);

impl Obedient {
    /// How often it was given changes of a record.
    fn times(&self, id: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(of, _)| of == id).count()
    }
}

impl Reaction for Obedient {
    fn name(&self) -> &'static str {
        "obedient"
    }

    fn policy(&self) -> Policy {
        let backoff = Backoff { base: Duration::from_secs(10), cap: Duration::from_secs(10) };
        Policy { max_attempts: 3, backoff, deferral: backoff, ..Policy::DEFAULT }
    }

    fn react<'a>(&'a self, change: &'a Change, _: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            self.0.lock().unwrap().push((change.key.id.clone(), change.version));
            match &*change.key.id {
                "reject" => Err(HandlerError::Reject { reason: "bad".into(), source: "bad".into() }),
                "retry" => Err(HandlerError::Retry { after: None, source: "again".into() }),
                "busy" if self.times("busy") < 3 => Err(HandlerError::Snooze { until: None, source: "later".into() }),
                "flaky" if self.times("flaky") < 2 => Err(HandlerError::Retry { after: None, source: "again".into() }),
                "doubt" => Err(HandlerError::InDoubt { source: "who knows".into() }),
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

/// A meter that remembers.
#[derive(Default)]
struct Measured {
    counts: Mutex<BTreeMap<Count, u64>>,
    times: Mutex<Vec<(Span, Duration)>>,
}

impl Meter for Measured {
    fn count(&self, what: Count, name: &str, n: u64) {
        assert_eq!(name, "obedient");
        *self.counts.lock().unwrap().entry(what).or_default() += n;
    }

    fn time(&self, what: Span, name: &str, took: Duration) {
        assert_eq!(name, "obedient");
        self.times.lock().unwrap().push((what, took));
    }
}

struct Bench {
    reaction: Arc<Obedient>,
    changes: Arc<Parked>,
    clock: LeapClock,
    meter: Arc<Measured>,
}

impl Bench {
    fn new(is_down: bool) -> Self {
        let clock = LeapClock(Arc::new(Mutex::new(Timestamp::UNIX_EPOCH)));
        let changes = Arc::new(Parked { is_down, ..Parked::default() });
        Self { reaction: Arc::default(), changes, clock, meter: Arc::default() }
    }

    /// What becomes of these when the host has so many seconds.
    fn deal_with(&self, changes: &[(&str, u64)], seconds: Option<u64>) -> Vec<Result<Dealt, ()>> {
        let context = ReactionContext {
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(Counting::default()),
            meter: self.meter.clone(),
        };
        let reactor = Reactor::new(self.reaction.clone(), self.changes.clone(), context);
        let until = seconds.map(|seconds| self.clock.now() + Duration::from_secs(seconds));
        let limits = Limits { stop: Stop::never(), until };
        let changes: Vec<_> = changes.iter().map(|(id, version)| change(id, *version)).collect();
        block_on(reactor.deal_with(&changes, &limits)).into_iter().map(|dealt| dealt.map_err(drop)).collect()
    }

    /// What was counted, in the order of [`Count`].
    fn counted(&self) -> Vec<(Count, u64)> {
        self.meter.counts.lock().unwrap().iter().map(|(what, n)| (*what, *n)).collect()
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

#[test]
fn each_end_of_an_attempt_is_counted_as_what_it_is() {
    use Count::{DeadLettered, Deferred, Failed, Handled, InDoubt, Retried};
    for (id, attempts, counted) in [
        ("a", 1, vec![(Handled, 1)]),
        ("flaky", 2, vec![(Handled, 1), (Failed, 1), (Retried, 1)]),
        ("busy", 3, vec![(Handled, 1), (Deferred, 2)]),
        ("retry", 3, vec![(Failed, 3), (Retried, 2), (DeadLettered, 1)]),
        ("panic", 3, vec![(Failed, 3), (Retried, 2), (DeadLettered, 1)]),
        ("reject", 1, vec![(Failed, 1), (DeadLettered, 1)]),
        ("doubt", 3, vec![(Failed, 3), (Retried, 2), (DeadLettered, 1), (InDoubt, 1)]),
    ] {
        let bench = Bench::new(false);
        bench.deal_with(&[(id, 1)], None);
        assert_eq!(bench.counted(), counted, "{id}");
        assert_eq!(*bench.meter.times.lock().unwrap(), vec![(Span::HandlerLatency, Duration::ZERO); attempts], "{id}");
    }
}

#[test]
fn what_the_host_interrupts_is_deferred_and_what_was_not_attempted_is_not_counted() {
    let bench = Bench::new(false);
    bench.deal_with(&[("hang", 1), ("hang", 2)], Some(4));
    assert_eq!(bench.counted(), [(Count::Deferred, 1)]);
    assert_eq!(*bench.meter.times.lock().unwrap(), [(Span::HandlerLatency, Duration::from_secs(4))]);
}

#[test]
fn what_cannot_be_put_aside_is_no_dead_letter() {
    let bench = Bench::new(true);
    bench.deal_with(&[("reject", 1)], None);
    assert_eq!(bench.counted(), [(Count::Failed, 1), (Count::Retried, 1)]);
}

#[test]
fn a_reaction_is_left_off_when_somebody_else_reads_the_changes() {
    let clock = Arc::new(LeapClock(Arc::new(Mutex::new(Timestamp::UNIX_EPOCH))));
    let context = ReactionContext { clock, rng: Arc::new(Counting::default()), meter: Arc::new(Measured::default()) };
    let reactor = Reactor::new(Arc::new(Obedient::default()), Arc::new(Lost), context);
    let limits = Limits { stop: Stop::never(), until: None };
    let error = block_on(reactor.round(&limits)).unwrap_err();
    assert!(error.to_string().contains("it is lost"), "{error}");
}
