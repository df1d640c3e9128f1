//! The system under test, as the generator sees it.

use std::collections::BTreeMap;

use bytes::Bytes;
use sendoff_consumers::{Attributes, Depth, Subscriber};
use sendoff_events::{BoxFuture, EventId, Outgoing, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::RunId;

/// The way an event goes into the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A request to the HTTP API, which writes state and publishes.
    Api,
    /// Published to the topic.
    Topic,
    /// Sent to each subscribed consumer's queue, past the topic.
    Queue,
    /// State and event in one commit, past the HTTP API: on AWS the table's stream and the relay publish it.
    Table,
}

impl Via {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Topic => "topic",
            Self::Queue => "queue",
            Self::Table => "table",
        }
    }
}

/// Something to be sent.
#[derive(Debug, Clone)]
pub enum Parcel {
    /// An event, encoded. By any way but the API.
    Event(Outgoing),
    /// An event that was sent before, again: consumers have to suppress it.
    Again(Outgoing),
    /// A body that no consumer can decode, under an event's attributes: it has to be dead-lettered. By the queue only.
    Poison {
        /// What the message is told apart by.
        number: u64,
        /// The body.
        body: Bytes,
        /// The attributes.
        attributes: Attributes,
    },
    /// A request to the API.
    Request(Request),
}

/// A request that makes a submission in an app of the run, as a user of the run.
#[derive(Debug, Clone)]
pub struct Request {
    /// The intent's number, which makes its correlation id and its `Idempotency-Key`.
    pub number: u64,
    /// Whose request it is.
    pub tenant: TenantId,
    /// Who asks.
    pub user: UserId,
    /// The app.
    pub app: String,
    /// The submission's fields.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// What was sent arrived: the ids of the events that it made, and of the messages where it made no event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The events.
    pub events: Vec<EventId>,
}

/// What was sent didn't arrive, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It certainly isn't there.
    #[error("it was refused: {0}")]
    Refused(String),
    /// It may be there or not. It is looked for when the run is reconciled.
    #[error("it isn't known whether it arrived: {0}")]
    Unknown(String),
}

/// What a consumer has made of an event so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The event.
    pub event: EventId,
    /// The consumer.
    pub consumer: String,
    /// Where it stands.
    pub fate: Fate,
    /// How many attempts it took.
    pub attempts: u32,
    /// When it was first claimed; none before.
    pub claimed_at: Option<Timestamp>,
    /// When it last changed: where it is done, when it was done.
    pub updated_at: Option<Timestamp>,
}

/// When an event was made, as its id says.
pub(crate) fn made_at(event: EventId) -> Timestamp {
    let millis = event.as_bytes()[..6].iter().fold(0_i64, |millis, byte| millis << 8 | i64::from(*byte));
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// What becomes of an event at a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is done.
    Done,
    /// It stands among the dead letters.
    DeadLettered,
    /// Nobody knows whether its effect happened.
    InDoubt,
    /// It waits for its turn, or is being handled, or waits for its next attempt.
    InFlight,
    /// Neither the ledger nor a queue knows of it.
    Missing,
}

/// What the system used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of memory that are resident now; none where that can't be known.
    pub resident: Option<u64>,
    /// Bytes that its data takes on disk; none where that can't be known.
    pub stored: Option<u64>,
    /// Dollars that the run has cost by list prices: its own calls, and what a deployment does with its events; none where nothing
    /// costs.
    pub cost: Option<f64>,
}

/// The target can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct TargetError {
    /// What kind of trouble it is: it decides the exit code.
    pub trouble: Trouble,
    /// What was tried.
    pub what: String,
    /// Why it failed, and what to do.
    pub why: String,
}

/// What keeps a target from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// A guard forbids it: exit code 5.
    Forbidden,
    /// It can't be reached, or didn't answer: exit code 7.
    Unreachable,
    /// It was reached, and can't do what was asked, or the options don't fit together: exit code 2.
    Unusable,
}

impl TargetError {
    /// A guard forbids it.
    pub fn forbidden(what: impl Into<String>, why: impl ToString) -> Self {
        Self { trouble: Trouble::Forbidden, what: what.into(), why: why.to_string() }
    }

