//! Subscriptions of the topic, and whether it may deliver.

use sendoff_consumers::{Attributes, Filter};
use sendoff_events::catalogue;
use serde_json::Value;

use super::{
    Fault, Rule,
    queues::{is_gone, of},
};
use crate::doctor::{
    Kind, Severity, family,
    model::{Model, Part, Queue, Subscription},
    policy::lets_send,
};

const ON_DLQ: &str = "https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html";
const ON_POLICY: &str = "https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "no-subscription-dead-letters",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions],
        says: "a subscription has a dead-letter queue, and it is there",
        why: "what SNS can't deliver within 23 days, or isn't allowed to, is gone",
        source: ON_DLQ,
        fix: "a `RedrivePolicy` for the subscription in the template",
        faults: |model| {
            let gone = |subscription: &Subscription| match &subscription.dead_letters {
                None => Some("no redrive policy".to_owned()),
                Some(target) if is_gone(model, target) => Some(format!("{target} is not there")),
                Some(_) => None,
            };
            each(model, gone, "RedrivePolicy", "a queue that keeps what can't be delivered", |s, queue| {
                let target = queue.map_or_else(|| "QUEUE_ARN".into(), |queue| of(queue, "-undelivered"));
                set(s, "RedrivePolicy", &format!(r#"'{{"deadLetterTargetArn":"{target}"}}'"#))
            })
        },
    },
    Rule {
        id: "topic-may-not-send",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions],
        says: "a queue lets the topic send to it, a consumer's queue and the one for what can't be delivered alike",
        why: "SNS does not repeat what isn't allowed: it is undelivered at once, and lost where that queue doesn't let it, either",
        source: ON_POLICY,
        fix: "an `AWS::SQS::QueuePolicy` with `sns.amazonaws.com` and `aws:SourceArn` of the topic",
        faults: |model| {
            let targets =
                model.subscriptions.iter().flat_map(|s| [Some(&s.endpoint), s.dead_letters.as_ref()]).flatten();
            let mut closed: Vec<&Queue> =
                targets.filter_map(|arn| model.queue(arn)).filter(|q| !is_open(model, q)).collect();
            closed.sort_by(|a, b| a.name.cmp(&b.name));
            closed.dedup_by(|a, b| a.name == b.name);
            let fault = |queue: &Queue| Fault {
                place: format!("{} Policy", queue.arn),
                queue: Some(queue.name.clone()),
                there: if queue.policy.is_none() { "no policy" } else { "no statement that lets it" }.to_owned(),
                should: format!("sqs:SendMessage for sns.amazonaws.com from {}", model.topic),
                fix: format!(
                    "a statement as `EmailQueuePolicy` in infra/aws/template.yaml has, for {}, and deploy it",
                    queue.arn
                ),
            };
            closed.into_iter().map(fault).collect()
        },
    },
    Rule {
        id: "key-hinders-topic",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions],
        says: "a queue that the topic sends to isn't encrypted with the key that AWS manages for SQS in KMS",
        why: "SNS can't use that key, and nobody can change its policy: nothing is delivered",
        source: "https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html",
        fix: "`SqsManagedSseEnabled: true`, or a key of your own whose policy lets `sns.amazonaws.com` use it",
        faults: |model| {
            let fault = |(queue, key): (&Queue, &str)| {
                let should = "SQS's own encryption, or a key that SNS may use".to_owned();
                super::of_queue(queue, key.to_owned(), should, "SqsManagedSseEnabled", true)
            };
            encrypted(model).filter(|(_, key)| is_managed(key)).map(fault).collect()
        },
    },
    Rule {
        id: "key-not-looked-at",
        severity: Severity::Note,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions],
        says: "the policy of a key of your own lets SNS use it",
        why: "where it doesn't, nothing is delivered. Policies of keys are not looked at here",
        source: "https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html",
        fix: "see that the key's policy allows `kms:GenerateDataKey` and `kms:Decrypt` for `sns.amazonaws.com` (docs/DEPLOY.md)",
        faults: |model| {
            let fault = |(queue, key): (&Queue, &str)| Fault {
                place: format!("{} KmsMasterKeyId", queue.arn),
                queue: Some(queue.name.clone()),
                there: key.to_owned(),
                should: "kms:GenerateDataKey and kms:Decrypt for sns.amazonaws.com in the key's policy".into(),
                fix: format!("aws kms get-key-policy --key-id {key} --policy-name default"),
            };
            encrypted(model).filter(|(_, key)| !is_managed(key)).map(fault).collect()
        },
    },
    Rule {
        id: "not-raw",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Subscriptions],
        says: "a subscription delivers the body as it is",
        why: "consumers are given a notification where they expect an event, and reject it",
        source: "https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html",
        fix: "`RawMessageDelivery: true` for the subscription",
        faults: |model| {
            let wrapped = |s: &Subscription| (!s.raw).then(|| "off".to_owned());
            each(model, wrapped, "RawMessageDelivery", "on", |s, _| set(s, "RawMessageDelivery", "true"))
        },
    },
    Rule {
        id: "filter-lets-nothing-through",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Subscriptions],
        says: "a subscription's filter lets at least one type of event through",
        why: "what is filtered out leaves no trace: the consumer never hears of it",
        source: "docs/EVENTS.md",
        fix: "`FilterPolicy` of the subscription",
        faults: |model| {
            let deaf = |s: &Subscription| s.filter.as_ref().filter(|filter| is_deaf(filter)).map(Value::to_string);
            each(model, deaf, "FilterPolicy", "one that fits a type of docs/EVENTS.md", |s, _| {
                set(s, "FilterPolicy", r#"'{"type":[{"prefix":"EVENT.TYPE.v"}]}'"#)
            })
        },
    },
    Rule {
        id: "filter-on-body",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: &[Part::Subscriptions],
        says: "a filter looks at attributes, not into the body",
        why: "a large event's body is only a pointer to it: such a filter lets none of them through",
        source: "https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html",
        fix: "`FilterPolicyScope: MessageAttributes`",
        faults: |model| {
            let on_body = |s: &Subscription| (s.filter.is_some() && s.filter_on_body).then(|| "MessageBody".to_owned());
            each(model, on_body, "FilterPolicyScope", "MessageAttributes", |s, _| {
                set(s, "FilterPolicyScope", "MessageAttributes")
            })
        },
    },
    Rule {
        id: "not-confirmed",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Subscriptions],
        says: "a subscription is confirmed",
        why: "until then it is given nothing, and nothing is kept for it",
        source: ON_POLICY,
        fix: "subscribe again as the queue's owner, or confirm with the token that was sent to the queue",
        faults: |model| {
            let pending = |s: &Subscription| s.pending.then(|| "it waits to be confirmed".to_owned());
            each(model, pending, "PendingConfirmation", "it is confirmed", |s, _| {
                format!(
                    "aws sns subscribe --topic-arn {} --protocol sqs --notification-endpoint {}",
                    model.topic, s.endpoint
                )
            })
        },
    },
    Rule {
        id: "no-subscription",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions, Part::Mappings],
        says: "a consumer's queue that a function polls is subscribed to the topic",
        why: "no event ever gets there, and it looks as if there were none",
        source: ON_POLICY,
        fix: "an `AWS::SNS::Subscription` for the queue",
        faults: |model| {
            let silent = model.polled().filter(|(queue, mapping)| {
                let of_consumer = model.queues.iter().any(|q| q.name != queue.name && family(&q.name) == queue.name);
                let subscribed = model.subscriptions.iter().any(|s| s.endpoint == queue.arn);
                mapping.enabled && of_consumer && !subscribed
            });
            let fault = |(queue, _): (&Queue, &_)| Fault {
                place: queue.arn.clone(),
                queue: Some(queue.name.clone()),
                there: "no subscription".into(),
                should: format!("one to {}", model.topic),
                fix: format!(
                    "a subscription as `EmailSubscription` in infra/aws/template.yaml is, for {}, and deploy it",
                    queue.arn
                ),
            };
            silent.map(fault).collect()
        },
    },
];

