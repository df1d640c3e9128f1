//! What a consumer has made of an event: read from its inbox record and its message together.

use std::{collections::BTreeMap, fmt, time::Duration};

use sendoff_consumers::{Failure, InboxRecord, Status};
use sendoff_embedded::{DeliveryState, EventDelivery, EventSummary, Store, StoreError};
use sendoff_events::{EventId, Timestamp};

/// Where an event stands at one consumer.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The consumer.
    pub(crate) consumer: String,
    /// Where it stands.
    pub(crate) state: State,
    /// How many attempts there were.
    pub(crate) attempts: u32,
    /// When it came to stand there; `None` before the first attempt.
    pub(crate) at: Option<Timestamp>,
    /// What the consumer has recorded.
    pub(crate) record: Option<InboxRecord>,
    /// The message that carries the event, while there is one.
    pub(crate) message: Option<EventDelivery>,
}

impl Outcome {
    /// How long it took from the commit of the event to its end here; `None` while it hasn't ended.
    pub(crate) fn latency(&self, event: &EventSummary) -> Option<Duration> {
        let ended = self.at.filter(|_| self.state.is_settled())?;
        // A clock that was set back in between must not make it negative.
        Some(Duration::try_from(ended.duration_since(event.committed_at)).unwrap_or_default())
    }
}

/// Where an event can stand at a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// In the queue: for the first time, or between attempts.
    Waiting,
    /// Being handled.
    Running,
    /// Handled.
    Done,
    /// Nobody knows whether its effect happened.
    InDoubt,
    /// In the dead-letter queue, for this reason.
    DeadLettered(String),
}

impl State {
    /// Its name, the same for every reason.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::InDoubt => "in-doubt",
            Self::DeadLettered(_) => "dead-lettered",
        }
    }

    /// Whether it stays so unless a person does something.
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self, Self::Done | Self::InDoubt | Self::DeadLettered(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadLettered(reason) => write!(f, "dead-lettered: {reason}"),
            other => f.write_str(other.word()),
        }
    }
}

/// The outcomes of one event, by consumer.
pub(crate) async fn of_event(store: &Store, event: EventId) -> Result<Vec<Outcome>, StoreError> {
    // The messages first: of one that is gone or dead by then the record is settled, and has been so before.
    let messages = store.event_deliveries(event).await?;
    let records = store.inbox_for_event(event).await?;
    Ok(join(records, messages))
}

fn join(records: Vec<InboxRecord>, messages: Vec<EventDelivery>) -> Vec<Outcome> {
    let mut by_consumer: BTreeMap<String, (Option<InboxRecord>, Option<EventDelivery>)> = BTreeMap::new();
    for record in records {
        let consumer = record.key.consumer().to_owned();
        by_consumer.entry(consumer).or_default().0 = Some(record);
    }
    for message in messages {
        let consumer = message.queue.strip_suffix("-dlq").unwrap_or(&message.queue).to_owned();
        by_consumer.entry(consumer).or_default().1 = Some(message);
    }
    by_consumer.into_iter().map(|(consumer, (record, message))| outcome(consumer, record, message)).collect()
}

fn outcome(consumer: String, record: Option<InboxRecord>, message: Option<EventDelivery>) -> Outcome {
    let failure = match message.as_ref().map(|m| &m.state) {
        Some(DeliveryState::Dead(failure)) => Some(failure.as_ref()),
        _ => None,
    };
    let state = match (record.as_ref().map(|r| r.status), failure, message.as_ref().map(|m| &m.state)) {
        (Some(Status::Done), ..) => State::Done,
        (Some(Status::InDoubt), ..) => State::InDoubt,
        (_, Some(failure), _) => State::DeadLettered(reason(failure, record.as_ref())),
        (_, _, Some(DeliveryState::InFlight)) => State::Running,
        (_, _, Some(_)) => State::Waiting,
        (Some(Status::Failed), _, None) => State::DeadLettered(reason(None, record.as_ref())),
        (Some(Status::Claimed) | None, _, None) => State::Running,
    };
    let (attempts, at) = match (&record, failure.flatten()) {
        (Some(record), _) => (record.attempts, Some(record.updated_at)),
        (None, Some(failure)) => (failure.attempts, Some(failure.last_at)),
        (None, None) => (0, None),
    };
    Outcome { consumer, state, attempts, at, record, message }
}

/// Why it was dead-lettered: as the dead letter says, or else as the record does.
pub(crate) fn reason(failure: Option<&Failure>, record: Option<&InboxRecord>) -> String {
    let recorded = || record.and_then(|r| r.history.last()).map(|last| last.reason.clone());
    failure.map(|f| f.reason.clone()).or_else(recorded).unwrap_or_else(|| "unknown".into())
}
