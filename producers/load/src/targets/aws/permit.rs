//! Which deployments may be put under load.

use std::collections::BTreeMap;

use sendoff_aws::Resources;

use super::OPENING;
use crate::{target::TargetError, targets::guard};

/// That a deployment may be put under load, and which of its queues past the topic.
pub(super) struct Permit {
    /// `None` on this machine, where everything may.
    named: Option<Named>,
}

/// What was named.
struct Named {
    /// The account of the topic, and of all else.
    account: String,
    allow: Vec<String>,
}

impl Permit {
    /// Holds the allow-list against what the settings name. An emulator on this machine needs no permission. Anything else
    /// needs the account and the topic by name, and the queues have to be in the same account.
    pub(super) fn of(
        resources: &Resources,
        variables: &BTreeMap<String, String>,
        allow: &[String],
    ) -> Result<Self, TargetError> {
        let (account, topic) = account_and_topic(&resources.topic_arn).ok_or_else(|| {
            let why = format!("`{}` is no ARN of a topic: see SENDOFF_TOPIC_ARN", resources.topic_arn);
            TargetError::unusable(OPENING, why)
        })?;
        if is_local(resources, variables) {
            return Ok(Self { named: None });
        }
        for (kind, name) in [("account", account), ("topic", topic)] {
            if !allow.iter().any(|allowed| allowed == name) {
                let why =
                    format!("the {kind} `{name}` may not be put under load: if it may, say so with --allow {name}");
                return Err(TargetError::forbidden(OPENING, why));
            }
        }
        let queues = account_of_queues(&resources.queue_url_base);
        if queues != Some(account) {
            let why = format!(
                "the queues at `{}` are {}, and the topic in `{account}`: see SENDOFF_QUEUE_URL_BASE and SENDOFF_TOPIC_ARN",
                resources.queue_url_base,
                queues.map_or_else(|| "in no account".to_owned(), |queues| format!("in the account `{queues}`")),
            );
            return Err(TargetError::forbidden(OPENING, why));
        }
        Ok(Self { named: Some(Named { account: account.to_owned(), allow: allow.to_vec() }) })
    }

    /// The account that may be put under load; `None` on this machine, where any may.
    pub(super) fn account(&self) -> Option<&str> {
        self.named.as_ref().map(|named| named.account.as_str())
    }

    /// Whether messages may be put into this consumer's queue.
    pub(super) fn queue(&self, consumer: &str) -> bool {
        self.named.as_ref().is_none_or(|named| named.allow.iter().any(|allowed| allowed == consumer))
    }
}

fn account_and_topic(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':').skip(4);
    let (account, topic) = (parts.next()?, parts.next()?);
    (arn.starts_with("arn:") && is_account(account) && !topic.is_empty()).then_some((account, topic))
}

/// The URL of a queue is `https://HOST/ACCOUNT/NAME`.
fn account_of_queues(base: &str) -> Option<&str> {
    let (_, rest) = base.split_once("://")?;
    rest.split('/').nth(1).filter(|account| is_account(account))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether every service that is called is on this machine.
fn is_local(resources: &Resources, variables: &BTreeMap<String, String>) -> bool {
    const COMMON: &str = "AWS_ENDPOINT_URL";
    let leads_here = |url: &str| url.parse().is_ok_and(|url| guard::is_loopback(&url));
    let ignored = variables.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value == "true");
    let has_common = variables.get(COMMON).is_some_and(|url| !url.is_empty());
    let mut named = variables.iter().filter(|(name, url)| name.starts_with(COMMON) && !url.is_empty());
    !ignored && has_common && named.all(|(_, url)| leads_here(url)) && leads_here(&resources.queue_url_base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Trouble;

    fn resources(queues: &str) -> Resources {
        Resources {
            table: "t".into(),
            inbox_table: "i".into(),
            stream_arn: None,
            topic_arn: "arn:aws:sns:eu-central-1:123456789012:sendoff-events".into(),
            queue_url_base: queues.into(),
            bucket: "b".into(),
            runs_role_arn: String::new(),
            runs_prefix: String::new(),
            functions: Resources::no_functions(),
            schedule_group: String::new(),
            schedule_role_arn: String::new(),
            topic_limit: Resources::TOPIC_LIMIT,
        }
    }

    fn permit(queues: &str, endpoints: &[(&str, &str)], allow: &[&str]) -> Result<Permit, Trouble> {
        let variables = endpoints.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned())).collect();
        let allow: Vec<String> = allow.iter().map(|name| (*name).to_owned()).collect();
        Permit::of(&resources(queues), &variables, &allow).map_err(|error| error.trouble)
    }

    const AWS: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/sendoff-";
    const HERE: &str = "http://127.0.0.1:4566/000000000000/t0-";

    #[test]
    fn an_account_and_its_topic_must_be_named_and_its_queues_too_where_the_topic_is_passed_over() {
        for allow in [&[][..], &["123456789012"], &["sendoff-events"], &["999999999999", "sendoff-events"]] {
            assert_eq!(permit(AWS, &[], allow).err(), Some(Trouble::Forbidden), "{allow:?}");
        }
        let allowed = permit(AWS, &[], &["123456789012", "sendoff-events", "email"]).unwrap();
        assert!(allowed.queue("email") && !allowed.queue("sms"));
        assert_eq!(allowed.account(), Some("123456789012"));
    }

    #[test]
    fn queues_of_another_account_than_the_topic_are_refused_whatever_is_allowed() {
        let allow = ["123456789012", "999999999999", "sendoff-events", "email"];
        for queues in [
            "https://sqs.eu-central-1.amazonaws.com/999999999999/sendoff-",
            "https://sqs.eu-central-1.amazonaws.com/sendoff-",
            HERE,
        ] {
            assert_eq!(permit(queues, &[], &allow).err(), Some(Trouble::Forbidden), "{queues}");
        }
    }

    #[test]
    fn an_emulator_on_this_machine_needs_no_permission_unless_anything_leads_elsewhere() {
        let here = ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
        let here_only = permit(HERE, &[here], &[]).unwrap();
        assert!(here_only.queue("email") && here_only.account().is_none());
        for (queues, endpoints) in [
            (AWS, &[here][..]),
            (HERE, &[]),
            (HERE, &[here, ("AWS_ENDPOINT_URL_SNS", "https://sns.eu-central-1.amazonaws.com")]),
            (HERE, &[("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:4566")]),
            (HERE, &[here, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]),
        ] {
            assert_eq!(permit(queues, endpoints, &[]).err(), Some(Trouble::Forbidden), "{queues} {endpoints:?}");
        }
    }
}
