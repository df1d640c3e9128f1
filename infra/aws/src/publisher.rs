//! Publishing to the SNS topic.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_sns::types::{BatchResultErrorEntry, MessageAttributeValue, PublishBatchRequestEntry};
use futures::{StreamExt as _, stream};
use sendoff_events::{Blobs, BoxFuture, EXTENDED_SIZE_ATTRIBUTE, EventId, Outgoing, Pointer};
use sendoff_producers::{PublishError, Publisher};

use crate::{CallError, Cause, Store, batches, error::is_throttle, message};

/// What SNS takes in one batch, and in one message: bodies, and the names, types and values of their attributes
/// (<https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>).
const LIMIT: usize = 256 * 1024;
/// How many batches of one call are under way at a time.
const AT_ONCE: usize = 4;
/// How often an event is tried in all, as long as its failures may pass.
const ATTEMPTS: u32 = 4;
/// After which time nothing is tried again: whoever waits for the answer has others to ask, and the relay comes later.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// [`Publisher`] over one SNS topic: one `PublishBatch` per ten events, and one `PutObject` before it for each body over the
/// topic's limit.
pub(crate) struct SnsPublisher {
    store: Store,
    blobs: Arc<dyn Blobs>,
}

/// An event as it travels.
struct Ready<'a> {
    /// Its place among the caller's.
    place: usize,
    body: Cow<'a, str>,
    /// Their names and values.
    attributes: Vec<(&'static str, Cow<'a, str>)>,
    group: &'a str,
}

impl Ready<'_> {
    /// What SNS counts it as.
    fn bytes(&self) -> usize {
        bytes(&self.body, &self.attributes)
    }
}

fn bytes(body: &str, attributes: &[(&str, Cow<'_, str>)]) -> usize {
    message::bytes(body, attributes.iter().map(|(name, value)| (*name, &**value)))
}

/// How large a body SNS takes beside these attributes.
fn room(attributes: &[(&str, Cow<'_, str>)]) -> usize {
    LIMIT.saturating_sub(bytes("", attributes))
}

impl Store {
    /// The topic that all events go to.
    #[must_use]
    pub fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(SnsPublisher { store: self.clone(), blobs: self.blobs() })
    }
}

impl Publisher for SnsPublisher {
    fn publish<'a>(&'a self, events: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            let mut results = vec![Ok(()); events.len()];
            let mut left = Vec::with_capacity(events.len());
            for (place, event) in events.iter().enumerate() {
                match self.ready(place, event).await {
                    Ok(ready) => left.push(ready),
                    Err(error) => results[place] = Err(error),
                }
            }
            let started = self.store.clock.now();
            for attempt in 1.. {
                let failed = self.publish_once(left).await;
                let waited = self.store.clock.now().duration_since(started).unsigned_abs();
                let last = attempt == ATTEMPTS || waited > PATIENCE;
                left = Vec::new();
                for (ready, error, may_pass) in failed {
                    if may_pass && !last {
                        left.push(ready);
                    } else {
                        results[ready.place] = Err(error);
                    }
                }
                if left.is_empty() {
                    break;
                }
                let pause = PAUSE * 2_u32.saturating_pow(attempt - 1);
                self.store.clock.sleep(pause.mul_f64(self.store.rng.next_f64())).await;
            }
            results
        })
    }
}

/// An event that wasn't published, why, and whether trying again may help.
type Failed<'a> = (Ready<'a>, PublishError, bool);

