//! Which workflows an event starts, and starting them.

use sendoff_events::{AppId, EventId, Header, SubmissionId, WorkflowId, WorkflowRequested};
use sendoff_producers::model::{
    ActiveWorkflow, Submission, TriggerKind, WorkflowVersion, submission_key, workflow_version_key,
};
use sendoff_workflows::{Plan, engine::MAX_WORK, plan::Trigger};
use sha2::{Digest as _, Sha256};

use super::{
    Kickoff,
    input::{Given, input},
};
use crate::{
    Classify as _, Context, HandlerError, Once, SendOutcome,
    handlers::look_up,
    join_outcomes, load,
    workflows::{NewRun, WorkflowError, engine::published, judge},
};

impl Kickoff {
    /// A submission was made or changed: starts all workflows that wait for that.
    pub(super) async fn submitted(
        &self,
        kind: TriggerKind,
        header: &Header,
        app: &AppId,
        submission: &SubmissionId,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let workflows = self.waiting(kind, header, app).await?;
        if workflows.is_empty() {
            return Ok(());
        }
        let key = submission_key(&header.tenant, app, submission);
        let submission = look_up::find::<Submission>(&*self.authoritative, &key).await?;
        let submission = submission.ok_or("the submission doesn't exist (any more)").or_reject("submission-missing")?;
        let mut outcomes = Vec::new();
        for workflow in workflows {
            // One that can't be started keeps no other from it.
            outcomes.push(self.start(kind, header, app, &workflow, Some(&submission), cx).await);
        }
        join_outcomes(outcomes)
    }

    /// Somebody asked for a run.
    pub(super) async fn requested(
        &self,
        header: &Header,
        data: &WorkflowRequested,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let waiting = self.waiting(TriggerKind::Manual, header, &data.app_id).await?;
        let workflow = waiting.into_iter().find(|workflow| workflow.name == data.workflow);
        let workflow = workflow
            .ok_or_else(|| format!("the app has no workflow `{}` that can be asked for", data.workflow))
            .or_reject("workflow-off")?;
        let submission = match &data.submission_id {
            None => None,
            Some(id) => {
                let key = submission_key(&header.tenant, &data.app_id, id);
                let found = look_up::find::<Submission>(&*self.authoritative, &key).await?;
                Some(found.ok_or("the submission doesn't exist (any more)").or_reject("submission-missing")?)
            }
        };
        self.start(TriggerKind::Manual, header, &data.app_id, &workflow, submission.as_ref(), cx).await.map(drop)
    }

    /// The app's workflows that wait for this, as they are now: what a copy doesn't know yet would never be started.
    pub(super) async fn waiting(
        &self,
        kind: TriggerKind,
        header: &Header,
        app: &AppId,
    ) -> Result<Vec<ActiveWorkflow>, HandlerError> {
        let app = look_up::app(&*self.authoritative, &header.tenant, app).await?;
        Ok(app.workflows.into_iter().filter(|workflow| workflow.on.contains(&kind)).collect())
    }

    /// Starts a run of the workflow, if the condition of one of its triggers holds.
    pub(super) async fn start(
        &self,
        kind: TriggerKind,
        header: &Header,
        app: &AppId,
        workflow: &ActiveWorkflow,
        submission: Option<&Submission>,
        cx: &Context,
    ) -> Result<Once, HandlerError> {
        let ActiveWorkflow { name, version, .. } = workflow;
        let plan = judge(self.plans.of(&header.tenant, app, name, *version).await)?;
        let given = submission.map(|found| found.fields.clone()).unwrap_or_default();
        let fields = plan.input_fields(&given).or_reject("bad-input")?;
        let input = input(word(kind), header, (name.as_str(), *version), submission, fields);
        let run = load::run_name(header, run_name(header.id, name));
        let given = Given::new(&input, cx.now());
        let holds = holds(&plan, kind, &given);
        if !given.was_enough() {
            let why = format!("the condition of `{name}` makes values of more than {MAX_WORK} bytes on the way");
            return Err(why).or_reject("bad-input");
        }
        // An earlier delivery may have started it, and the submission was changed since.
        if !holds && judge(self.workflows.get(&run).await)?.is_none() {
            return cx.skip(name.as_str(), "its condition doesn't hold");
        }
        let run = NewRun {
            name: run,
            tenant: header.tenant.clone(),
            app: app.clone(),
            workflow: name.clone(),
            version: *version,
            input,
        };
        self.begin(&run).await?;
        // For the ledger: what this event has started.
        let started = SendOutcome::Sent { provider: None, provider_id: Some(run.name) };
        cx.once(name.as_str(), |_| async { started }).await
    }

    pub(super) async fn begin(&self, run: &NewRun) -> Result<(), HandlerError> {
        let mut started = self.workflows.start(run).await;
        if let Err(WorkflowError::NotPublished { .. }) = started {
            // The event that tells of the version may be on its way still.
            let key = workflow_version_key(&run.tenant, &run.app, &run.workflow, run.version);
            if let Some(found) = look_up::find::<WorkflowVersion>(&*self.authoritative, &key).await? {
                let published = published(found, &run.app, &run.workflow, run.version);
                judge(self.workflows.publish(&run.tenant, &published).await)?;
                started = self.workflows.start(run).await;
                if let Err(unseen @ WorkflowError::NotPublished { .. }) = started {
                    // What was published just now can't be seen everywhere yet.
                    return Err(unseen).or_snooze();
                }
            }
        }
        let Err(conflict @ WorkflowError::Conflict { .. }) = started else { return judge(started).map(drop) };
        let found = judge(self.workflows.get(&run.name).await)?;
        // An earlier delivery of the event started it; the app has a newer version of the workflow since, or the submission was
        // changed. A run keeps its own.
        let is_ours = found.is_some_and(|found| {
            let found = found.started;
            (&found.tenant, &found.app, &found.workflow, &found.input["trigger"])
                == (&run.tenant, &run.app, &run.workflow, &run.input["trigger"])
        });
        if is_ours { Ok(()) } else { Err(conflict).or_reject("run-conflict") }
    }
}

/// Whether one of the triggers of this kind lets it through.
fn holds(plan: &Plan, kind: TriggerKind, given: &Given<'_>) -> bool {
    let when = plan.triggers.iter().filter_map(|trigger| match (trigger, kind) {
        (Trigger::Created { when }, TriggerKind::Created) | (Trigger::Updated { when }, TriggerKind::Updated) => {
            Some(when.as_ref())
        }
        (Trigger::Schedule(_), TriggerKind::Schedule) | (Trigger::Manual, TriggerKind::Manual) => Some(None),
        _ => None,
    });
    when.into_iter().any(|when| when.is_none_or(|when| when.holds(given)))
}

/// The kind's name, as it stands in the input.
const fn word(kind: TriggerKind) -> &'static str {
    match kind {
        TriggerKind::Created => "created",
        TriggerKind::Updated => "updated",
        TriggerKind::Schedule => "schedule",
        TriggerKind::Manual => "manual",
    }
}

/// The same for the same event and workflow; at most 73 characters of those that Step Functions allows, which leaves room for the
/// mark of a load test.
fn run_name(event: EventId, workflow: &WorkflowId) -> String {
    let digest = Sha256::digest(format!("{event}/{workflow}"));
    let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{workflow}-{digest}")
}
