//! Publishing: a version of a workflow becomes a version of its state machine.

use aws_sdk_sfn::{
    operation::{create_state_machine::CreateStateMachineError, update_state_machine::UpdateStateMachineError},
    types::{StateMachineType, Tag},
};
use sendoff_consumers::WorkflowError;
use sendoff_events::{TenantId, WorkflowId};
use sendoff_workflows::{
    Published,
    asl::{Functions, Output, compile, functions_of},
};

use super::{
    SfnWorkflows, failed,
    register::{Put, Register, Version},
    unavailable,
};
use crate::CallError;

/// What is done where a machine has as many versions as it may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    /// Old ones that no run needs are deleted.
    MakeRoom,
    GiveUp,
}

impl SfnWorkflows {
    pub(super) async fn publish_version(&self, tenant: &TenantId, new: &Published) -> Result<(), WorkflowError> {
        let workflow: WorkflowId = new.workflow.parse().map_err(|error| {
            WorkflowError::Unusable(format!("`{}` is no name of a workflow: {error}", new.workflow))
        })?;
        let machine = self.store.machine_name(tenant, &new.app, &workflow);
        let register = Register::of(&self.store);
        let stands = register.version(&machine, new.version).await?;
        if let Some(stands) = &stands {
            same(new, stands)?;
            if self.is_there(&stands.arn).await? {
                return Ok(());
            }
        }
        let definition = definition(new, &self.store.resources.functions)?;
        let arn = self.make(tenant, new, &machine, &definition).await?;
        let version = Version { arn, sha256: new.sha256.clone() };
        match register.publish(&machine, new.version, &version, stands.as_ref()).await? {
            Put::Ours => Ok(()),
            // Somebody else has published it at the same time. Nobody will ever start ours.
            Put::Theirs(theirs) => same(new, &theirs),
        }
    }

    /// Makes a version of the machine; gives its ARN.
    async fn make(
        &self,
        tenant: &TenantId,
        new: &Published,
        machine: &str,
        definition: &str,
    ) -> Result<String, WorkflowError> {
        let arn = self.store.machine_arn(machine);
        if let Some(version) = self.update(new, &arn, definition, Full::MakeRoom).await? {
            return Ok(version);
        }
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let create = self.store.aws.sfn().create_state_machine().name(machine).definition(definition);
        let create = create
            .role_arn(&self.store.resources.runs_role_arn)
            .r#type(StateMachineType::Standard)
            .publish(true)
            .version_description(description(new))
            .tags(tag("sendoff:tenant", tenant.as_str()))
            .tags(tag("sendoff:app", new.app.as_str()))
            .tags(tag("sendoff:workflow", &new.workflow));
        match create.send().await {
            Ok(made) => made.state_machine_version_arn.ok_or_else(|| no_version(&arn)),
            Err(error) => match error.as_service_error() {
                // Made in between by somebody else who publishes.
                Some(CreateStateMachineError::StateMachineAlreadyExists(_)) => {
                    let version = self.update(new, &arn, definition, Full::GiveUp).await?;
                    version.ok_or_else(|| unavailable(format!("state machine `{machine}` is being deleted")))
                }
                _ => Err(failed(CallError::of("states:CreateStateMachine", arn, &error))),
            },
        }
    }

    /// Makes a version of the machine if that is there.
    async fn update(
        &self,
        new: &Published,
        arn: &str,
        definition: &str,
        full: Full,
    ) -> Result<Option<String>, WorkflowError> {
        let update = self.store.aws.sfn().update_state_machine().state_machine_arn(arn).definition(definition);
        let update =
            update.role_arn(&self.store.resources.runs_role_arn).publish(true).version_description(description(new));
        match update.send().await {
            Ok(made) => made.state_machine_version_arn.map(Some).ok_or_else(|| no_version(arn)),
            Err(error) => match error.as_service_error() {
                Some(UpdateStateMachineError::StateMachineDoesNotExist(_)) => Ok(None),
                Some(UpdateStateMachineError::ServiceQuotaExceededException(_)) if full == Full::MakeRoom => {
                    self.make_room(arn).await?;
                    Box::pin(self.update(new, arn, definition, Full::GiveUp)).await
                }
                _ => Err(failed(CallError::of("states:UpdateStateMachine", arn, &error))),
            },
        }
    }

    /// Whether the version is still there: nobody but a person deletes one.
    async fn is_there(&self, version: &str) -> Result<bool, WorkflowError> {
        match self.store.aws.sfn().describe_state_machine().state_machine_arn(version).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|told| told.is_state_machine_does_not_exist()) => {
                Ok(false)
            }
            Err(error) => Err(failed(CallError::of("states:DescribeStateMachine", version, &error))),
        }
    }
}

/// The state machine as text.
fn definition(new: &Published, functions: &Functions) -> Result<String, WorkflowError> {
    let unusable = |why: String| {
        let name = format!("version {} of workflow `{}` of app `{}`", new.version, new.workflow, new.app);
        WorkflowError::Unusable(format!("{name} can't be published: {why}"))
    };
    let plan = new.plan().map_err(|problems| unusable(problems.to_string()))?;
    let mut machine = compile(&plan, functions, Output::Nothing).map_err(|problems| unusable(problems.to_string()))?;
    if functions_of(&machine).iter().any(String::is_empty) {
        let mut named: Vec<_> = functions.actions.keys().map(|action| action.name()).collect();
        if !functions.steps.is_empty() {
            named.push("steps");
        }
        let there = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        return Err(unusable(format!(
            "it has steps that no function carries out here. SENDOFF_FUNCTIONS names these: {there}"
        )));
    }
    let comment = machine["Comment"].as_str().unwrap_or_default();
    machine["Comment"] = format!("{comment}, version {}, sha256 {}", new.version, new.sha256).into();
    Ok(machine.to_string())
}

fn description(new: &Published) -> String {
    format!("version {}, sha256 {}", new.version, new.sha256)
}

/// Whether what stands there is what is published again: a number is never given twice.
fn same(new: &Published, stands: &Version) -> Result<(), WorkflowError> {
    if stands.sha256 == new.sha256 {
        return Ok(());
    }
    let Published { app, workflow, version, sha256, .. } = new;
    Err(WorkflowError::Unusable(format!(
        "version {version} of workflow `{workflow}` of app `{app}` was published with another definition (sha256 {}, now \
         {sha256}): publish this one under a number of its own",
        stands.sha256
    )))
}

fn no_version(arn: &str) -> WorkflowError {
    unavailable(format!("Step Functions made no version of `{arn}`"))
}
