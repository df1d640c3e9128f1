//! Who gets what from the topic.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_consumers::{DeadLettersError, Filter, Subscriber};

use super::{SqsDeadLetters, describe};
use crate::{CallError, Cause};

/// How many subscriptions are asked about at a time.
const AT_ONCE: usize = 8;

impl SqsDeadLetters {
    /// Its subscriptions, each with one `GetSubscriptionAttributes`.
    pub(super) async fn subscriptions(&self) -> Result<Vec<Subscriber>, DeadLettersError> {
        let topic = &self.store.resources.topic_arn;
        let sns = self.store.aws.sns();
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let call = sns.list_subscriptions_by_topic().topic_arn(topic).set_next_token(next);
            let page = call.send().await;
            let page = page.map_err(|error| told(&CallError::of("sns:ListSubscriptionsByTopic", topic, &error)))?;
            found.extend(page.subscriptions.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        let asked = found.into_iter().filter_map(|subscription| {
            // One that isn't confirmed yet gets nothing.
            let arn = subscription.subscription_arn.filter(|arn| arn.starts_with("arn:"))?;
            let name = match (subscription.protocol.as_deref(), subscription.endpoint) {
                (Some("sqs"), Some(endpoint)) => describe::name_of_arn(&self.store.resources.queue_url_base, &endpoint),
                // An address of a person among them would be personal data.
                (protocol, _) => format!("{} subscription {arn}", protocol.unwrap_or("unknown")),
            };
            Some(async move { Ok(Subscriber { filter: self.filter(&arn).await?, queue: name }) })
        });
        let asked: Vec<_> = asked.collect();
        let mut all: Vec<Subscriber> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        all.sort_by(|a, b| a.queue.cmp(&b.queue));
        Ok(all)
    }

    async fn filter(&self, subscription: &str) -> Result<Option<Filter>, DeadLettersError> {
        let call = self.store.aws.sns().get_subscription_attributes().subscription_arn(subscription);
        let answer = call.send().await;
        let answer =
            answer.map_err(|error| told(&CallError::of("sns:GetSubscriptionAttributes", subscription, &error)))?;
        let attributes = answer.attributes.unwrap_or_default();
        let of = |name: &str| attributes.get(name).map(String::as_str);
        Ok(read(of("FilterPolicy"), of("FilterPolicyScope")))
    }
}

/// A topic that isn't there is no queue that isn't there.
fn told(error: &CallError) -> DeadLettersError {
    match error.cause {
        Cause::Refused | Cause::Missing => DeadLettersError::Refused(error.to_string()),
        _ => DeadLettersError::Unavailable(error.to_string()),
    }
}

/// The filter, if it is of the kind that we use.
fn read(policy: Option<&str>, scope: Option<&str>) -> Option<Filter> {
    match (policy, scope) {
        (None | Some("" | "{}"), _) => Some(Filter::default()),
        (Some(_), Some("MessageBody")) => None,
        (Some(policy), _) => serde_json::from_str(policy).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_read_is_one_of_ours_and_no_filter_lets_everything_through() {
        let ours = r#"{"type":[{"prefix":"app.assigned.v"}]}"#;
        assert_eq!(read(Some(ours), None), Some(Filter::event_types(["app.assigned"])));
        assert_eq!(read(Some(ours), Some("MessageAttributes")), Some(Filter::event_types(["app.assigned"])));
        assert_eq!(read(None, None), Some(Filter::default()));
        assert_eq!(read(Some(ours), Some("MessageBody")), None);
        for foreign in [
            r#"{"n":[{"numeric":[">",1]}]}"#,
            r#"{"$or":[{"a":["b"]},{"c":["d"]}]}"#,
            r#"{"a":[{"exists":true}]}"#,
            "?",
        ] {
            assert_eq!(read(Some(foreign), None), None, "{foreign}");
        }
    }
}
