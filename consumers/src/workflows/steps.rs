//! Carrying runs on: each message says that one of a run's steps is due.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt as _, select_biased};
use sendoff_events::{Envelope, StepKind, WorkflowStep};
use sendoff_workflows::engine::{ActCommand, AskCommand, Command, Instance, Signal};
use serde_json::{Value, json};

use super::{EngineWorkflows, engine::Asked, judge};
use crate::{
    Backoff, Classify as _, Context, Effect, Handler, HandlerError, Limits, OnDoubt, Policy, Stop,
    action::{ActionErrorKind, Actions},
    moments::later,
};

/// The queue whose messages carry runs on.
pub const STEPS: &str = "workflow-steps";

/// The action that asks people.
const APPROVAL: &str = "approval";

/// The error of an attempt that took too long, as Step Functions calls it.
const TIMEOUT: &str = "States.Timeout";

/// How much longer than its time an action may take to come to an end by itself.
const MARGIN: Duration = Duration::from_secs(10);

/// How long an approval may take to be asked for.
const ASKING: Duration = Duration::from_secs(60);

/// Does what a run waits for, and tells it what came of that.
///
/// A process may vanish anywhere in between. Then the message is delivered again: an action that was done is answered by its own
/// record in the inbox, and a run that was told already is changed no further.
pub struct WorkflowSteps {
    engine: Arc<EngineWorkflows>,
    actions: BTreeMap<&'static str, Arc<dyn Actions>>,
}

impl WorkflowSteps {
    /// Carries on the runs of `engine`, with these actions by their names.
    #[must_use]
    pub const fn new(engine: Arc<EngineWorkflows>, actions: BTreeMap<&'static str, Arc<dyn Actions>>) -> Self {
        Self { engine, actions }
    }
}

impl Handler for WorkflowSteps {
    type Event = WorkflowStep;

    const NAME: &'static str = STEPS;

    const POLICY: Policy = Policy {
        max_attempts: 20,
        backoff: Backoff::DEFAULT,
        deferral: Backoff::DEFAULT,
        // Longer than any step may take: see the limits of definitions.
        timeout: Duration::from_secs(20 * 60),
        effect: Effect::Repeatable,
        on_doubt: OnDoubt::Resend,
    };

    async fn handle(&self, event: &Envelope<WorkflowStep>, cx: &Context) -> Result<(), HandlerError> {
        let WorkflowStep { run, instance, attempt, kind } = &event.data;
        let (attempt, instance) = (*attempt, instance.parse::<Instance>().or_reject("bad-instance")?);
        let signal = match kind {
            StepKind::Wake => match judge(self.engine.decided(run, &instance, attempt).await)? {
                Some(decided) => decided,
                None => Signal::Due { instance, attempt },
            },
            StepKind::Act => match judge(self.engine.asked(run, &instance, attempt).await)? {
                None => return Ok(()),
                Some(asked) => match self.perform(run, asked, cx).await {
                    Some(signal) => signal,
                    None => return Ok(()),
                },
            },
        };
        judge(self.engine.tell(run, signal).await).map(drop)
    }
}

impl WorkflowSteps {
    /// Does it, and gives what the run is to be told, if anything.
    async fn perform(&self, run: &str, asked: Asked, cx: &Context) -> Option<Signal> {
        match asked.command {
            Command::Act(ActCommand { instance, attempt, call, timeout, .. }) => {
                let name = call["action"].as_str().unwrap_or_default().to_owned();
                let done = self.act(&name, &call, Duration::from_secs(timeout.into()), cx).await;
                Some(signal(instance, attempt, done))
            }
            Command::Ask(ask) => {
                let (instance, attempt) = (ask.instance.clone(), ask.attempt);
                let call = approval_call(run, asked.tenant.as_str(), asked.redrives, &ask);
                match self.act(APPROVAL, &call, ASKING, cx).await {
                    // Asked. What was decided comes by itself.
                    Ok(_) => None,
                    failed => Some(signal(instance, attempt, failed)),
                }
            }
            Command::Wake { instance, attempt, .. } => Some(Signal::Due { instance, attempt }),
        }
    }

    /// Calls the action. An error is its name, and what went wrong.
    async fn act(&self, name: &str, call: &Value, timeout: Duration, cx: &Context) -> Result<Value, (String, String)> {
        let Some(action) = self.actions.get(name) else {
            return Err((
                permanent(),
                format!("action-off: there is no action `{name}` here; its channel isn't configured"),
            ));
        };
        let (until, call) = (later(cx.now(), timeout), call.to_string());
        // It ends by itself then, and settles what it was at.
        let limits = Limits { stop: Stop::never(), until: Some(until) };
        let took_too_long = || (TIMEOUT.to_owned(), format!("it took longer than {} seconds", timeout.as_secs()));
        select_biased! {
            done = action.act(&call, &limits).fuse() => match done {
                Ok(output) => serde_json::to_value(output).map_err(|error| (permanent(), error.to_string())),
                Err(_) if cx.now() >= until => Err(took_too_long()),
                Err(error) => Err((error.kind.name().to_owned(), error.to_string())),
            },
            () = cx.clock().sleep(timeout.saturating_add(MARGIN)).fuse() => Err(took_too_long()),
        }
    }
}

fn permanent() -> String {
    ActionErrorKind::Permanent.name().to_owned()
}

fn signal(instance: Instance, attempt: u32, done: Result<Value, (String, String)>) -> Signal {
    match done {
        Ok(output) => Signal::Done { instance, attempt, output },
        Err((error, cause)) => Signal::Failed { instance, attempt, error, cause },
    }
}

/// What the action `approval` is called with.
#[must_use]
pub fn approval_call(run: &str, tenant: &str, redrives: u32, ask: &AskCommand) -> Value {
    json!({
        "action": APPROVAL,
        "idempotency_key": ask.instance.idempotency_key(run),
        "redrive": redrives,
        "tenant": tenant,
        "run": run,
        "instance": ask.instance,
        "approvers": ask.approvers,
        "title": ask.title,
        "text": ask.text,
        "deadline": ask.deadline,
    })
}
