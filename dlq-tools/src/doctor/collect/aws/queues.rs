//! The queues whose names begin as those of the deployment do.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use sendoff_aws::{CallError, Store};
use serde_json::Value;

use crate::doctor::model::{Model, Part, Queue, Redrive};

pub(super) async fn look(store: &Store, model: &mut Model) {
    let base = store.resources().queue_url_base.clone();
    let prefix = base.rsplit('/').next().unwrap_or_default().to_owned();
    let urls = match list(store, &prefix).await {
        Ok(urls) => urls,
        Err(error) => return model.blind(Part::Queues, None, error),
    };
    let sqs = store.aws().sqs();
    let described = super::each(urls, async |url: String| {
        let asked = sqs.get_queue_attributes().queue_url(&url).attribute_names(Attribute::All).send().await;
        let attributes = asked.map_err(|error| CallError::of("sqs:GetQueueAttributes", &url, &error));
        (url, attributes.map(|answer| answer.attributes.unwrap_or_default()))
    });
    for (url, attributes) in described.await {
        match attributes {
            Ok(attributes) => model.queues.push(queue(url, &prefix, &attributes)),
            Err(error) => {
                let place = arn_of(&url, store.aws().region()).unwrap_or(url);
                model.blind(Part::Queues, Some(place), error);
            }
        }
    }
    model.queues.sort_by(|a, b| a.name.cmp(&b.name));
}

async fn list(store: &Store, prefix: &str) -> Result<Vec<String>, CallError> {
    let (mut urls, mut next) = (Vec::new(), None);
    loop {
        // Without a limit, SQS gives the first thousand and no way on.
        let page = store.aws().sqs().list_queues().queue_name_prefix(prefix).max_results(1000).set_next_token(next);
        let page = page.send().await.map_err(|error| CallError::of("sqs:ListQueues", prefix, &error))?;
        urls.extend(page.queue_urls.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(urls);
        }
    }
}

fn queue(url: String, prefix: &str, attributes: &HashMap<Attribute, String>) -> Queue {
    let text = |name: &Attribute| attributes.get(name).filter(|text| !text.is_empty());
    // The defaults of the service, where an answer leaves them out.
    let number = |name: &Attribute, usual: u64| text(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let json = |name: &Attribute| text(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let full = url.rsplit('/').next().unwrap_or_default();
    Queue {
        name: full.strip_prefix(prefix).unwrap_or(full).to_owned(),
        arn: text(&Attribute::QueueArn).cloned().unwrap_or_default(),
        visibility: number(&Attribute::VisibilityTimeout, 30),
        retention: number(&Attribute::MessageRetentionPeriod, 345_600),
        waiting: number(&Attribute::ApproximateNumberOfMessages, 0),
        redrive: json(&Attribute::RedrivePolicy).and_then(|policy| redrive(&policy)),
        takes_from: json(&Attribute::RedriveAllowPolicy).and_then(|policy| takes_from(&policy)),
        fifo: full.ends_with(".fifo"),
        key: text(&Attribute::KmsMasterKeyId).cloned(),
        policy: json(&Attribute::Policy),
        url,
    }
}

fn redrive(policy: &Value) -> Option<Redrive> {
    let most = &policy["maxReceiveCount"];
    // A number or a text of one: whatever it was set with.
    let after = most.as_u64().or_else(|| most.as_str()?.parse().ok()).unwrap_or(u64::MAX);
    Some(Redrive { target: policy["deadLetterTargetArn"].as_str()?.to_owned(), after })
}

/// The queues that may move messages here; `None`: all may.
fn takes_from(policy: &Value) -> Option<Vec<String>> {
    match policy["redrivePermission"].as_str()? {
        "denyAll" => Some(Vec::new()),
        "byQueue" => {
            let named = policy["sourceQueueArns"].as_array().into_iter().flatten();
            Some(named.filter_map(|arn| Some(arn.as_str()?.to_owned())).collect())
        }
        _ => None,
    }
}

/// The ARN that a queue's URL stands for.
fn arn_of(url: &str, region: &str) -> Option<String> {
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next()?, parts.next()?);
    account.bytes().all(|b| b.is_ascii_digit()).then(|| format!("arn:aws:sqs:{region}:{account}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://sqs.eu-central-1.amazonaws.com/123/sendoff-email";

    fn of(attributes: &[(Attribute, &str)]) -> Queue {
        let attributes = attributes.iter().map(|(name, text)| (name.clone(), (*text).to_owned())).collect();
        queue(URL.into(), "sendoff-", &attributes)
    }

    #[test]
    fn a_queue_is_read_with_the_services_defaults_where_it_says_nothing() {
        let queue = of(&[(Attribute::RedrivePolicy, ""), (Attribute::Policy, "{broken")]);
        assert_eq!((&*queue.name, queue.visibility, queue.retention, queue.waiting), ("email", 30, 345_600, 0));
        assert_eq!((queue.redrive, queue.takes_from, queue.policy, queue.key), (None, None, None, None));
    }

    #[test]
    fn redrive_policies_are_read_whatever_their_numbers_were_written_as() {
        for most in ["\"5\"", "5"] {
            let policy = format!(r#"{{"deadLetterTargetArn":"arn:x","maxReceiveCount":{most}}}"#);
            let expected = Some(Redrive { target: "arn:x".into(), after: 5 });
            assert_eq!(of(&[(Attribute::RedrivePolicy, &policy)]).redrive, expected);
        }
        let takes = |policy: &str| of(&[(Attribute::RedriveAllowPolicy, policy)]).takes_from;
        assert_eq!(takes(r#"{"redrivePermission":"allowAll"}"#), None);
        assert_eq!(takes(r#"{"redrivePermission":"denyAll"}"#), Some(vec![]));
        let by_queue = r#"{"redrivePermission":"byQueue","sourceQueueArns":["a","b"]}"#;
        assert_eq!(takes(by_queue), Some(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn a_queue_that_may_not_be_described_is_still_known_by_its_arn() {
        assert_eq!(arn_of(URL, "eu-central-1").as_deref(), Some("arn:aws:sqs:eu-central-1:123:sendoff-email"));
        assert_eq!(arn_of("https://elsewhere/queue", "eu-central-1"), None);
    }
}
