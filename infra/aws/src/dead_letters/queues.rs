//! Finding, making and counting queues.

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_consumers::{Backlog, DeadLetterKind, DeadLetterQueue, DeadLettersError};

use super::{
    SqsDeadLetters,
    describe::{self, Seen},
    failed, is_fifo, is_url,
};
use crate::{CallError, Cause};

/// How many queues are asked about at a time.
const AT_ONCE: usize = 16;
/// How many queues one page of the list has.
const PAGE: i32 = 1000;
/// The longest that SQS keeps a message, in seconds: 14 days.
const LONGEST: u32 = 1_209_600;
/// What the template allows nobody.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"OnlyOverTls","Effect":"Deny","Principal":"*","Action":["sqs:SendMessage","sqs:ReceiveMessage","sqs:DeleteMessage"],"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;

impl SqsDeadLetters {
    /// Every queue whose name begins as the deployment's do, and what SQS moves messages to from one of them.
    pub(super) async fn list(&self) -> Result<Vec<DeadLetterQueue>, DeadLettersError> {
        let base = &self.store.resources.queue_url_base;
        let prefix = describe::split(base).1;
        let (mut names, mut next) = (Vec::new(), None);
        loop {
            let call = self.store.aws.sqs_repeating().list_queues().queue_name_prefix(prefix).max_results(PAGE);
            let page = call.set_next_token(next).send().await;
            let page = page.map_err(|error| failed(prefix, &CallError::of("sqs:ListQueues", prefix, &error)))?;
            let urls = page.queue_urls.unwrap_or_default();
            names.extend(urls.iter().filter_map(|url| describe::name_of_url(base, url)).map(str::to_owned));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        let mut seen = self.look(names).await?;
        let known: Vec<&str> = seen.iter().map(|queue| queue.name.as_str()).collect();
        let targets = describe::targets(base, &seen);
        let others = targets.into_keys().filter(|name| !known.contains(&name.as_str())).collect();
        seen.extend(self.look(others).await?);
        Ok(describe::dead_letter_queues(base, seen))
    }

    /// The queue of this name; one that isn't the deployment's by its URL.
    pub(super) async fn one(&self, name: &str) -> Result<DeadLetterQueue, DeadLettersError> {
        let missing = || DeadLettersError::NoSuchQueue(name.to_owned());
        let plain = describe::plain(&self.store.resources.queue_url_base, name);
        if is_url(plain) {
            let seen = self.attributes(plain).await?.ok_or_else(missing)?;
            return Ok(seen.of_kind(DeadLetterKind::Foreign));
        }
        self.list().await?.into_iter().find(|queue| queue.name == plain).ok_or_else(missing)
    }

    /// What the queues of these names say. One that is gone isn't among them.
    async fn look(&self, names: Vec<String>) -> Result<Vec<Seen>, DeadLettersError> {
        let calls: Vec<_> = names.iter().map(|name| self.attributes(name)).collect();
        let found: Vec<_> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn attributes(&self, name: &str) -> Result<Option<Seen>, DeadLettersError> {
        let url = self.url(name);
        let call = self.store.aws.sqs_repeating().get_queue_attributes().queue_url(&url);
        match call.attribute_names(Attribute::All).send().await {
            Ok(answer) => Ok(Some(Seen { name: name.to_owned(), attributes: answer.attributes.unwrap_or_default() })),
            Err(error) => match CallError::of("sqs:GetQueueAttributes", url, &error) {
                error if error.cause == Cause::Missing => Ok(None),
                error => Err(failed(name, &error)),
            },
        }
    }

    /// A queue to put letters aside in, as the template makes those of dead letters. One that is there already stays as it is.
    pub(super) async fn make(&self, name: &str) -> Result<(), DeadLettersError> {
        let url = self.url(name);
        if is_url(name) || !describe::is_quarantine(name) {
            return Err(DeadLettersError::Refused(format!(
                "`{}` is no place to put letters aside; name it after its consumer: CONSUMER{}",
                name.escape_debug(),
                DeadLetterKind::QUARANTINE
            )));
        }
        if self.attributes(name).await?.is_some() {
            return Ok(());
        }
        let short = url.rsplit('/').next().unwrap_or_default();
        let call = self.store.aws.sqs_repeating().create_queue().queue_name(short);
        let call = call.attributes(Attribute::MessageRetentionPeriod, LONGEST.to_string());
        let call = call.attributes(Attribute::Policy, POLICY);
        let call = match self.key().await? {
            Some(key) => call.attributes(Attribute::KmsMasterKeyId, key),
            None => call.attributes(Attribute::SqsManagedSseEnabled, "true"),
        };
        let call = if is_fifo(name) { call.attributes(Attribute::FifoQueue, "true") } else { call };
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => match CallError::of("sqs:CreateQueue", &url, &error) {
                // Somebody else made it in between, in another way.
                error if error.code.as_deref().is_some_and(|code| code.contains("QueueNameExists")) => Ok(()),
                error if error.code.as_deref().is_some_and(|code| code.contains("QueueAlreadyExists")) => Ok(()),
                error => Err(failed(name, &error)),
            },
        }
    }

    /// The key that the deployment's dead letters are encrypted with, if it is one of its own.
    async fn key(&self) -> Result<Option<String>, DeadLettersError> {
        let of = |queue: DeadLetterQueue| async move { self.attributes(&queue.name).await };
        let queues: Vec<_> = self.list().await?.into_iter().filter(|queue| !is_url(&queue.name)).map(of).collect();
        let seen: Vec<_> = stream::iter(queues).buffered(AT_ONCE).try_collect().await?;
        Ok(seen.into_iter().flatten().find_map(|mut queue| queue.attributes.remove(&Attribute::KmsMasterKeyId)))
    }

    /// How many messages a queue has. How old they are stands elsewhere.
    pub(super) async fn backlog_of(&self, name: &str) -> Result<Backlog, DeadLettersError> {
        let seen = self.attributes(name).await?.ok_or_else(|| DeadLettersError::NoSuchQueue(name.to_owned()))?;
        let count = |name| seen.number(&name).unwrap_or_default();
        Ok(Backlog {
            waiting: count(Attribute::ApproximateNumberOfMessages),
            in_flight: count(Attribute::ApproximateNumberOfMessagesNotVisible),
            oldest: None,
        })
    }
}
