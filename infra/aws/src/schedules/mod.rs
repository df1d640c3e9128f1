//! Messages for later, on EventBridge Scheduler.

mod what;
mod when;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_scheduler::{
    error::SdkError,
    types::{ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target},
};
use aws_sdk_sqs::types::QueueAttributeName::QueueArn;
use sendoff_consumers::{Attributes, NewMessage, Schedule, Schedules, SchedulesError};
use sendoff_events::{Blobs, BoxFuture, EXTENDED_SIZE_ATTRIBUTE, Pointer, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{CallError, Cause, Store, message::SqsMessage};

/// What is due within this time is sent at once, with a delay: a schedule that begins in the past by the time that it arrives
/// may be refused.
const SOON: Duration = Duration::from_secs(1);
/// How often a put begins again when the schedule comes or goes while it is at it.
const ATTEMPTS: u32 = 5;

/// [`Schedules`] over one group of EventBridge Scheduler: one call to create or two to replace a schedule, and one before
/// it, once per queue, that looks whether there is such a queue.
///
/// A schedule runs within the minute after it is due
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>), then goes away. What it can't put into its
/// queue within a day of trying goes into the queue's dead-letter queue.
#[derive(Clone)]
pub(crate) struct Scheduler {
    store: Store,
    blobs: Arc<dyn Blobs>,
    /// The ARNs of the queues that are known to exist.
    queues: Arc<Mutex<HashMap<String, String>>>,
}

impl Store {
    /// Messages for later.
    #[must_use]
    pub fn schedules(&self) -> Arc<dyn Schedules> {
        Arc::new(Scheduler::new(self))
    }
}

impl Schedules for Scheduler {
    fn put<'a>(&'a self, schedule: &'a Schedule) -> BoxFuture<'a, Result<(), SchedulesError>> {
        Box::pin(async move {
            let Schedule { name, due, queue, message } = schedule;
            self.put_under(&users(name), *due, queue, message).await
        })
    }

    fn cancel<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, SchedulesError>> {
        Box::pin(async move { self.delete(&users(name)).await })
    }
}

impl Scheduler {
    pub(crate) fn new(store: &Store) -> Self {
        Self { store: store.clone(), blobs: store.blobs(), queues: Arc::default() }
    }

    /// Puts a schedule of our own, which no name of a user's meets.
    pub(crate) async fn put_own(
        &self,
        name: &str,
        due: Timestamp,
        queue: &str,
        message: &NewMessage,
    ) -> Result<(), SchedulesError> {
        self.put_under(&hashed("own", name), due, queue, message).await
    }

    async fn put_under(
        &self,
        name: &str,
        due: Timestamp,
        queue: &str,
        message: &NewMessage,
    ) -> Result<(), SchedulesError> {
        let arn = self.arn(queue).await?;
        let url = self.store.resources.queue_url(queue);
        let ready = SqsMessage::new(&message.body, &message.attributes).map_err(SchedulesError::Unavailable)?;
        let left = Duration::try_from(due.duration_since(self.store.clock.now())).unwrap_or_default();
        if left <= SOON {
            // In this order: whoever is told that it failed puts it again, and what was sent would be sent twice.
            self.delete(name).await?;
            return self.send(&url, &ready, left).await;
        }
        let (target, input) = match what::target(&ready, &arn, &url) {
            Some(found) => found,
            None => {
                let pointer = self.put_aside(message).await?;
                what::target(&pointer, &arn, &url).ok_or_else(|| {
                    SchedulesError::Unavailable(format!("its attributes are too large for a schedule to `{queue}`"))
                })?
            }
        };
        let target = Target::builder()
            .arn(target)
            .role_arn(&self.store.resources.schedule_role_arn)
            .input(input)
            .dead_letter_config(DeadLetterConfig::builder().arn(format!("{arn}-dlq")).build())
            .build()
            .map_err(|error| SchedulesError::Unavailable(error.to_string()))?;
        self.create_or_replace(name, &when::at(due), target).await
    }

    /// Creates the schedule, or replaces the one of its name.
    async fn create_or_replace(&self, name: &str, at: &str, target: Target) -> Result<(), SchedulesError> {
        let (client, group) = (self.store.aws.scheduler(), &self.store.resources.schedule_group);
        let exact = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build();
        let exact = exact.map_err(|error| SchedulesError::Unavailable(error.to_string()))?;
        for _ in 0..ATTEMPTS {
            let create = client.create_schedule().name(name).group_name(group).schedule_expression(at);
            let create = create.flexible_time_window(exact.clone()).target(target.clone());
            match create.action_after_completion(ActionAfterCompletion::Delete).send().await {
                Ok(_) => return Ok(()),
                Err(SdkError::ServiceError(told)) if told.err().is_conflict_exception() => {}
                Err(error) => {
                    return Err(unavailable(&CallError::of("scheduler:CreateSchedule", self.place(name), &error)));
                }
            }
            let update = client.update_schedule().name(name).group_name(group).schedule_expression(at);
            let update = update.flexible_time_window(exact.clone()).target(target.clone());
            match update.action_after_completion(ActionAfterCompletion::Delete).send().await {
                Ok(_) => return Ok(()),
                // It ran in between, and is gone: create it.
                Err(SdkError::ServiceError(told)) if told.err().is_resource_not_found_exception() => {}
                // Somebody else is replacing it; the last one counts.
                Err(SdkError::ServiceError(told)) if told.err().is_conflict_exception() => {}
                Err(error) => {
                    return Err(unavailable(&CallError::of("scheduler:UpdateSchedule", self.place(name), &error)));
                }
            }
        }
        Err(SchedulesError::Unavailable(format!("schedule `{}` keeps changing", self.place(name))))
    }

