//! Queues and their dead-letter queues.

use super::{Fault, Rule};
use crate::doctor::{
    Kind, Severity, family,
    model::{Model, Part, Queue},
};

const ON_DLQ: &str =
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "no-dead-letter-queue",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions, Part::Mappings],
        says: "a queue that is worked has a dead-letter queue, and it is there",
        why: "a message that kills its consumer comes again and again until SQS deletes it for its age, without a word",
        source: ON_DLQ,
        fix: "a `RedrivePolicy` for the queue in the template",
        faults: |model| {
            let missing = worked(model).filter_map(|queue| {
                let there = match &queue.redrive {
                    None => "no redrive policy".to_owned(),
                    Some(redrive) if is_gone(model, &redrive.target) => format!("{} is not there", redrive.target),
                    Some(_) => return None,
                };
                let place = format!("{} RedrivePolicy", queue.arn);
                Some(fault(
                    queue,
                    place,
                    there,
                    "a queue that keeps what failed",
                    redrive_to(queue, &of(queue, "-dlq")),
                ))
            });
            missing.collect()
        },
    },
    Rule {
        id: "dead-letter-queue-redrives",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions, Part::Mappings],
        says: "a dead-letter queue has no redrive policy of its own",
        why: "every look is a receive, and whoever looks too often moves the letters away; this tool refuses to look into it",
        source: ON_DLQ,
        fix: "remove `RedrivePolicy` from the dead-letter queue",
        faults: |model| {
            let redriving = model.dead_letter_queues().filter_map(|queue| Some((queue, queue.redrive.as_ref()?)));
            let fault = |(queue, redrive): (&Queue, &crate::doctor::model::Redrive)| {
                let there = format!("to {} after {} receives", redrive.target, redrive.after);
                let fix = format!("aws sqs set-queue-attributes --queue-url {} --attributes RedrivePolicy=", queue.url);
                fault(queue, format!("{} RedrivePolicy", queue.arn), there, "none", fix)
            };
            redriving.map(fault).collect()
        },
    },
    Rule {
        id: "kinds-differ",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues],
        says: "a queue and its dead-letter queue are of the same kind, standard or first in, first out",
        why: "SQS moves nothing between the two kinds",
        source: ON_DLQ,
        fix: "a dead-letter queue of the other kind (`FifoQueue`)",
        faults: |model| {
            let differ = model.queues.iter().filter_map(|queue| {
                let dead = model.queue(&queue.redrive.as_ref()?.target)?;
                let kind = |fifo| if fifo { "first in, first out" } else { "standard" };
                (dead.fifo != queue.fifo).then(|| {
                    let there = format!("{}, and `{}` is {}", kind(queue.fifo), dead.name, kind(dead.fifo));
                    let fix = redrive_to(queue, &of(queue, "-dlq"));
                    fault(queue, format!("{} RedrivePolicy", queue.arn), there, "both of the same kind", fix)
                })
            });
            differ.collect()
        },
    },
    Rule {
        id: "dead-letter-queue-refuses",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues],
        says: "a dead-letter queue takes messages from the queues that redrive to it",
        why: "what can't be moved stays in its queue until SQS deletes it for its age",
        source: ON_DLQ,
        fix: "`RedriveAllowPolicy` of the dead-letter queue, or none: then all may",
        faults: |model| {
            let refusing = model.queues.iter().filter_map(|queue| {
                let dead = model.queue(&queue.redrive.as_ref()?.target)?;
                let taken = dead.takes_from.as_ref()?;
                (!taken.contains(&queue.arn)).then(|| {
                    let fix = format!(
                        "aws sqs set-queue-attributes --queue-url {} --attributes RedriveAllowPolicy=",
                        dead.url
                    );
                    let there =
                        format!("it takes from {}", if taken.is_empty() { "none".into() } else { taken.join(", ") });
                    let should = format!("it takes from {}", queue.arn);
                    fault(dead, format!("{} RedriveAllowPolicy", dead.arn), there, &should, fix)
                })
            });
            refusing.collect()
        },
    },
    Rule {
        id: "nobody-takes",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions, Part::Mappings],
        says: "messages wait only where somebody takes them, or in a dead-letter queue",
        why: "they grow older until SQS deletes them for their age, and nothing moves them",
        source: "docs/ARCHITECTURE.md",
        fix: "an event source mapping, a worker for it, or an empty queue",
        faults: |model| {
            let polled: Vec<&str> = model.polled().filter(|(_, m)| m.enabled).map(|(queue, _)| &*queue.name).collect();
            let lonely = model.queues.iter().filter(|queue| {
                queue.waiting > 0 && !polled.contains(&&*queue.name) && !model.is_dead_letter_queue(queue)
            });
            let fault = |queue: &Queue| {
                let there = format!("{} messages, and no event source mapping polls it", queue.waiting);
                let fix = "switch its event source mapping on, or start `worker` with it in SENDOFF_WORKER_CONSUMERS, if none runs";
                fault(queue, queue.arn.clone(), there, "somebody who takes them", fix.into())
            };
            lonely.map(fault).collect()
        },
    },
];

/// The queues that a consumer works: the topic sends to them, a function polls them, or they have a dead-letter queue by name.
fn worked(model: &Model) -> impl Iterator<Item = &Queue> {
    model.queues.iter().filter(|queue| {
        let named = || model.queues.iter().any(|other| other.name != queue.name && family(&other.name) == queue.name);
        let subscribed = || model.subscriptions.iter().any(|s| s.endpoint == queue.arn);
        let polled = || model.mappings.iter().any(|m| m.source == queue.arn);
        !model.is_dead_letter_queue(queue) && (named() || subscribed() || polled())
    })
}

/// Whether there is no such queue: it would be among those that were seen.
pub(super) fn is_gone(model: &Model, arn: &str) -> bool {
    let ours = model.queues.iter().filter_map(|queue| queue.arn.strip_suffix(&*queue.name));
    let is_ours = ours.into_iter().any(|prefix| !prefix.is_empty() && arn.starts_with(prefix));
    is_ours && model.queue(arn).is_none() && !model.is_hidden(Part::Queues, arn)
}

fn fault(queue: &Queue, place: String, there: String, should: &str, fix: String) -> Fault {
    Fault { place, queue: Some(queue.name.clone()), there, should: should.to_owned(), fix }
}

/// The ARN of a consumer's other queue.
pub(super) fn of(queue: &Queue, end: &str) -> String {
    match queue.arn.strip_suffix(".fifo") {
        Some(arn) => format!("{arn}{end}.fifo"),
        None => format!("{}{end}", queue.arn),
    }
}

fn redrive_to(queue: &Queue, target: &str) -> String {
    format!(
        r#"aws sqs set-queue-attributes --queue-url {} --attributes '{{"RedrivePolicy":"{{\"deadLetterTargetArn\":\"{target}\",\"maxReceiveCount\":\"500\"}}"}}'"#,
        queue.url
    )
}
