//! Starting runs: what happens is compared with what the workflows of its app wait for.

mod input;
mod schedule;
mod start;
#[cfg(test)]
mod tests;

use std::{marker::PhantomData, sync::Arc};

use sendoff_events::{
    ApprovalDecided, Envelope, Event, Header, SubmissionCreated, SubmissionUpdated, WorkflowPublished,
    WorkflowRequested,
};
use sendoff_producers::{
    Lookup,
    model::{TriggerKind, WorkflowVersion, workflow_version_key},
};

use super::{
    Decided, Workflows, decision,
    engine::{Plans, published},
};
use crate::{Classify as _, Context, Handler, HandlerError, Router, RouterError, Schedules, handlers::look_up};

/// The consumer's name.
pub const KICKOFF: &str = "workflow-kickoff";

/// Starts runs of the workflows that an event is about. Starting is idempotent by the run's name, which is made of the event's id,
/// so all of it may be repeated.
pub struct Kickoff {
    /// The records themselves, never a copy: what isn't started for want of news is never started.
    authoritative: Arc<dyn Lookup>,
    workflows: Arc<dyn Workflows>,
    schedules: Arc<dyn Schedules>,
    plans: Plans,
}

impl Kickoff {
    /// Starts runs in `workflows`. Apps are looked up in `authoritative`, the records themselves; `schedules` hold what is started by
    /// the clock.
    #[must_use]
    pub fn new(authoritative: Arc<dyn Lookup>, workflows: Arc<dyn Workflows>, schedules: Arc<dyn Schedules>) -> Self {
        let plans = Plans::new(authoritative.clone());
        Self { authoritative, workflows, schedules, plans }
    }
}

/// The router with the consumer `workflow-kickoff`.
///
/// # Errors
///
/// [`RouterError`] when that consumer has a handler for the same events already.
pub fn with_workflows(router: Router, kickoff: Kickoff) -> Result<Router, RouterError> {
    let kickoff = Arc::new(kickoff);
    router
        .with(On::<SubmissionCreated>::of(&kickoff))?
        .with(On::<SubmissionUpdated>::of(&kickoff))?
        .with(On::<WorkflowRequested>::of(&kickoff))?
        .with(On::<WorkflowPublished>::of(&kickoff))?
        .with(On::<ApprovalDecided>::of(&kickoff))
}

/// What is done on events of one type.
struct On<E> {
    kickoff: Arc<Kickoff>,
    event: PhantomData<fn() -> E>,
}

impl<E> On<E> {
    fn of(kickoff: &Arc<Kickoff>) -> Self {
        Self { kickoff: kickoff.clone(), event: PhantomData }
    }
}

/// An event that is something to workflows.
trait Cause: Event {
    fn happened(
        kickoff: &Kickoff,
        header: &Header,
        data: &Self,
        cx: &Context,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

impl<E: Cause> Handler for On<E> {
    type Event = E;

    const NAME: &'static str = KICKOFF;

    async fn handle(&self, event: &Envelope<E>, cx: &Context) -> Result<(), HandlerError> {
        E::happened(&self.kickoff, &event.header, &event.data, cx).await
    }
}

impl Cause for SubmissionCreated {
    async fn happened(kickoff: &Kickoff, header: &Header, data: &Self, cx: &Context) -> Result<(), HandlerError> {
        kickoff.submitted(TriggerKind::Created, header, &data.app_id, &data.submission_id, cx).await
    }
}

impl Cause for SubmissionUpdated {
    async fn happened(kickoff: &Kickoff, header: &Header, data: &Self, cx: &Context) -> Result<(), HandlerError> {
        kickoff.submitted(TriggerKind::Updated, header, &data.app_id, &data.submission_id, cx).await
    }
}

impl Cause for WorkflowRequested {
    async fn happened(kickoff: &Kickoff, header: &Header, data: &Self, cx: &Context) -> Result<(), HandlerError> {
        match data.scheduled_by {
            Some(version) => kickoff.came_round(header, data, version, cx).await,
            None => kickoff.requested(header, data, cx).await,
        }
    }
}

impl Cause for WorkflowPublished {
    async fn happened(kickoff: &Kickoff, header: &Header, data: &Self, cx: &Context) -> Result<(), HandlerError> {
        let Self { app_id, workflow, version } = data;
        let key = workflow_version_key(&header.tenant, app_id, workflow, *version);
        let found = look_up::find::<WorkflowVersion>(&*kickoff.authoritative, &key).await?;
        let found = found.ok_or_else(|| format!("there is no version {version} of `{workflow}`"));
        let published = published(found.or_reject("version-missing")?, app_id, workflow, *version);
        super::judge(kickoff.workflows.publish(&header.tenant, &published).await)?;
        kickoff.schedule(header, data, cx).await
    }
}

impl Cause for ApprovalDecided {
    async fn happened(kickoff: &Kickoff, header: &Header, data: &Self, _: &Context) -> Result<(), HandlerError> {
        let decided = Decided {
            run: data.run.clone(),
            instance: data.instance.parse().or_reject("bad-instance")?,
            decision: decision(data.decision),
            by: data.by.to_string(),
            comment: data.comment.as_ref().map(|comment| comment.expose().clone()),
            at: header.time,
        };
        let was_waiting = super::judge(kickoff.workflows.decide(&decided).await)?;
        if !was_waiting {
            tracing::info!(
                run = data.run,
                instance = data.instance,
                "the run doesn't wait for this decision (any more)"
            );
        }
        Ok(())
    }
}
