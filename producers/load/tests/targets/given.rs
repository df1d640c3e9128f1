//! Runs, people and events for the tests, and waiting for what they lead to.

use std::time::{Duration, Instant};

use sendoff_consumers::Subscriber;
use sendoff_events::{AppAssigned, Envelope, Event as _, EventId, Origin, Outgoing};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_load::{
    RunId,
    target::{Fate, Parcel, Person, Request, Seen, Target},
};

/// How long something may take that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(name: &str) -> RunId {
    name.parse().unwrap()
}

/// Some people of the run, who all use one app.
pub(super) fn people(run: &RunId, count: u64) -> Vec<Person> {
    let person = |n: u64| Person {
        tenant: run.tenant(n % 2).unwrap(),
        user: format!("user-{n}").parse().unwrap(),
        app: run.app(0).unwrap().to_string(),
    };
    (0..count).map(person).collect()
}

/// The run's event with this number: somebody is assigned an app.
pub(super) fn assigned(run: &RunId, number: u64) -> Outgoing {
    let person = people(run, 4).swap_remove(usize::try_from(number % 4).unwrap());
    let data =
        AppAssigned { app_id: person.app.parse().unwrap(), user_id: person.user.clone(), assigned_by: person.user };
    let origin = Origin {
        source: "/sendoff/load".into(),
        tenant: person.tenant,
        correlation: Some(run.correlation(number)),
        causation: None,
        traceparent: None,
        hops: 0,
    };
    Envelope::new(data, origin, None, &SystemClock, &SystemRng::new()).encode().unwrap()
}

/// A request to the API that makes a submission.
pub(super) fn request(run: &RunId, number: u64) -> Parcel {
    let person = people(run, 4).swap_remove(usize::try_from(number % 4).unwrap());
    let fields = serde_json::Map::from_iter([("amount".to_owned(), number.into())]);
    Parcel::Request(Request { number, tenant: person.tenant, user: person.user, app: person.app, fields })
}

/// A body that nobody can decode, as if it were an assignment.
pub(super) fn poison(run: &RunId, number: u64) -> Parcel {
    let attributes = [("type", "app.assigned.v1".to_owned()), ("tenant", run.tenant(0).unwrap().to_string())];
    Parcel::Poison {
        number,
        body: "{\"specversion\":\"1.0\"".into(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

/// The consumers that get events of this type.
pub(super) fn wanting(subscribers: &[Subscriber], event_type: &str) -> Vec<String> {
    let attributes = [("type".to_owned(), event_type.to_owned()), ("tenant".to_owned(), "load-x-0".to_owned())].into();
    let wants = |s: &&Subscriber| s.filter.as_ref().is_some_and(|filter| filter.accepts(&attributes));
    subscribers.iter().filter(wants).map(|subscriber| subscriber.queue.clone()).collect()
}

/// The type of [`assigned`] events.
pub(super) fn assigned_type() -> String {
    format!("{}.v{}", AppAssigned::TYPE, AppAssigned::VERSION)
}

pub(super) fn pairs(events: &[EventId], consumers: &[String]) -> Vec<(EventId, String)> {
    events.iter().flat_map(|event| consumers.iter().map(|consumer| (*event, consumer.clone()))).collect()
}

/// Looks until no event is in flight any more.
#[expect(clippy::disallowed_methods, reason = "a deadline for what has to come, measured by the machine's own time")]
pub(super) async fn settled(target: &dyn Target, pairs: &[(EventId, String)]) -> Vec<Seen> {
    let began = Instant::now();
    loop {
        let seen = target.look(pairs).await.unwrap();
        let flying: Vec<_> = seen.iter().filter(|seen| seen.fate == Fate::InFlight).collect();
        if flying.is_empty() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "still in flight: {flying:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks until the answer is the expected one.
#[expect(clippy::disallowed_methods, reason = "a deadline for what has to come, measured by the machine's own time")]
pub(crate) async fn eventually<T: PartialEq + std::fmt::Debug>(expected: T, ask: impl AsyncFn() -> T) {
    let began = Instant::now();
    loop {
        let found = ask().await;
        if found == expected {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{found:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
