//! Runs carried out by ourselves: the state machine of `sendoff_workflows`, over a store for runs.

mod change;
mod locks;
mod plans;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sendoff_events::{BoxFuture, Clock, Rng, TenantId, Timestamp, at_millis};
use sendoff_producers::{
    Lookup, ReadError,
    model::{Approval, approval_key, load},
};
use sendoff_workflows::{
    Plan, Published,
    engine::{self, Command, Failure, Instance, RunState, Signal, Turn},
};

pub(super) use self::plans::{Plans, published};
use self::{change::change, locks::Locks};
use super::{
    Decided, HistoryPage, NewRun, Run, RunFilter, RunPage, Runs, RunsError, Started, StoredRun, Stranded,
    WorkflowError, Workflows, decision,
};

/// What the engine works with.
#[derive(Clone)]
pub struct EnginePorts {
    /// Where runs are kept.
    pub runs: Arc<dyn Runs>,
    /// Where the published versions stand, and what was decided: the records themselves, never a copy.
    pub records: Arc<dyn Lookup>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// [`Workflows`], carried out by ourselves. Messages of the queue [`WORKFLOW_STEPS`](super::WORKFLOW_STEPS) carry the runs on,
/// which [`WorkflowSteps`](super::WorkflowSteps) handles.
pub struct EngineWorkflows {
    ports: EnginePorts,
    plans: Plans,
    locks: Locks,
}

/// Something that a run waits for.
pub(super) struct Asked {
    /// Whose run it is.
    pub(super) tenant: TenantId,
    /// How often the run was taken up again.
    pub(super) redrives: u32,
    /// What is to be done.
    pub(super) command: Command,
}

impl EngineWorkflows {
    /// No plan is read before it is needed.
    #[must_use]
    pub fn new(ports: EnginePorts) -> Self {
        let plans = Plans::new(ports.records.clone());
        Self { ports, plans, locks: Locks::default() }
    }

