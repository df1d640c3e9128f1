//! How long a message is hidden, how often it is tried, and for how long it is kept.

use super::{DAY, Fault, Rule, of_queue, span};
use crate::doctor::{Kind, Severity, model::Part};

/// The longest time that SQS keeps a message.
const LONGEST: u64 = 14 * DAY;
/// So often at least is a message tried before it is moved.
const FEWEST: u64 = 5;

const ON_LAMBDA: &str = "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html";
const ON_RETENTION: &str =
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "lease-too-short",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Mappings, Part::Functions],
        says: "the visibility timeout is at least six times the function's timeout, and the batching window",
        why: "throttled polls hide messages without running anything: they come back while they are still worked on, and use up their receives",
        source: ON_LAMBDA,
        fix: "`VisibilityTimeout` of the queue in the template",
        faults: |model| {
            let short = model.polled().filter_map(|(queue, mapping)| {
                let timeout = model.function(mapping)?.timeout;
                let least = timeout * 6 + mapping.window;
                (queue.visibility < least).then(|| {
                    let should = format!("at least 6 × {timeout} s + {} s = {least} s", mapping.window);
                    of_queue(queue, format!("{} s", queue.visibility), should, "VisibilityTimeout", least)
                })
            });
            short.collect()
        },
    },
    Rule {
        id: "moved-too-early",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Mappings],
        says: "a message that a function works is received five times at least before it is moved",
        why: "a throttled poll counts as a receive: messages that never ran end as dead letters",
        source: ON_LAMBDA,
        fix: "`maxReceiveCount` in the queue's `RedrivePolicy` in the template",
        faults: |model| {
            let early = model.polled().filter_map(|(queue, _)| {
                let redrive = queue.redrive.as_ref().filter(|redrive| redrive.after < FEWEST)?;
                let policy = format!(
                    r#"'{{"RedrivePolicy":"{{\"deadLetterTargetArn\":\"{}\",\"maxReceiveCount\":\"{FEWEST}\"}}"}}'"#,
                    redrive.target
                );
                let fix = format!("aws sqs set-queue-attributes --queue-url {} --attributes {policy}", queue.url);
                Some(Fault {
                    place: format!("{} RedrivePolicy.maxReceiveCount", queue.arn),
                    queue: Some(queue.name.clone()),
                    there: redrive.after.to_string(),
                    should: format!("at least {FEWEST}"),
                    fix,
                })
            });
            early.collect()
        },
    },
    Rule {
        id: "retention-gap",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues],
        says: "a dead-letter queue keeps messages longer than the queue that they come from",
        why: "the age of a message counts from when it was first sent: what has waited long in its queue is deleted at once in the dead-letter queue",
        source: ON_RETENTION,
        fix: "`MessageRetentionPeriod` of the dead-letter queue, up to 1209600; less of the source",
        faults: |model| {
            let pairs = model.queues.iter().filter_map(|from| {
                let dead = model.queue(&from.redrive.as_ref()?.target)?;
                (!dead.fifo && dead.retention <= from.retention).then_some((from, dead))
            });
            let fault = |(from, dead): (&_, &_)| {
                let (from, dead): (&crate::doctor::model::Queue, &crate::doctor::model::Queue) = (from, dead);
                let should = format!("more than the {} of `{}`", span(from.retention), from.name);
                // Where the dead-letter queue can't keep longer, the source has to keep shorter.
                if dead.retention >= LONGEST {
                    let should = format!("less than the {} of `{}`", span(dead.retention), dead.name);
                    of_queue(from, span(from.retention), should, "MessageRetentionPeriod", 12 * DAY)
                } else {
                    of_queue(dead, span(dead.retention), should, "MessageRetentionPeriod", LONGEST)
                }
            };
            pairs.map(fault).collect()
        },
    },
    Rule {
        id: "dead-letters-kept-short",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions, Part::Mappings],
        says: "a dead-letter queue keeps messages for 14 days, as long as SQS can",
        why: "whoever repairs has less time: over a weekend, or a holiday, the first are gone",
        source: ON_RETENTION,
        fix: "`MessageRetentionPeriod: 1209600` of the dead-letter queue",
        faults: |model| {
            let short = model.dead_letter_queues().filter(|queue| queue.retention < LONGEST);
            short
                .map(|queue| of_queue(queue, span(queue.retention), "14 d".into(), "MessageRetentionPeriod", LONGEST))
                .collect()
        },
    },
    Rule {
        id: "fifo-clock-restarts",
        severity: Severity::Note,
        kind: Kind::Aws,
        looks_at: &[Part::Queues],
        says: "of a first-in-first-out dead-letter queue, the time until a message is lost counts from its move, not from its first send",
        why: "how old an event is does not show in its queue; a message may go round for longer than the inbox remembers it",
        source: ON_RETENTION,
        fix: "nothing to mend: look at `firstpublished` before a replay",
        faults: |model| {
            let restarting = model.queues.iter().filter(|queue| queue.fifo && model.sources(queue).next().is_some());
            let fault = |queue: &crate::doctor::model::Queue| Fault {
                place: queue.arn.clone(),
                queue: Some(queue.name.clone()),
                there: format!("kept for {} from the move", span(queue.retention)),
                should: "known to whoever replays".into(),
                fix: format!("dlq show {} --output json, and compare `firstpublished`", queue.name),
            };
            restarting.map(fault).collect()
        },
    },
];
