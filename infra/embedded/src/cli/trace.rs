//! `sendoff trace`: the life of one event.

mod page;

use std::sync::Arc;

use sendoff_consumers::{
    Attempt, AuditNote, DeliveryId, DeliveryRecord, Failure, IdempotencyKey, RunStatus, Step, StepState,
};
use sendoff_embedded::{
    DeliveryState, EventDetail, EventSummary, Store,
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::{EventId, Timestamp};
use sendoff_host::SystemRng;
use serde::Serialize;

use super::{
    args::TableOrJson,
    outcome::{self, Outcome, State},
    reading,
    runs::{self, RunTold},
};

/// Everything that is known of an event.
#[derive(Debug, Serialize)]
struct Life {
    id: EventId,
    r#type: String,
    tenant: String,
    subject: String,
    correlation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    caused_by: Option<EventId>,
    committed_at: Timestamp,
    published_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_bytes: Option<u64>,
    changed: Vec<ChangedRecord>,
    consumers: Vec<ConsumerLife>,
    caused: Vec<Caused>,
    runs: Vec<RunLife>,
    /// What people have decided about it.
    decisions: Vec<DecisionLife>,
}

#[derive(Debug, Serialize)]
struct DecisionLife {
    at: Timestamp,
    who: String,
    action: String,
    target: String,
    because: String,
}

#[derive(Debug, Serialize)]
struct ChangedRecord {
    record: String,
    version: u64,
    actor: String,
}

#[derive(Debug, Serialize)]
struct ConsumerLife {
    consumer: String,
    outcome: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u128>,
    /// Where the message stands while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_in: Option<Waits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    steps: Vec<StepLife>,
    failed_attempts: Vec<Attempt>,
}

#[derive(Debug, Serialize)]
struct Waits {
    queue: String,
    message_id: String,
    receives: u32,
    visible_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct StepLife {
    step: String,
    state: StepState,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What its provider has told since.
    #[serde(skip_serializing_if = "Option::is_none")]
    news: Option<DeliveryRecord>,
}

#[derive(Debug, Serialize)]
struct Caused {
    id: EventId,
    r#type: String,
}

#[derive(Debug, Serialize)]
struct RunLife {
    name: String,
    workflow: String,
    version: u32,
    status: RunStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// The steps that it has come to.
    steps: Vec<String>,
}

pub(super) async fn run(config: &Config, event: EventId, output: TableOrJson) -> Result<Exit, Stopped> {
    let store = reading::open(config)?;
    let Some(found) = store.event(event).await? else {
        return Err(Stopped::new(
            Exit::NothingMatched,
            format_args!("there is no event {event} in {}", config.settings.data.display()),
        ));
    };
    let outcomes = outcome::of_event(&store, event).await?;
    let exit = if outcomes.iter().any(|o| o.state == State::InDoubt) { Exit::InDoubt } else { Exit::Done };
    let life = life(&store, found, outcomes).await?;
    match output {
        TableOrJson::Json => print::json(&life)?,
        TableOrJson::Table => print::data(page::page(&life))?,
    }
    Ok(exit)
}

async fn life(store: &Store, found: EventDetail, outcomes: Vec<Outcome>) -> Result<Life, Stopped> {
    let EventDetail { summary, changes, .. } = found;
    let runs = started(store, &outcomes).await?;
    let decisions = store.decisions(summary.id).await?.into_iter().map(decision).collect();
    let mut consumers = Vec::new();
    for outcome in outcomes {
        let key = outcome.record.as_ref().map(|record| record.key.clone());
        let mut life = consumer(outcome, &summary);
        if let Some(key) = key {
            add_news(store, &key, &mut life).await?;
        }
        consumers.push(life);
    }
    let caused = store.caused_by(summary.id).await?;
    let changed =
        changes.into_iter().map(|c| ChangedRecord { record: c.key.to_string(), version: c.version, actor: c.actor });
    Ok(Life {
        changed: changed.collect(),
        consumers,
        decisions,
        caused: caused.into_iter().map(|e| Caused { id: e.id, r#type: e.event_type }).collect(),
        runs: runs.into_iter().map(run_life).collect(),
        id: summary.id,
        r#type: summary.event_type,
        tenant: summary.tenant.to_string(),
        subject: summary.subject,
        correlation: summary.correlation,
        caused_by: summary.causation,
        committed_at: summary.committed_at,
        published_at: summary.published_at,
        payload_bytes: summary.payload_bytes,
    })
}

/// Adds what the providers have told of each step.
async fn add_news(store: &Store, key: &IdempotencyKey, life: &mut ConsumerLife) -> Result<(), Stopped> {
    let deliveries = store.deliveries();
    for step in &mut life.steps {
        let id = DeliveryId::new(key.clone(), step.step.clone());
        step.news = deliveries.get(&id).await.map_err(|e| Stopped::new(Exit::Unreachable, e))?;
    }
    Ok(())
}

fn decision((at, note): (Timestamp, AuditNote)) -> DecisionLife {
    let AuditNote { who, action, target, because, .. } = note;
    DecisionLife { at, who, action, target, because }
}

/// The workflow runs that the consumers' steps have started: a step that starts one records the run's name.
async fn started(store: &Store, outcomes: &[Outcome]) -> Result<Vec<RunTold>, Stopped> {
    let workflows = store.workflows(Arc::new(SystemRng::new()));
    let mut found = Vec::new();
    let steps = outcomes.iter().filter_map(|o| o.record.as_ref()).flat_map(|record| record.steps.values());
    for name in steps.filter_map(|step| step.provider_id.as_deref()) {
        found.extend(runs::told(&*workflows, name).await?);
    }
    Ok(found)
}

fn run_life(RunTold { run, steps }: RunTold) -> RunLife {
    RunLife {
        name: run.started.name,
        workflow: run.started.workflow.to_string(),
        version: run.started.version,
        status: run.status,
        failure: run.failure.map(|failure| format!("{}: {}", failure.error, failure.cause)),
        steps,
    }
}

fn consumer(outcome: Outcome, event: &EventSummary) -> ConsumerLife {
    let latency_ms = outcome.latency(event).map(|l| l.as_millis());
    let Outcome { consumer, state, attempts, record, message, .. } = outcome;
    let (steps, history) = record.map(|r| (r.steps, r.history)).unwrap_or_default();
    let failure = message.as_ref().and_then(|m| match &m.state {
        DeliveryState::Dead(failure) => failure.clone(),
        _ => None,
    });
    let step = |(name, step): (String, Step)| StepLife {
        step: name,
        state: step.state,
        at: step.at,
        provider: step.provider,
        news: None,
        provider_id: step.provider_id,
        reason: step.reason,
    };
    ConsumerLife {
        consumer,
        outcome: state.word(),
        attempts,
        latency_ms,
        waits_in: message.map(|m| Waits {
            queue: m.queue,
            message_id: m.message_id,
            receives: m.receives,
            visible_at: m.visible_at,
        }),
        failure,
        steps: steps.into_iter().map(step).collect(),
        failed_attempts: history,
    }
}
