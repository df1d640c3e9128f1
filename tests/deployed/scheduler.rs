//! EventBridge Scheduler where the emulator is none: it keeps schedules, and runs no universal targets, which a message with
//! attributes needs.

use aws_sdk_scheduler::types::ActionAfterCompletion;
use aws_sdk_sqs::types::MessageAttributeValue;
use sendoff_events::Timestamp;
use serde_json::Value;

use crate::stack::{Stack, eventually};

/// The target that calls an operation of SQS
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html>).
const SEND_MESSAGE: &str = "arn:aws:scheduler:::aws-sdk:sqs:sendMessage";

/// A schedule of the deployment.
pub(crate) struct Scheduled {
    pub(crate) name: String,
    pub(crate) due: Timestamp,
    input: Value,
}

impl Scheduled {
    /// The one whose message names this text, once there is one that is due after `after`.
    pub(crate) async fn naming(stack: &Stack, text: &str, after: Option<Timestamp>) -> Self {
        eventually(&format!("a schedule for {text}"), async || {
            let all = Self::all(stack).await;
            all.into_iter().find(|found| {
                let body = found.input["MessageBody"].as_str().unwrap_or_default();
                body.contains(text) && after.is_none_or(|after| found.due > after)
            })
        })
        .await
    }

    /// Those that the Scheduler would run once, by the rules that it has for their targets.
    async fn all(stack: &Stack) -> Vec<Self> {
        let (scheduler, group) = (stack.aws.scheduler(), stack.output("ScheduleGroupName"));
        let listed = scheduler.list_schedules().group_name(group).send().await.expect("the schedules");
        let mut all = Vec::new();
        for name in listed.schedules().iter().filter_map(|schedule| schedule.name()) {
            let asked = scheduler.get_schedule().group_name(group).name(name).send().await;
            // One that was replaced in between.
            let Ok(found) = asked else { continue };
            let at = found.schedule_expression().unwrap_or_default().strip_prefix("at(").expect("a single moment");
            let due = format!("{}Z", at.trim_end_matches(')')).parse().expect("a moment in UTC");
            assert!(found.schedule_expression_timezone().is_none_or(|zone| zone == "UTC"), "{found:?}");
            let target = found.target().expect("a target");
            assert_eq!(found.action_after_completion(), Some(&ActionAfterCompletion::Delete));
            assert_eq!(target.role_arn(), stack.output("ScheduleRoleArn"));
            if target.arn() != SEND_MESSAGE {
                continue;
            }
            let input = serde_json::from_str(target.input().expect("an input")).expect("the input of a call is JSON");
            all.push(Self { name: name.to_owned(), due, input });
        }
        all
    }

    /// Does what the Scheduler does when it is due, though it isn't yet.
    pub(crate) async fn run(&self, stack: &Stack) {
        let call = self.input.as_object().expect("the input of a call is an object");
        let known = ["QueueUrl", "MessageBody", "MessageAttributes", "MessageSystemAttributes"];
        assert!(call.keys().all(|name| known.contains(&name.as_str())), "{call:?}");
        let text = |name: &str| call[name].as_str().expect("a text");
        let mut send = stack.aws.sqs().send_message().queue_url(text("QueueUrl")).message_body(text("MessageBody"));
        for (name, value) in call["MessageAttributes"].as_object().expect("attributes") {
            let text = |part: &str| value[part].as_str().expect("a text");
            let value = MessageAttributeValue::builder().data_type(text("DataType")).string_value(text("StringValue"));
            send = send.message_attributes(name, value.build().expect("complete"));
        }
        // Deleted after it has run.
        let delete = stack.aws.scheduler().delete_schedule().group_name(stack.output("ScheduleGroupName"));
        delete.name(&self.name).send().await.expect("deleted");
        send.send().await.expect("sent");
    }
}
