//! What the names and attributes of queues say: which of them hold dead letters, and whose.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use sendoff_consumers::{DeadLetterKind, DeadLetterQueue};
use serde::Deserialize;

use super::{is_fifo, is_url};

/// A queue as SQS tells of it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Its name in this deployment, or its URL.
    pub(super) name: String,
    /// What `GetQueueAttributes` says.
    pub(super) attributes: HashMap<Attribute, String>,
}

#[derive(Deserialize)]
struct Redrive {
    #[serde(rename = "deadLetterTargetArn")]
    target: String,
    #[serde(rename = "maxReceiveCount", default)]
    most: serde_json::Value,
}

impl Seen {
    pub(super) fn number(&self, name: &Attribute) -> Option<u64> {
        self.attributes.get(name)?.parse().ok()
    }

    fn redrive(&self) -> Option<Redrive> {
        serde_json::from_str(self.attributes.get(&Attribute::RedrivePolicy)?).ok()
    }

    /// The queue as one that holds dead letters of this kind.
    pub(super) fn of_kind(self, kind: DeadLetterKind) -> DeadLetterQueue {
        let count = |name| self.number(&name).unwrap_or_default();
        let untouchable = self.redrive().map(|Redrive { target, most }| {
            let (to, most) = (target.rsplit(':').next().unwrap_or_default(), most.to_string());
            format!(
                "it has a redrive policy of its own: every look counts as a receive, and after {} of them SQS moves a letter to \
                 `{to}`. Take the policy away first (aws sqs set-queue-attributes, RedrivePolicy=\"\")",
                most.trim_matches('"')
            )
        });
        DeadLetterQueue {
            waiting: count(Attribute::ApproximateNumberOfMessages),
            in_flight: count(Attribute::ApproximateNumberOfMessagesNotVisible),
            retention: self.number(&Attribute::MessageRetentionPeriod).map(Duration::from_secs),
            fifo: is_fifo(&self.name),
            untouchable,
            facts: None,
            kind,
            name: self.name,
        }
    }
}

/// Which queues the others are moved to, by SQS itself: names, and the names of those that they are moved from.
pub(super) fn targets(base: &str, seen: &[Seen]) -> BTreeMap<String, BTreeSet<String>> {
    let mut targets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for queue in seen {
        if let Some(redrive) = queue.redrive() {
            targets.entry(name_of_arn(base, &redrive.target)).or_default().insert(queue.name.clone());
        }
    }
    targets
}

/// Those of these queues that hold dead letters, by name.
pub(super) fn dead_letter_queues(base: &str, seen: Vec<Seen>) -> Vec<DeadLetterQueue> {
    let targets = targets(base, &seen);
    let names: BTreeSet<String> = seen.iter().map(|queue| queue.name.clone()).collect();
    let mut found: Vec<DeadLetterQueue> = seen
        .into_iter()
        .filter_map(|queue| {
            let kind = kind(&queue.name, &names, targets.get(&queue.name))?;
            Some(queue.of_kind(kind))
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Whose letters the queue of this name holds, if any, among queues of these names.
fn kind(name: &str, names: &BTreeSet<String>, sources: Option<&BTreeSet<String>>) -> Option<DeadLetterKind> {
    let source = sources.filter(|sources| sources.len() == 1).and_then(|sources| sources.first());
    let (stem, end) = name.strip_suffix(".fifo").map_or((name, ""), |stem| (stem, ".fifo"));
    let before =
        |suffix: &str| stem.strip_suffix(suffix).filter(|stem| !stem.is_empty()).map(|stem| format!("{stem}{end}"));
    if let Some(consumer) = before("-undelivered") {
        return Some(if names.contains(&consumer) {
            DeadLetterKind::Undelivered(consumer)
        } else {
            DeadLetterKind::Foreign
        });
    }
    if let Some(consumer) = before(DeadLetterKind::QUARANTINE) {
        return Some(DeadLetterKind::Quarantine(consumer));
    }
    if let Some(consumer) = before("-dlq") {
        return Some(match source {
            _ if names.contains(&consumer) => DeadLetterKind::Consumer(consumer),
            Some(source) => DeadLetterKind::Consumer(source.clone()),
            // What no queue is for was parked by a reaction.
            None => DeadLetterKind::Reaction(consumer),
        });
    }
    sources?;
    Some(source.map_or(DeadLetterKind::Foreign, |source| DeadLetterKind::Consumer(source.clone())))
}

/// Whether a queue of this name is one to put letters aside in.
pub(super) fn is_quarantine(name: &str) -> bool {
    matches!(kind(name, &BTreeSet::new(), None), Some(DeadLetterKind::Quarantine(_)))
}

/// The name in this deployment of a queue whose URL or ARN ends in this; of another queue in the same account, its URL.
pub(super) fn name_of_arn(base: &str, arn: &str) -> String {
    let short = arn.rsplit(':').next().unwrap_or_default();
    let (home, prefix) = split(base);
    match short.strip_prefix(prefix) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("{home}/{short}"),
    }
}

/// The name in this deployment of a queue, by its URL. SQS has several host names, so only the end of the URL tells.
pub(super) fn name_of_url<'a>(base: &str, url: &'a str) -> Option<&'a str> {
    let name = url.rsplit('/').next()?.strip_prefix(split(base).1)?;
    (!name.is_empty()).then_some(name)
}

