//! The topic's subscriptions.

use std::collections::HashMap;

use sendoff_aws::{CallError, Store};
use serde_json::Value;

use crate::doctor::model::{Model, Part, Subscription};

/// What SNS gives for the ARN of one that isn't confirmed.
const PENDING: &str = "PendingConfirmation";

pub(super) async fn look(store: &Store, model: &mut Model) {
    let topic = model.topic.clone();
    let found = match list(store, &topic).await {
        Ok(found) => found,
        Err(error) => return model.blind(Part::Subscriptions, None, error),
    };
    let sns = store.aws().sns();
    let described = super::each(found, async |(arn, endpoint): (String, String)| {
        if !arn.starts_with("arn:") {
            return (subscription(format!("{topic} {PENDING}"), endpoint, None), None);
        }
        let asked = sns.get_subscription_attributes().subscription_arn(&arn).send().await;
        match asked.map_err(|error| CallError::of("sns:GetSubscriptionAttributes", &arn, &error)) {
            Ok(answer) => (subscription(arn, endpoint, Some(&answer.attributes.unwrap_or_default())), None),
            // That it is there is known; of the rest nothing is said.
            Err(error) => (subscription(arn, endpoint, Some(&HashMap::new())), Some(error)),
        }
    });
    for (subscription, error) in described.await {
        match error {
            None => model.subscriptions.push(subscription),
            // What isn't known must not look wrong: as if it were as it should be.
            Some(error) => {
                model.blind(Part::Subscriptions, Some(subscription.arn.clone()), error);
                let dead_letters = Some(String::new());
                model.subscriptions.push(Subscription { raw: true, dead_letters, ..subscription });
            }
        }
    }
}

async fn list(store: &Store, topic: &str) -> Result<Vec<(String, String)>, CallError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let page = store.aws().sns().list_subscriptions_by_topic().topic_arn(topic).set_next_token(next).send().await;
        let page = page.map_err(|error| CallError::of("sns:ListSubscriptionsByTopic", topic, &error))?;
        let to_queues = page.subscriptions.unwrap_or_default().into_iter().filter(|s| s.protocol() == Some("sqs"));
        found.extend(to_queues.filter_map(|s| Some((s.subscription_arn?, s.endpoint?))));
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Without attributes, it is one that nobody has confirmed.
fn subscription(arn: String, endpoint: String, attributes: Option<&HashMap<String, String>>) -> Subscription {
    let text = |name: &str| attributes?.get(name).filter(|text| !text.is_empty());
    let json = |name: &str| serde_json::from_str::<Value>(text(name)?).ok();
    let is = |name: &str| text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let pending = attributes.is_none() || is(PENDING);
    let dead_letters = json("RedrivePolicy").and_then(|p| Some(p["deadLetterTargetArn"].as_str()?.to_owned()));
    Subscription {
        // Of one that waits for its confirmation, nothing else can be told.
        raw: is("RawMessageDelivery") || attributes.is_none(),
        filter: json("FilterPolicy").filter(|filter| filter.as_object().is_some_and(|all| !all.is_empty())),
        filter_on_body: text("FilterPolicyScope").is_some_and(|scope| scope == "MessageBody"),
        dead_letters: dead_letters.or_else(|| attributes.is_none().then(String::new)),
        pending,
        arn,
        endpoint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_sns_writes_them() {
        let pairs = [
            ("RawMessageDelivery", "true"),
            ("FilterPolicy", r#"{"type":["a"]}"#),
            ("FilterPolicyScope", "MessageBody"),
            ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:x"}"#),
            ("PendingConfirmation", "false"),
        ];
        let all = pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let read = subscription("arn:s".into(), "arn:q".into(), Some(&all));
        assert!(read.raw && read.filter_on_body && !read.pending && read.filter.is_some());
        assert_eq!(read.dead_letters.as_deref(), Some("arn:x"));
        let bare = subscription("arn:s".into(), "arn:q".into(), Some(&HashMap::new()));
        assert_eq!((bare.raw, bare.filter, bare.dead_letters, bare.pending), (false, None, None, false));
        assert!(subscription("arn:s".into(), "arn:q".into(), None).pending);
    }
}
