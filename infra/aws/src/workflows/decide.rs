//! Telling a run what was decided.

use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;
use sendoff_consumers::{Decided, WorkflowError};
use sendoff_producers::{
    ReadError,
    model::{Approval, approval_key, load},
};
use serde_json::json;

use super::{SfnWorkflows, failed, register::Register, unavailable};
use crate::CallError;

impl SfnWorkflows {
    pub(super) async fn tell(&self, decided: &Decided) -> Result<bool, WorkflowError> {
        let Decided { run, instance, decision, by, comment, at } = decided;
        let Some(entry) = Register::of(&self.store).run(run).await? else { return Ok(false) };
        let key = approval_key(&entry.tenant, run, &instance.to_string());
        let approval = load::<Approval>(&*self.store.records(), &key).await.map_err(|error| match error {
            ReadError::Unavailable(_) => unavailable(&error),
            ReadError::Damaged { .. } => WorkflowError::Unusable(error.to_string()),
        })?;
        let Some(token) = approval.and_then(|(approval, _)| approval.token) else { return Ok(false) };
        let output = json!({ "decision": decision.name(), "by": by, "comment": comment, "at": format!("{at:.3}") });
        let send = self.store.aws.sfn().send_task_success().task_token(token.expose()).output(output.to_string());
        match send.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                // Decided before, too late, or the run was stopped.
                Some(SendTaskSuccessError::TaskTimedOut(_) | SendTaskSuccessError::TaskDoesNotExist(_)) => Ok(false),
                _ => Err(failed(CallError::of("states:SendTaskSuccess", format!("{run}/{instance}"), &error))),
            },
        }
    }
}