/// The beginning of every URL, and that of every name.
pub(super) fn split(base: &str) -> (&str, &str) {
    base.rsplit_once('/').unwrap_or(("", base))
}

/// Account and stack, as far as the URLs tell them.
pub(super) fn home(base: &str) -> String {
    let (home, prefix) = split(base);
    format!("{}/{prefix}", home.rsplit('/').next().unwrap_or_default())
}

/// The name as it is listed: a queue of this deployment isn't named by its URL.
pub(super) fn plain<'a>(base: &str, name: &'a str) -> &'a str {
    if is_url(name) { name.strip_prefix(base).filter(|rest| !rest.is_empty()).unwrap_or(name) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/sendoff-";

    fn seen(name: &str, redrive_to: Option<&str>) -> Seen {
        let mut attributes = HashMap::from([
            (Attribute::MessageRetentionPeriod, "1209600".to_owned()),
            (Attribute::ApproximateNumberOfMessages, "3".to_owned()),
            (Attribute::ApproximateNumberOfMessagesNotVisible, "2".to_owned()),
        ]);
        attributes.extend(redrive_to.map(|to| {
            let arn = format!("arn:aws:sqs:eu-central-1:123456789012:{to}");
            let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":500}}"#);
            (Attribute::RedrivePolicy, policy)
        }));
        Seen { name: name.to_owned(), attributes }
    }

    fn kinds(seen: Vec<Seen>) -> Vec<(String, DeadLetterKind)> {
        dead_letter_queues(BASE, seen).into_iter().map(|queue| (queue.name, queue.kind)).collect()
    }

    #[test]
    fn names_and_redrive_policies_tell_whose_letters_a_queue_holds() {
        use DeadLetterKind::{Consumer, Foreign, Quarantine, Reaction, Undelivered};
        let given = vec![
            seen("email", Some("sendoff-email-dlq")),
            seen("email-dlq", None),
            seen("email-undelivered", None),
            seen("email-quarantine", None),
            seen("timeline-dlq", None),
            seen("gone-undelivered", None),
            seen("orders.fifo", Some("sendoff-orders-dlq.fifo")),
            seen("orders-dlq.fifo", None),
            seen("imports", Some("sendoff-failed")),
            seen("a", Some("sendoff-of-both")),
            seen("b", Some("sendoff-of-both")),
            seen("failed", None),
            seen("of-both", None),
            seen("-dlq", None),
        ];
        let of = |name: &str, kind| (name.to_owned(), kind);
        let expected = [
            of("email-dlq", Consumer("email".into())),
            of("email-quarantine", Quarantine("email".into())),
            of("email-undelivered", Undelivered("email".into())),
            of("failed", Consumer("imports".into())),
            of("gone-undelivered", Foreign),
            of("of-both", Foreign),
            of("orders-dlq.fifo", Consumer("orders.fifo".into())),
            of("timeline-dlq", Reaction("timeline".into())),
        ];
        assert_eq!(kinds(given), expected);
    }

    #[test]
    fn a_queue_tells_what_it_holds_and_for_how_long_and_whether_looking_does_harm() {
        let queue = seen("email-dlq", None).of_kind(DeadLetterKind::Consumer("email".into()));
        assert_eq!((queue.waiting, queue.in_flight, queue.fifo), (3, 2, false));
        assert_eq!((queue.retention, queue.untouchable), (Some(Duration::from_secs(14 * 86_400)), None));
        let queue = seen("email-dlq", Some("sendoff-grave")).of_kind(DeadLetterKind::Foreign);
        let why = queue.untouchable.unwrap();
        assert!(why.contains("500") && why.contains("`sendoff-grave`"), "{why}");
    }

    #[test]
    fn a_queue_of_the_deployment_has_a_name_and_any_other_its_url() {
        let arn = |name: &str| name_of_arn(BASE, &format!("arn:aws:sqs:eu-central-1:123456789012:{name}"));
        assert_eq!(arn("sendoff-email"), "email");
        assert_eq!(arn("other"), "https://sqs.eu-central-1.amazonaws.com/123456789012/other");
        assert_eq!(name_of_url(BASE, "https://eu-central-1.queue.amazonaws.com/123456789012/sendoff-sms"), Some("sms"));
        assert_eq!(name_of_url(BASE, "https://sqs.eu-central-1.amazonaws.com/123456789012/sendoff-"), None);
        assert_eq!(plain(BASE, &format!("{BASE}email-dlq")), "email-dlq");
        assert_eq!(plain(BASE, "https://elsewhere/1/q"), "https://elsewhere/1/q");
        assert_eq!(home(BASE), "123456789012/sendoff-");
    }
}