    async fn delete(&self, name: &str) -> Result<bool, SchedulesError> {
        let delete = self.store.aws.scheduler().delete_schedule().name(name);
        match delete.group_name(&self.store.resources.schedule_group).send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(told)) if told.err().is_resource_not_found_exception() => Ok(false),
            Err(error) => Err(unavailable(&CallError::of("scheduler:DeleteSchedule", self.place(name), &error))),
        }
    }

    /// Puts what is due into its queue.
    async fn send(&self, url: &str, message: &SqsMessage, left: Duration) -> Result<(), SchedulesError> {
        let delay = i32::from(!left.is_zero());
        let send = message.send(self.store.aws.sqs().send_message().queue_url(url)).delay_seconds(delay);
        let sent = send.send().await;
        sent.map(drop).map_err(|error| unavailable(&CallError::of("sqs:SendMessage", url, &error)))
    }

    /// Stores the body as a blob. Gives the message with a pointer to it. The bucket's lifecycle rule must keep blobs for
    /// longer than schedules wait.
    async fn put_aside(&self, message: &NewMessage) -> Result<SqsMessage, SchedulesError> {
        let key =
            format!("schedules/{:x}", Sha256::digest(&message.body)).parse().map_err(SchedulesError::Unavailable)?;
        let put = self.blobs.put(&key, message.body.clone()).await;
        put.map_err(|error| SchedulesError::Unavailable(error.to_string()))?;
        let mut attributes: Attributes = message.attributes.clone();
        attributes.insert(EXTENDED_SIZE_ATTRIBUTE.to_owned(), message.body.len().to_string());
        let body = Pointer { bucket: self.blobs.bucket().to_owned(), key }.to_body();
        SqsMessage::new(body.as_bytes(), &attributes).map_err(SchedulesError::Unavailable)
    }

    /// The queue's ARN, by one `GetQueueAttributes` per queue. What has failed is in a dead-letter queue; nothing is scheduled
    /// to one.
    async fn arn(&self, queue: &str) -> Result<String, SchedulesError> {
        let known = self.queues.lock().unwrap_or_else(PoisonError::into_inner).get(queue).cloned();
        if let Some(arn) = known {
            return Ok(arn);
        }
        let none = || SchedulesError::NoSuchQueue(queue.to_owned());
        let is_name = queue.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if queue.is_empty() || !is_name || queue.ends_with("-dlq") {
            return Err(none());
        }
        let url = self.store.resources.queue_url(queue);
        let asked = self.store.aws.sqs().get_queue_attributes().queue_url(&url).attribute_names(QueueArn).send().await;
        let answer = asked.map_err(|error| match CallError::of("sqs:GetQueueAttributes", &url, &error) {
            error if error.cause == Cause::Missing => none(),
            error => unavailable(&error),
        })?;
        let arn = answer.attributes().and_then(|all| all.get(&QueueArn)).cloned();
        let arn = arn.ok_or_else(|| SchedulesError::Unavailable(format!("SQS doesn't tell the ARN of `{url}`")))?;
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.to_owned(), arn.clone());
        Ok(arn)
    }

    fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.store.resources.schedule_group)
    }
}

/// The name of a user's schedule.
fn users(name: &str) -> String {
    hashed("user", name)
}

/// EventBridge Scheduler takes names of up to 64 letters, digits, `-`, `_` and `.`: ours are hashes, and two schedules share
/// one only if SHA-256 does.
fn hashed(whose: &str, name: &str) -> String {
    format!("{:x}", Sha256::digest(format!("{whose}/{name}")))
}

fn unavailable(error: &CallError) -> SchedulesError {
    SchedulesError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_name_of_its_own_that_the_scheduler_takes() {
        let names = [users("s"), users("S"), users(""), users("ü/漢"), users(&"x".repeat(1000)), hashed("own", "s")];
        for name in &names {
            assert!(name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
        }
        assert_eq!(names.iter().collect::<std::collections::HashSet<_>>().len(), names.len());
        assert_eq!(users("s"), users("s"));
    }
}