    /// Tells a run what has happened. Gives whether that changed it: what is repeated or comes late does not, and neither does
    /// what is said to a run that isn't there.
    pub(super) async fn tell(&self, name: &str, signal: Signal) -> Result<bool, WorkflowError> {
        // Nobody else in this process changes the run meanwhile; another process may.
        let _lock = self.locks.of(name).await;
        while let Some(stored) = self.ports.runs.load(name).await? {
            let plan = self.plan(&stored.run.started).await?;
            let mut jitter = || self.ports.rng.next_u64() as f64 / u64::MAX as f64;
            let turn = engine::advance(&plan, state(&stored)?, &signal, self.now(), &mut jitter);
            // Whatever changes a run has a place in its history.
            if turn.history.is_empty() {
                return match turn.commands.first() {
                    None => Ok(false),
                    // A clock was set back. The same message comes again: another of its name isn't sent while it is held.
                    Some(early) => Err(WorkflowError::Unavailable(format!("it isn't due before {}", early.due()))),
                };
            }
            let change = change(&stored.run.started, turn, &self.ports)?;
            if self.ports.runs.commit(name, stored.revision, change).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the run waits for at this attempt, if it still does.
    pub(super) async fn asked(
        &self,
        name: &str,
        instance: &Instance,
        attempt: u32,
    ) -> Result<Option<Asked>, WorkflowError> {
        let Some(stored) = self.ports.runs.load(name).await? else { return Ok(None) };
        let (plan, state) = (self.plan(&stored.run.started).await?, state(&stored)?);
        let command = engine::outstanding(&plan, &state, instance, attempt);
        let (tenant, redrives) = (stored.run.started.tenant, state.redrives());
        Ok(command.map(|command| Asked { tenant, redrives, command }))
    }

    /// What was decided of a question whose time is over, as the run is to be told it. The event that tells of it may be on its way
    /// still, behind many others, and whoever has decided in time was told that it counts.
    pub(super) async fn decided(
        &self,
        name: &str,
        instance: &Instance,
        attempt: u32,
    ) -> Result<Option<Signal>, WorkflowError> {
        let Some(Asked { tenant, command: Command::Ask(_), .. }) = self.asked(name, instance, attempt).await? else {
            return Ok(None);
        };
        let key = approval_key(&tenant, name, &instance.to_string());
        let found = load::<Approval>(&*self.ports.records, &key).await?;
        Ok(found.and_then(|(approval, _)| approval.decision).map(|decided| Signal::Decided {
            instance: instance.clone(),
            decision: decision(decided.decision),
            by: decided.by.to_string(),
            comment: decided.comment.map(|comment| comment.expose().clone()),
            at: decided.at,
        }))
    }

    /// Sends the messages again that carry a running run on, where there are none any more: somebody has taken them away. To be
    /// called at a start. Gives how many runs it has found.
    ///
    /// # Errors
    ///
    /// [`WorkflowError`], when runs can't be read or written.
    pub async fn pick_up(&self) -> Result<usize, WorkflowError> {
        let (mut found, mut after) = (0, None::<String>);
        loop {
            let Stranded { runs, next } = self.ports.runs.stranded(after.as_deref(), PAGE).await?;
            for name in runs {
                match self.send_again(&name).await {
                    Ok(sent) => found += usize::from(sent),
                    Err(error @ WorkflowError::Unavailable(_)) => return Err(error),
                    // One that can't be understood mustn't keep the others, and all that is served beside them, from going on.
                    Err(error) => {
                        tracing::error!(run = name, %error, "a run that nothing carries on can't be picked up")
                    }
                }
            }
            after = next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    async fn send_again(&self, name: &str) -> Result<bool, WorkflowError> {
        let Some(stored) = self.ports.runs.load(name).await? else { return Ok(false) };
        let (plan, state) = (self.plan(&stored.run.started).await?, state(&stored)?);
        let commands = engine::pending(&plan, &state);
        let turn = Turn { state, commands, history: Vec::new() };
        let change = change(&stored.run.started, turn, &self.ports)?;
        Ok(self.ports.runs.commit(name, stored.revision, change).await?)
    }

    async fn found(&self, new: &NewRun) -> Result<Option<Started>, WorkflowError> {
        match self.ports.runs.load(&new.name).await? {
            None => Ok(None),
            Some(found) if found.run.started.is_same(new) => Ok(Some(Started::Already)),
            Some(_) => Err(WorkflowError::Conflict { name: new.name.clone() }),
        }
    }

    /// The plan that the run follows.
    async fn plan(&self, run: &NewRun) -> Result<Arc<Plan>, WorkflowError> {
        self.plans.of(&run.tenant, &run.app, &run.workflow, run.version).await
    }

    fn now(&self) -> Timestamp {
        at_millis(self.ports.clock.now())
    }
}

/// How many runs are looked at at a time.
const PAGE: usize = 500;

/// What the run remembers.
fn state(stored: &StoredRun) -> Result<RunState, WorkflowError> {
    let unusable = |error| WorkflowError::Unusable(format!("run `{}` can't be read: {error}", stored.run.started.name));
    serde_json::from_str(&stored.state).map_err(unusable)
}

impl Workflows for EngineWorkflows {
    fn publish<'a>(&'a self, _: &'a TenantId, published: &'a Published) -> BoxFuture<'a, Result<(), WorkflowError>> {
        // The records hold it; that it can be carried out is all there is to see to.
        Box::pin(async { plans::plan(published).map(drop) })
    }

    fn start<'a>(&'a self, new: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        Box::pin(async move {
            if let Some(started) = self.found(new).await? {
                return Ok(started);
            }
            let plan: Arc<Plan> = self.plan(new).await?;
            let turn = engine::start(&plan, &new.name, &new.input, self.now());
            let refused = |failure: Failure| WorkflowError::Unusable(format!("{}: {}", failure.error, failure.cause));
            let change = change(new, turn.map_err(refused)?, &self.ports)?;
            if self.ports.runs.create(new, change).await? {
                return Ok(Started::New);
            }
            let lost = || WorkflowError::Unavailable(format!("run `{}` was there and is gone", new.name));
            self.found(new).await?.ok_or_else(lost)
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        Box::pin(async move { Ok(self.ports.runs.load(name).await?.map(|stored| stored.run)) })
    }

    fn history<'a>(
        &'a self,
        name: &'a str,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<HistoryPage, WorkflowError>> {
        Box::pin(async move { Ok(self.ports.runs.history(name, after, limit).await?) })
    }

    fn list<'a>(
        &'a self,
        filter: &'a RunFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<RunPage, WorkflowError>> {
        Box::pin(async move { Ok(self.ports.runs.list(filter, after, limit).await?) })
    }

    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(self.tell(name, Signal::Stop))
    }

    fn redrive<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(self.tell(name, Signal::Redrive))
    }

    fn decide<'a>(&'a self, decided: &'a Decided) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        let Decided { run, instance, decision, by, comment, at } = decided.clone();
        Box::pin(async move { self.tell(&run, Signal::Decided { instance, decision, by, comment, at }).await })
    }
}

impl From<ReadError> for WorkflowError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(why) => Self::Unavailable(why),
            damaged @ ReadError::Damaged { .. } => Self::Unusable(damaged.to_string()),
        }
    }
}

impl From<RunsError> for WorkflowError {
    fn from(error: RunsError) -> Self {
        match error {
            RunsError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
