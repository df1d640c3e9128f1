//! What a turn of the state machine means to the store.

use sendoff_events::{Envelope, EventId, Origin, StepKind, Timestamp, WorkflowStep};
use sendoff_workflows::engine::{Command, Turn};

use super::EnginePorts;
use crate::{
    NewMessage, TENANT_ATTRIBUTE,
    load::run_correlation,
    workflows::{NewRun, RunChange, StepMessage, WorkflowError},
};

/// What publishes them.
const SOURCE: &str = "/sendoff/workflows";

/// The turn as a change of the run.
pub(super) fn change(run: &NewRun, turn: Turn, ports: &EnginePorts) -> Result<RunChange, WorkflowError> {
    let unusable = |error: &dyn std::fmt::Display| {
        WorkflowError::Unusable(format!("run `{}` can't be written: {error}", run.name))
    };
    let messages = turn.commands.iter().map(|command| message(run, command, ports));
    Ok(RunChange {
        messages: messages.collect::<Result<_, _>>().map_err(|error| unusable(&error))?,
        state: serde_json::to_string(&turn.state).map_err(|error| unusable(&error))?,
        status: turn.state.status(),
        failure: turn.state.failure().cloned(),
        history: turn.history,
    })
}

/// What tells [`WorkflowSteps`](crate::WorkflowSteps) that the command is due. What is to be done then stands in the run's state.
fn message(run: &NewRun, command: &Command, ports: &EnginePorts) -> Result<StepMessage, sendoff_events::EncodeError> {
    let (instance, attempt, due) = (command.instance().to_string(), command.attempt(), command.due());
    let kind = match command {
        Command::Act(_) | Command::Ask(_) => StepKind::Act,
        Command::Wake { .. } => StepKind::Wake,
    };
    let name = match kind {
        StepKind::Act => format!("{instance}/{attempt}/act"),
        StepKind::Wake => format!("{instance}/{attempt}/wake"),
    };
    let data = WorkflowStep { run: run.name.clone(), instance, attempt, kind };
    let mut envelope = Envelope::new(data, origin(run), None, &*ports.clock, &*ports.rng);
    // It isn't published before it is due: what counts from then on is how long ago that was, be it in months.
    let published: Timestamp = due.max(envelope.header.first_published);
    envelope.header.first_published = published;
    let event = envelope.encode()?;
    let attributes = [("type", event.event_type().to_string()), (TENANT_ATTRIBUTE, event.tenant().to_string())];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value)).into();
    Ok(StepMessage { name, due, message: NewMessage { body: event.into_body(), attributes, ..NewMessage::default() } })
}

fn origin(run: &NewRun) -> Origin {
    let cause = run.input.pointer("/trigger/event_id").and_then(|id| id.as_str());
    let hops = run.input["hops"].as_u64().and_then(|hops| u32::try_from(hops).ok());
    Origin {
        source: SOURCE.into(),
        tenant: run.tenant.clone(),
        correlation: Some(run_correlation(&run.name).into_owned()),
        causation: cause.and_then(|id| id.parse::<EventId>().ok()),
        traceparent: None,
        hops: hops.unwrap_or(0),
    }
}
