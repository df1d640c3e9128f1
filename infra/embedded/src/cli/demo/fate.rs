//! What a backend tells of the events that the demo has caused.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{Consumer, InboxRecord, Step, StepState, Workflows};
use sendoff_embedded::program::Stopped;
use sendoff_events::{BoxFuture, EventId, EventType, TenantId};
use serde::Serialize;

use crate::cli::outcome::State;

/// Where a backend's events and their ends are looked up.
pub(super) trait Ledger: Send + Sync {
    /// The event and where it stands with each consumer that has to do with it; `None` if it isn't stored.
    fn fate(&self, event: EventId) -> BoxFuture<'_, Result<Option<Fate>, Stopped>>;

    /// The workflow runs.
    fn workflows(&self) -> Arc<dyn Workflows>;

    /// Whether there is somebody who does the steps of runs.
    fn does_steps(&self) -> bool;

    /// The consumers of the running system.
    fn consumers(&self) -> &[Arc<Consumer>];

    /// Makes an endpoint of the app for webhooks, where there is a server inside the process that takes them. Gives whether it
    /// did.
    fn add_webhook<'a>(&'a self, _tenant: &'a TenantId, _app: &'a str) -> BoxFuture<'a, Result<bool, Stopped>> {
        Box::pin(async { Ok(false) })
    }

    /// How long to wait for ends, and how often to look.
    fn pace(&self) -> Pace;
}

/// How long to wait for something, and how often to look for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) patience: Duration,
    pub(super) tick: Duration,
}

/// An event and where it stands.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) id: EventId,
    pub(super) event_type: EventType,
    /// By consumer, sorted by name.
    pub(super) standings: Vec<Standing>,
}

/// Where an event stands at one consumer.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) consumer: String,
    pub(super) state: State,
    pub(super) attempts: u32,
    /// From the commit to the end; `None` while there is none.
    pub(super) latency: Option<Duration>,
    /// What the consumer's steps were told by those who carried them out: the names of runs among it.
    pub(super) told: Vec<String>,
    /// What became of each step: of each recipient.
    pub(super) steps: Vec<StepFate>,
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct StepFate {
    pub(super) step: String,
    pub(super) state: StepState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Fate {
    /// Whether every consumer that subscribes to the event has come to an end with it.
    pub(super) fn is_settled(&self, consumers: &[Arc<Consumer>]) -> bool {
        let subscribers = consumers.iter().filter(|consumer| subscribes(consumer, &self.event_type));
        let is_settled = |name| self.standings.iter().any(|s| s.consumer == name && s.state.is_settled());
        subscribers.map(|consumer| consumer.name()).all(is_settled)
    }
}

/// Whether a consumer handles events of this type.
pub(super) fn subscribes(consumer: &Consumer, event_type: &EventType) -> bool {
    consumer.event_names().any(|name| name == event_type.name())
}

/// What became of the steps in a record.
pub(super) fn steps(record: Option<&InboxRecord>) -> Vec<StepFate> {
    let steps = record.into_iter().flat_map(|record| &record.steps);
    let fate = |(name, step): (&String, &Step)| StepFate {
        step: name.clone(),
        state: step.state,
        reason: step.reason.clone(),
    };
    steps.map(fate).collect()
}

/// What the steps in a record were told.
pub(super) fn told(record: Option<&InboxRecord>) -> Vec<String> {
    let steps = record.into_iter().flat_map(|record| record.steps.values());
    steps.filter_map(|step| step.provider_id.clone()).collect()
}
