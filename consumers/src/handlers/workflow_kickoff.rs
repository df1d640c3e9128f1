//! Starts the workflow of an app for each new submission.

use std::sync::Arc;

use sendoff_events::{AppId, Envelope, EventId, SubmissionCreated, TenantId};
use sendoff_producers::{
    Lookup,
    model::{App, AppWorkflow, app_key},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::look_up;
use crate::{Classify, Context, Handler, HandlerError, NewRun, SendOutcome, WorkflowError, Workflows};

/// Starts a run of the app's workflow. Starting is idempotent by the run's name, so it may be repeated.
pub struct WorkflowKickoff {
    /// Where apps are looked up.
    pub records: Arc<dyn Lookup>,
    /// The records themselves, never a copy: asked once more before nothing is started, which is for good. May be the same as
    /// `records` where that remembers nothing.
    pub authoritative: Arc<dyn Lookup>,
    /// What runs workflows.
    pub workflows: Arc<dyn Workflows>,
}

impl Handler for WorkflowKickoff {
    type Event = SubmissionCreated;

    const NAME: &'static str = "workflow-kickoff";

    async fn handle(&self, event: &Envelope<SubmissionCreated>, cx: &Context) -> Result<(), HandlerError> {
        let (header, data) = (&event.header, &event.data);
        let Some(workflow) = self.workflow(&header.tenant, &data.app_id).await? else { return Ok(()) };
        let run = NewRun {
            name: run_name(header.id, &workflow),
            tenant: header.tenant.clone(),
            // Nothing in it may change between two deliveries of the event.
            input: json!({
                "event_id": header.id,
                "app_id": data.app_id,
                "submission_id": data.submission_id,
                "author_id": data.author_id,
                "revision": data.revision,
            }),
            workflow: workflow.name,
            version: workflow.version,
            steps: workflow.steps,
        };
        self.start(&run).await?;
        // For the ledger: what this event has started.
        let started = SendOutcome::Sent { provider: None, provider_id: Some(run.name) };
        cx.once("run", |_| async { started }).await.map(drop)
    }
}

impl WorkflowKickoff {
    /// The app's workflow, if it has one. An app that `records` knows without one, or not at all, may have just got it.
    async fn workflow(&self, tenant: &TenantId, app: &AppId) -> Result<Option<AppWorkflow>, HandlerError> {
        let found = look_up::find::<App>(&*self.records, &app_key(tenant, app)).await?;
        match found.and_then(|app| app.workflow) {
            None => Ok(look_up::app(&*self.authoritative, tenant, app).await?.workflow),
            found => Ok(found),
        }
    }

    async fn start(&self, run: &NewRun) -> Result<(), HandlerError> {
        match self.workflows.start(run).await {
            Ok(_) => Ok(()),
            Err(conflict @ WorkflowError::Conflict { .. }) => {
                let found = self.workflows.get(&run.name).await.or_snooze()?;
                // An earlier delivery started it, and the app has a newer version of the workflow since. A run keeps its own.
                let started_before = found.is_some_and(|found| {
                    let found = found.started;
                    (found.tenant, found.workflow, found.input)
                        == (run.tenant.clone(), run.workflow.clone(), run.input.clone())
                });
                if started_before { Ok(()) } else { Err(conflict).or_reject("run-conflict") }
            }
            Err(unavailable @ WorkflowError::Unavailable(_)) => Err(unavailable).or_snooze(),
        }
    }
}

/// The same for the same event and workflow; at most 73 characters of those that Step Functions allows.
fn run_name(event: EventId, workflow: &AppWorkflow) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let readable: String = workflow.name.chars().filter(fits).take(40).collect();
    let digest = Sha256::digest(format!("{event}/{}", workflow.name));
    let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{readable}-{digest}")
}
