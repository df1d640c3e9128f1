//! Which deployments may be put under load.

use std::collections::BTreeMap;

use sendoff_aws::Resources;

use super::OPENING;
use crate::{target::TargetError, targets::guard};

/// That a deployment may be put under load, and which of its queues past the topic.
pub(super) struct Permit {
    /// `None` on this machine, where every queue may.
    allow: Option<Vec<String>>,
}

impl Permit {
    /// Holds the allow-list against what the settings name. An emulator on this machine needs no permission. Anything else
    /// needs the account and the topic by name.
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
            return Ok(Self { allow: None });
        }
        for (kind, name) in [("account", account), ("topic", topic)] {
            if !allow.iter().any(|allowed| allowed == name) {
                let why =
                    format!("the {kind} `{name}` may not be put under load: if it may, say so with --allow {name}");
                return Err(TargetError::forbidden(OPENING, why));
            }
        }
        Ok(Self { allow: Some(allow.to_vec()) })
    }

    /// Whether messages may be put into this consumer's queue.
    pub(super) fn queue(&self, consumer: &str) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.iter().any(|allowed| allowed == consumer))
    }
}

fn account_and_topic(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':').skip(4);
    let (account, topic) = (parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (arn.starts_with("arn:") && is_account && !topic.is_empty()).then_some((account, topic))
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
    }

    #[test]
    fn an_emulator_on_this_machine_needs_no_permission_unless_anything_leads_elsewhere() {
        let here = ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
        assert!(permit(HERE, &[here], &[]).unwrap().queue("email"));
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
