//! A stack of CloudFormation: made, waited for, and deleted.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_cloudformation::{
    error::SdkError,
    operation::describe_stacks::DescribeStacksError,
    types::{Capability, OnFailure, ResourceStatus, Stack as Described, StackEvent, StackStatus},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use sendoff_events::{Clock, Timestamp};
use sendoff_workflows::{asl::Functions, plan::Action};

use super::{TemplateError, subset};
use crate::{Aws, CallError, Resources};

/// How long a stack may take. On AWS it is two minutes or so.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How long the first pause between two looks is, and the longest: an emulator is done at once, AWS isn't.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The consumer by whose queue's URL those of all others are known.
const A_CONSUMER: &str = "email";

/// The stack can't be made or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// The template is wrong.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// CloudFormation can't be reached, or refuses.
    #[error(transparent)]
    Call(#[from] CallError),
    /// One of its resources can't be made or deleted.
    #[error("the stack `{stack}` ended as {status}: {kind} `{resource}` failed: {reason}")]
    Resource {
        /// The stack's name.
        stack: String,
        /// The stack's status.
        status: String,
        /// The resource's type, such as `AWS::SQS::Queue`.
        kind: String,
        /// Its name in the template.
        resource: String,
        /// What CloudFormation said.
        reason: String,
    },
    /// It takes too long.
    #[error("the stack `{stack}` is still {status} after {} s; look at it in CloudFormation", .after.as_secs())]
    Slow {
        /// The stack's name.
        stack: String,
        /// Where it stands.
        status: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It was made, and doesn't tell all of its names.
    #[error("the stack `{stack}` has no output `{output}`")]
    Output {
        /// The stack's name.
        stack: String,
        /// The output.
        output: &'static str,
    },
}

/// A stack that holds the data of one system.
pub struct Stack {
    aws: Aws,
    name: String,
    clock: Arc<dyn Clock>,
}

impl Stack {
    /// The stack of this name: 1 to 64 letters, digits and hyphens, a letter first, as its bucket's and queues' names begin
    /// with it. Nothing is called yet.
    #[must_use]
    pub fn new(aws: Aws, name: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { aws, name: name.into(), clock }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes it, and waits until all is there; gives the names of its resources. What a failure leaves behind stays for
    /// [`delete`](Self::delete).
    ///
    /// # Errors
    ///
    /// [`ProvisionError`].
    pub async fn create(&self) -> Result<Resources, ProvisionError> {
        let template = subset::data()?.to_string();
        let create = self.aws.cloudformation().create_stack().stack_name(&self.name).template_body(template);
        create
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .client_request_token(&self.name)
            .on_failure(OnFailure::DoNothing)
            .send()
            .await
            .map_err(|error| CallError::of("cloudformation:CreateStack", &self.name, &error))?;
        match self.settled().await? {
            Some(stack) if stack.stack_status() == Some(&StackStatus::CreateComplete) => self.resources(&stack),
            stack => Err(self.failure(&status(stack.as_ref()), &ResourceStatus::CreateFailed).await),
        }
    }

    /// Deletes it with all that it holds, and waits until it is gone. One that isn't there is gone already.
    ///
    /// # Errors
    ///
    /// [`ProvisionError`]; what is left of it then is named.
    pub async fn delete(&self) -> Result<(), ProvisionError> {
        let deleted = self.aws.cloudformation().delete_stack().stack_name(&self.name).send().await;
        deleted.map_err(|error| CallError::of("cloudformation:DeleteStack", &self.name, &error))?;
        match self.settled().await? {
            None => Ok(()),
            Some(stack) if stack.stack_status() == Some(&StackStatus::DeleteComplete) => Ok(()),
            stack => Err(self.failure(&status(stack.as_ref()), &ResourceStatus::DeleteFailed).await),
        }
    }

    /// The stack once nothing is in progress; `None` if it isn't there.
    async fn settled(&self) -> Result<Option<Described>, ProvisionError> {
        let deadline = self.clock.now().saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
        let (mut pause, longest) = PAUSES;
        loop {
            let stack = self.describe().await?;
            let status = status(stack.as_ref());
            if !status.ends_with("_IN_PROGRESS") {
                return Ok(stack);
            }
            if self.clock.now() >= deadline {
                return Err(ProvisionError::Slow { stack: self.name.clone(), status, after: PATIENCE });
            }
            self.clock.sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }

    async fn describe(&self) -> Result<Option<Described>, CallError> {
        match self.aws.cloudformation().describe_stacks().stack_name(&self.name).send().await {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(CallError::of("cloudformation:DescribeStacks", &self.name, &error)),
        }
    }

    /// The resource that failed first: what failed after it was mostly cancelled because of it.
    async fn failure(&self, ended: &str, failed: &ResourceStatus) -> ProvisionError {
        let mut first: Option<StackEvent> = None;
        let mut next = None;
        // The newest come first.
        loop {
            let page = self.aws.cloudformation().describe_stack_events().stack_name(&self.name).set_next_token(next);
            let page = match page.send().await {
                Ok(page) => page,
                Err(error) => return CallError::of("cloudformation:DescribeStackEvents", &self.name, &error).into(),
            };
            let of_failure = |event: &StackEvent| event.resource_status() == Some(failed);
            first = page.stack_events.unwrap_or_default().into_iter().rfind(of_failure).or(first);
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        let said = |get: fn(&StackEvent) -> Option<&str>| {
            first.as_ref().and_then(get).unwrap_or("(CloudFormation doesn't say)").to_owned()
        };
        ProvisionError::Resource {
            stack: self.name.clone(),
            status: ended.to_owned(),
            kind: said(StackEvent::resource_type),
            resource: said(StackEvent::logical_resource_id),
            reason: said(StackEvent::resource_status_reason),
        }
    }

    fn resources(&self, stack: &Described) -> Result<Resources, ProvisionError> {
        let outputs = stack.outputs().iter().filter_map(|output| Some((output.output_key()?, output.output_value()?)));
        let outputs: BTreeMap<&str, &str> = outputs.collect();
        let output = |name: &'static str| {
            let value = outputs.get(name).map(|value| (*value).to_owned());
            value.ok_or_else(|| ProvisionError::Output { stack: self.name.clone(), output: name })
        };
        // Not from `QueueUrlBase`, which is right on AWS only.
        let queue = output("EmailQueueUrl")?;
        let base = queue.strip_suffix(A_CONSUMER);
        let base = base.ok_or_else(|| ProvisionError::Output { stack: self.name.clone(), output: "EmailQueueUrl" })?;
        // The role of runs is none of this stack, which runs no code; it would stand in the same account.
        let schedule_role_arn = output("ScheduleRoleArn")?;
        let mut parts = schedule_role_arn.split(':');
        let (partition, account) = (parts.nth(1).unwrap_or_default(), parts.nth(2).unwrap_or_default());
        Ok(Resources {
            table: output("RecordsTable")?,
            inbox_table: output("InboxTable")?,
            stream_arn: Some(output("RecordsStreamArn")?),
            topic_arn: output("TopicArn")?,
            queue_url_base: base.to_owned(),
            bucket: output("PayloadBucket")?,
            runs_role_arn: format!("arn:{partition}:iam::{account}:role/{}-runs", self.name),
            runs_prefix: format!("{}-run", self.name),
            functions: self.functions(&format!("arn:{partition}:lambda:{}:{account}:function", self.aws.region())),
            schedule_group: output("ScheduleGroupName")?,
            schedule_role_arn,
            topic_limit: Resources::TOPIC_LIMIT,
        })
    }
}

impl Stack {
    /// The functions by the names that the whole template gives them.
    fn functions(&self, beginning: &str) -> Functions {
        let of = |name: &str| format!("{beginning}:{}-{name}", self.name);
        let actions = Action::ALL.into_iter().map(|action| {
            let function = match action {
                Action::Email | Action::Sms | Action::Whatsapp | Action::Push => action.name(),
                Action::Http | Action::Database => "external",
                Action::Record => "steps",
            };
            (action, of(function))
        });
        Functions::at(actions.collect(), of("steps"))
    }
}

fn status(stack: Option<&Described>) -> String {
    stack.and_then(Described::stack_status).map_or("gone", StackStatus::as_str).to_owned()
}

/// CloudFormation has no code of its own for a stack that isn't there.
fn is_missing<R>(error: &SdkError<DescribeStacksError, R>) -> bool {
    error.as_service_error().is_some_and(|told| {
        told.code() == Some("ValidationError") && told.message().is_some_and(|text| text.contains("does not exist"))
    })
}