    /// It can't be reached, or didn't answer.
    pub fn unreachable(what: impl Into<String>, why: impl ToString) -> Self {
        Self { trouble: Trouble::Unreachable, what: what.into(), why: why.to_string() }
    }

    /// It can't do what was asked.
    pub fn unusable(what: impl Into<String>, why: impl ToString) -> Self {
        Self { trouble: Trouble::Unusable, what: what.into(), why: why.to_string() }
    }
}

/// What `load clean` has removed, by kind.
pub type Cleaned = BTreeMap<String, u64>;

/// Events by the numbers in their correlation ids.
pub type Found = Vec<(u64, EventId)>;

/// A system under test.
pub trait Target: Send + Sync {
    /// What it is, in a few words without secrets.
    fn name(&self) -> String;

    /// How durable its commits are, where that is the run's own choice: figures of one that is `relaxed` are another system's.
    fn durability(&self) -> Option<&'static str> {
        None
    }

    /// Whether it runs in this process: then its memory holds what the load test keeps, too.
    fn is_here(&self) -> bool {
        false
    }

    /// What a reader of the figures has to know of this way in.
    fn remark(&self, via: Via) -> Option<&'static str> {
        let _ = via;
        None
    }

    /// Who gets what from the topic.
    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, TargetError>>;

    /// Whether a run of this name can begin: the system is served, its API answers where that is the way in, and nothing of an
    /// earlier run of the same name stands in it. Requests of one would be answered by what the other has done.
    fn ready<'a>(&'a self, run: &'a RunId, via: Via) -> BoxFuture<'a, Result<(), TargetError>>;

    /// Makes the tenants' apps and users that a run speaks of. Making them twice changes nothing.
    fn prepare<'a>(&'a self, run: &'a RunId, people: &'a [Person]) -> BoxFuture<'a, Result<(), TargetError>>;

    /// Sends parcels in one call where the way allows that, and gives one result for each, in their order.
    fn send<'a>(&'a self, via: Via, parcels: &'a [Parcel]) -> BoxFuture<'a, Vec<Result<Accepted, SendError>>>;

    /// The events of the run that the system knows of, by the number in their correlation id: for what isn't known to have
    /// arrived. `None` where that can't be looked up.
    fn find<'a>(&'a self, run: &'a RunId, numbers: &'a [u64]) -> BoxFuture<'a, Result<Option<Found>, TargetError>>;

    /// What these consumers have made of these events.
    fn look<'a>(&'a self, pairs: &'a [(EventId, String)]) -> BoxFuture<'a, Result<Vec<Seen>, TargetError>>;

    /// How many poisonous messages of the run stand among the dead letters of each consumer.
    fn dead_poison<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, u64>, TargetError>>;

    /// How many effects of the run have happened more than once at each consumer, as its sinks have counted: the same message
    /// under the same key, twice. `None` where no sink counts.
    fn doubled<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<BTreeMap<String, u64>>, TargetError>> {
        let _ = run;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// The events of the run among the dead letters of each consumer, each as often as it stands there.
    fn dead_events<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, Vec<EventId>>, TargetError>>;

    /// How many messages each consumer has passed over since the run began because it had handled them before. `None` where no
    /// consumer counts for the run.
    fn suppressed<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<BTreeMap<String, u64>>, TargetError>> {
        let _ = run;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// How full each consumer's queue is.
    fn depths(&self) -> BoxFuture<'_, Result<BTreeMap<String, Depth>, TargetError>>;

    /// What it used so far.
    fn usage(&self) -> BoxFuture<'_, Result<Usage, TargetError>>;

    /// Removes everything that the run has left. With `dry` it only counts.
    fn clean<'a>(&'a self, run: &'a RunId, dry: bool) -> BoxFuture<'a, Result<Cleaned, TargetError>>;

    /// Ends what was started for the run.
    fn stop(&self) -> BoxFuture<'_, Result<(), TargetError>>;
}

/// Somebody to send to, and the app that they use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Whose user it is.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The app.
    pub app: String,
}