fn each(
    model: &Model,
    wrong: impl Fn(&Subscription) -> Option<String>,
    attribute: &str,
    should: &str,
    fix: impl Fn(&Subscription, Option<&Queue>) -> String,
) -> Vec<Fault> {
    let fault = |s: &Subscription| {
        let (there, queue) = (wrong(s)?, model.queue(&s.endpoint));
        let place = format!("{} {attribute}", s.arn);
        let named = queue.map(|queue| queue.name.clone());
        Some(Fault { place, queue: named, there, should: should.to_owned(), fix: fix(s, queue) })
    };
    model.subscriptions.iter().filter_map(fault).collect()
}

fn set(subscription: &Subscription, attribute: &str, value: &str) -> String {
    let arn = &subscription.arn;
    format!(
        "aws sns set-subscription-attributes --subscription-arn {arn} --attribute-name {attribute} --attribute-value {value}"
    )
}

/// The queues that the topic sends to, and the keys that they are encrypted with.
fn encrypted(model: &Model) -> impl Iterator<Item = (&Queue, &str)> {
    let is_target = |queue: &&Queue| {
        let mut targets = model.subscriptions.iter().flat_map(|s| [Some(&*s.endpoint), s.dead_letters.as_deref()]);
        targets.any(|target| target == Some(&*queue.arn))
    };
    model.queues.iter().filter(is_target).filter_map(|queue| Some((queue, queue.key.as_deref()?)))
}

/// Whether AWS manages the key: its policy can't be changed.
fn is_managed(key: &str) -> bool {
    key == "alias/aws/sqs" || key.ends_with(":alias/aws/sqs")
}

fn is_open(model: &Model, queue: &Queue) -> bool {
    queue.policy.as_ref().is_some_and(|policy| lets_send(policy, &queue.arn, &model.topic))
}

/// Whether no type of event that there is gets through, whatever else the filter asks for.
fn is_deaf(filter: &Value) -> bool {
    // SNS knows more operators than are read here: of those nothing is said.
    let Ok(Filter(attributes)) = serde_json::from_value(filter.clone()) else { return false };
    let empty = attributes.values().any(Vec::is_empty);
    let on_type = Filter(attributes.into_iter().filter(|(name, _)| name == "type").collect());
    let accepted = catalogue::all()
        .into_iter()
        .any(|entry| on_type.accepts(&Attributes::from([("type".to_owned(), entry.event_type.to_string())])));
    empty || !accepted
}