impl SnsPublisher {
    /// The event as it travels: a body over the topic's limit, or over what SNS has room for beside the attributes, is put aside
    /// first, so a pointer never leads nowhere.
    async fn ready<'a>(&self, place: usize, event: &'a Outgoing) -> Result<Ready<'a>, PublishError> {
        let group = event.tenant().as_str();
        let mut attributes = vec![("type", event.event_type().to_string().into()), ("tenant", group.into())];
        if event.body().len() > self.store.resources.topic_limit.min(room(&attributes)) {
            let body = self.check(event).await.map_err(PublishError::Unavailable)?;
            attributes.push((EXTENDED_SIZE_ATTRIBUTE, event.body().len().to_string().into()));
            return Ok(Ready { place, body: body.into(), attributes, group });
        }
        let body = message::text(event.body()).map_err(PublishError::Refused)?;
        Ok(Ready { place, body: body.into(), attributes, group })
    }

    async fn check(&self, event: &Outgoing) -> Result<String, String> {
        let key = key(event.id()).parse()?;
        self.blobs.put(&key, event.body().clone()).await.map_err(|error| error.to_string())?;
        Ok(Pointer { bucket: self.blobs.bucket().to_owned(), key }.to_body())
    }

    /// Publishes each event once, in as many batches as it takes, and gives those that failed.
    async fn publish_once<'a>(&self, events: Vec<Ready<'a>>) -> Vec<Failed<'a>> {
        let sizes: Vec<usize> = events.iter().map(Ready::bytes).collect();
        let batches = batches::split(&sizes, LIMIT);
        if batches.len() == 1 {
            return self.publish_batch(events).await;
        }
        let mut events = events.into_iter();
        let batches: Vec<Vec<Ready<'a>>> =
            batches.into_iter().map(|batch| events.by_ref().take(batch.len()).collect()).collect();
        let calls: Vec<_> = batches.into_iter().map(|batch| self.publish_batch(batch)).collect();
        stream::iter(calls).buffered(AT_ONCE).concat().await
    }

    /// Publishes a batch. One that SNS refuses as a whole is published event by event, to find the one that it means.
    async fn publish_batch<'a>(&self, mut batch: Vec<Ready<'a>>) -> Vec<Failed<'a>> {
        match self.call(&batch).await {
            Ok(failed) => failed
                .into_iter()
                .filter_map(|(place, error, may_pass)| {
                    let at = batch.iter().position(|ready| ready.place == place)?;
                    Some((batch.swap_remove(at), error, may_pass))
                })
                .collect(),
            Err(error) if error.cause == Cause::Refused && batch.len() > 1 => {
                let mut failed = Vec::new();
                for ready in batch {
                    let alone = [ready];
                    let answer = self.call(&alone).await;
                    let [ready] = alone;
                    match answer {
                        Ok(told) => failed.extend(told.into_iter().next().map(|(_, why, pass)| (ready, why, pass))),
                        Err(error) => failed.push((ready, failure(&error), error.may_pass())),
                    }
                }
                failed
            }
            Err(error) => batch.into_iter().map(|ready| (ready, failure(&error), error.may_pass())).collect(),
        }
    }

    /// One `PublishBatch`: the places of the events that failed, and why.
    async fn call(&self, batch: &[Ready<'_>]) -> Result<Vec<(usize, PublishError, bool)>, CallError> {
        let topic = &self.store.resources.topic_arn;
        let entries = batch.iter().filter_map(entry).collect();
        let call =
            self.store.aws.sns().publish_batch().topic_arn(topic).set_publish_batch_request_entries(Some(entries));
        let answer = call.send().await.map_err(|error| CallError::of("sns:Publish", topic, &error))?;
        let published: Vec<usize> = answer.successful().iter().filter_map(|entry| entry.id()?.parse().ok()).collect();
        let failed = batch.iter().filter(|ready| !published.contains(&ready.place)).map(|ready| {
            let id = ready.place.to_string();
            match answer.failed().iter().find(|failed| failed.id() == id) {
                Some(told) => {
                    let (error, may_pass) = judge(told);
                    (ready.place, error, may_pass)
                }
                None => (ready.place, PublishError::Unavailable("SNS's answer doesn't tell of it".to_owned()), true),
            }
        });
        Ok(failed.collect())
    }
}

/// The key of a claim check. Publishing an event again writes the same bytes to the same place.
pub(crate) fn key(event: EventId) -> String {
    format!("{PAYLOADS}{event}")
}

/// What the keys of claim checks begin with.
pub(crate) const PAYLOADS: &str = "events/";

