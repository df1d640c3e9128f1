//! Whether somebody is told of dead letters.

use super::{Fault, Rule};
use crate::doctor::{
    Kind, Severity,
    model::{Alarm, Model, Part, Queue},
};

const SOURCE: &str = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/dead-letter-queues-alarms-cloudwatch.html";
const LOOKS_AT: &[Part] = &[Part::Queues, Part::Subscriptions, Part::Mappings, Part::Alarms];

/// How many messages wait.
const DEPTH: &str = "ApproximateNumberOfMessagesVisible";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "alarm-on-wrong-metric",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: LOOKS_AT,
        says: "a dead-letter queue that is watched is watched by its depth",
        why: "SQS does not count as sent what it moves itself, and the age begins anew in a dead-letter queue and leaves out what was received three times: such an alarm stays silent",
        source: SOURCE,
        fix: "an alarm on `ApproximateNumberOfMessagesVisible`",
        faults: |model| {
            let wrong = unwatched(model).filter_map(|queue| {
                let metrics = watched(model, queue);
                (!metrics.is_empty()).then(|| fault(queue, format!("only {}", metrics.join(", "))))
            });
            wrong.collect()
        },
    },
    Rule {
        id: "no-alarm",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: LOOKS_AT,
        says: "a dead-letter queue has an alarm",
        why: "nobody is told; SQS deletes the letters after 14 days",
        source: SOURCE,
        fix: "an alarm on `ApproximateNumberOfMessagesVisible`",
        faults: |model| {
            let silent = unwatched(model).filter(|queue| watched(model, queue).is_empty());
            silent.map(|queue| fault(queue, "no alarm".into())).collect()
        },
    },
    Rule {
        id: "alarm-tells-nobody",
        severity: Severity::Note,
        kind: Kind::Aws,
        looks_at: LOOKS_AT,
        says: "an alarm on a dead-letter queue's depth has an action, and it is on",
        why: "it changes its colour on a dashboard, and nobody is woken",
        source: SOURCE,
        fix: "the parameter `AlarmTopicArn` of the template",
        faults: |model| {
            let mute = model.dead_letter_queues().flat_map(|queue| {
                let alarms: Vec<&Alarm> =
                    model.alarms.iter().filter(|alarm| on(alarm, queue).any(|m| m == DEPTH)).collect();
                let told = alarms.iter().any(|alarm| alarm.tells);
                alarms.into_iter().filter(move |_| !told).map(move |alarm| (queue, alarm))
            });
            let fault = |(queue, alarm): (&Queue, &Alarm)| Fault {
                place: format!("alarm {}", alarm.name),
                queue: Some(queue.name.clone()),
                there: "no action".into(),
                should: "somebody who is told".into(),
                fix: "deploy with AlarmTopicArn, or add an action to the alarm".into(),
            };
            mute.map(fault).collect()
        },
    },
];

/// The metrics of the queue that the alarm watches.
fn on<'a>(alarm: &'a Alarm, queue: &'a Queue) -> impl Iterator<Item = &'a str> {
    let name = queue.arn.rsplit(':').next().unwrap_or(&queue.name);
    let of_queue = move |metric: &&'a crate::doctor::model::Metric| {
        metric.namespace == "AWS/SQS" && metric.dimensions.get("QueueName").is_some_and(|named| named == name)
    };
    alarm.metrics.iter().filter(of_queue).map(|metric| &*metric.name)
}

fn watched<'a>(model: &'a Model, queue: &'a Queue) -> Vec<&'a str> {
    let mut metrics: Vec<&str> = model.alarms.iter().flat_map(|alarm| on(alarm, queue)).collect();
    metrics.sort_unstable();
    metrics.dedup();
    metrics
}

/// The dead-letter queues whose depth nobody watches.
fn unwatched(model: &Model) -> impl Iterator<Item = &Queue> {
    model.dead_letter_queues().filter(|queue| !watched(model, queue).contains(&DEPTH))
}

fn fault(queue: &Queue, there: String) -> Fault {
    let name = queue.arn.rsplit(':').next().unwrap_or(&queue.name);
    let fix = format!(
        "aws cloudwatch put-metric-alarm --alarm-name {name}-depth --namespace AWS/SQS --metric-name {DEPTH} \
         --dimensions Name=QueueName,Value={name} --statistic Maximum --period 60 --evaluation-periods 1 --threshold 0 \
         --comparison-operator GreaterThanThreshold --treat-missing-data notBreaching --alarm-actions TOPIC_ARN"
    );
    Fault {
        place: queue.arn.clone(),
        queue: Some(queue.name.clone()),
        there,
        should: format!("an alarm on {DEPTH}"),
        fix,
    }
}