fn entry(ready: &Ready<'_>) -> Option<PublishBatchRequestEntry> {
    let value = |(name, value): &(&str, Cow<'_, str>)| {
        let value = MessageAttributeValue::builder().data_type(message::data_type(name)).string_value(&**value);
        Some(((*name).to_owned(), value.build().ok()?))
    };
    let attributes: HashMap<_, _> = ready.attributes.iter().filter_map(value).collect();
    PublishBatchRequestEntry::builder()
        .id(ready.place.to_string())
        .message(&*ready.body)
        .set_message_attributes(Some(attributes))
        // On a standard topic the group only makes the standard queues behind it fair to tenants.
        .message_group_id(ready.group)
        .build()
        .ok()
}

/// What SNS says of one entry of a batch, and whether trying again may help.
fn judge(told: &BatchResultErrorEntry) -> (PublishError, bool) {
    let text = format!("{}: {}", told.code(), told.message().unwrap_or("SNS doesn't say why"));
    if is_throttle(told.code()) {
        (PublishError::Throttled { after: None }, true)
    } else if told.sender_fault() {
        (PublishError::Refused(text), false)
    } else {
        (PublishError::Unavailable(text), true)
    }
}

fn failure(error: &CallError) -> PublishError {
    match error.cause {
        Cause::Throttled => PublishError::Throttled { after: None },
        Cause::Refused => PublishError::Refused(error.to_string()),
        Cause::Denied | Cause::Missing | Cause::NotSent | Cause::Unknown => {
            PublishError::Unavailable(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sendoff_events::{BlobError, BlobKey};
    use sendoff_host::{SystemClock, SystemRng};

    use super::*;
    use crate::{Aws, Environment, Resources};

    #[test]
    fn what_sns_says_of_an_entry_is_judged_by_its_code_and_then_by_whose_fault_it_is() {
        let told = |code: &str, sender_fault| {
            judge(&BatchResultErrorEntry::builder().id("0").code(code).sender_fault(sender_fault).build().unwrap())
        };
        for code in ["Throttled", "ThrottlingException", "KMS.ThrottlingException", "RequestLimitExceeded"] {
            assert_eq!(told(code, true), (PublishError::Throttled { after: None }, true), "{code}");
        }
        assert!(matches!(told("InvalidParameter", true), (PublishError::Refused(_), false)));
        assert!(matches!(told("InternalError", false), (PublishError::Unavailable(_), true)));
    }

    /// Takes everything.
    struct Taking;

    impl Blobs for Taking {
        fn bucket(&self) -> &'static str {
            "bucket"
        }

        fn put<'a>(&'a self, _: &'a BlobKey, _: Bytes) -> BoxFuture<'a, Result<(), BlobError>> {
            Box::pin(async { Ok(()) })
        }

        fn get<'a>(&'a self, key: &'a BlobKey, _: u64) -> BoxFuture<'a, Result<Bytes, BlobError>> {
            Box::pin(async { Err(BlobError::Missing(key.clone())) })
        }
    }

    #[tokio::test]
    async fn a_body_that_has_no_room_beside_its_attributes_is_put_aside_whatever_the_limit_is() {
        let variables = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
        let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let resources = Resources {
            table: String::new(),
            inbox_table: String::new(),
            stream_arn: None,
            topic_arn: String::new(),
            queue_url_base: String::new(),
            bucket: String::new(),
            runs_role_arn: String::new(),
            runs_prefix: String::new(),
            functions: Resources::no_functions(),
            schedule_group: String::new(),
            schedule_role_arn: String::new(),
            topic_limit: LIMIT,
        };
        let aws = Aws::from_environment(environment).unwrap();
        let store = Store::new(aws, resources, Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let publisher = SnsPublisher { store, blobs: Arc::new(Taking) };
        let beside = "typeStringapp.assigned.v1tenantStringacme".len();
        for (length, is_put_aside) in [(LIMIT - beside, false), (LIMIT - beside + 1, true), (LIMIT, true)] {
            let event = Outgoing::stored(
                "01979f8a-0000-7000-8000-000000000001".parse().unwrap(),
                "app.assigned.v1".parse().unwrap(),
                "acme".parse().unwrap(),
                "apps/crm".into(),
                "x".repeat(length).into(),
            );
            let ready = publisher.ready(0, &event).await.unwrap();
            assert!(ready.bytes() <= LIMIT, "{length}: {}", ready.bytes());
            assert_eq!(ready.body.len() != length, is_put_aside, "{length}");
        }
    }
}
