//! Queues and what polls them.

use serde_json::{Value, json};

use super::{Rule, Template};
use crate::template::{code::Needs, document::referred};

pub(super) const RULES: &[Rule] = &[
    Rule {
        says: "a consumer's queues stay while its channel is off: what is in them would be gone without a word",
        problems: |template, code| {
            let of_consumer = |queue: &Value| {
                let name = queue["Properties"]["QueueName"]["Fn::Sub"].as_str().unwrap_or_default();
                let name = name.strip_prefix("${AWS::StackName}-").unwrap_or_default();
                let name = name.strip_suffix("-dlq").or_else(|| name.strip_suffix("-undelivered")).unwrap_or(name);
                code.consumers.contains_key(name)
            };
            let queues = template.resources("AWS::SQS::Queue").into_iter();
            let lost = queues.filter(|(_, queue)| of_consumer(queue) && queue.get("Condition").is_some());
            lost.map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/SmsQueue/Condition", json!("WithSms")),
            |t| t.plant("/PushDeadLetters/Condition", json!("WithPush")),
            |t| t.plant("/WhatsappUndelivered/Condition", json!("WithWhatsapp")),
        ],
    },
    Rule {
        says: "each consumer has its queue, function and mapping",
        problems: |template, code| {
            let known: Vec<&str> = polled(template).into_iter().map(|polled| polled.consumer).collect();
            code.consumers.keys().filter(|name| !known.contains(*name)).map(ToString::to_string).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailMapping", Value::Null),
            |t| t.plant("/EmailQueue/Properties/QueueName", json!({ "Fn::Sub": "${AWS::StackName}-mail" })),
            |t| t.plant("/EmailFunction/Properties/Environment/Variables/SENDOFF_CONSUMER", json!("mail")),
        ],
    },
    Rule {
        says: "a lease outlives six runs of the function and the batching window",
        problems: |template, _| {
            let short = |p: &Polled<'_>| p.visibility < 6.0 * p.timeout + p.window;
            blame(template, short)
        },
        broken_by: &[
            |t| t.plant("/EmailQueue/Properties/VisibilityTimeout", json!(1980)),
            |t| t.plant("/WorkflowKickoffQueue/Properties/VisibilityTimeout", Value::Null),
            |t| t.plant("/WorkflowKickoffFunction/Properties/Timeout", json!(60)),
            |t| t.plant("/EmailMapping/Properties/MaximumBatchingWindowInSeconds", json!(300)),
        ],
    },
    Rule {
        says: "a function runs longer than the longest attempt of its consumer",
        problems: |template, code| {
            let needs =
                |p: &Polled<'_>| code.consumers.get(p.consumer).map_or(0.0, |needs| needs.timeout.as_secs_f64());
            blame(template, |p| p.timeout <= needs(p))
        },
        broken_by: &[
            |t| t.plant("/EmailFunction/Properties/Timeout", json!(300)),
            |t| t.plant("/WorkflowKickoffFunction/Properties/Timeout", json!(30)),
        ],
    },
    Rule {
        says: "what can't be handled is moved to the consumer's dead-letter queue, and not before attempts are used up",
        problems: |template, code| {
            blame(template, |p| {
                let redrive = &p.queue["RedrivePolicy"];
                let most = code.consumers.get(p.consumer).map_or(500.0, |needs| most_receives(needs, p.visibility));
                let named = json!({ "Fn::Sub": format!("${{AWS::StackName}}-{}-dlq", p.consumer) });
                let target = referred(&redrive["deadLetterTargetArn"]).map(|id| template.resource(id));
                target.is_none_or(|dead| dead["Properties"]["QueueName"] != named) || redrive["maxReceiveCount"] != most
            })
        },
        broken_by: &[
            |t| t.plant("/EmailQueue/Properties/RedrivePolicy", Value::Null),
            |t| t.plant("/EmailQueue/Properties/RedrivePolicy/maxReceiveCount", json!(5)),
            |t| t.plant("/WebhookQueue/Properties/RedrivePolicy/maxReceiveCount", json!(18)),
            |t| {
                let other = json!({ "Fn::GetAtt": ["EmailDeadLetters", "Arn"] });
                t.plant("/WorkflowKickoffQueue/Properties/RedrivePolicy/deadLetterTargetArn", other);
            },
        ],
    },
    Rule {
        says: "what is put off again and again is moved to the dead-letter queue before SQS deletes it for its age",
        problems: |template, code| {
            blame(template, |p| {
                let receives = template.number(&p.queue["RedrivePolicy"]["maxReceiveCount"]).unwrap_or(f64::INFINITY);
                let needs = code.consumers.get(p.consumer);
                let wait = needs.map_or(p.visibility, |needs| longest_wait(needs, p.visibility));
                let more = needs.map_or(0.0, |needs| more_for_attempts(needs, p.visibility));
                template.number(&p.queue["MessageRetentionPeriod"]).unwrap_or(345_600.0) < receives * wait + more
            })
        },
        broken_by: &[
            |t| t.plant("/EmailQueue/Properties/MessageRetentionPeriod", json!(345_600)),
            |t| t.plant("/WorkflowKickoffQueue/Properties/MessageRetentionPeriod", Value::Null),
            |t| t.plant("/EmailQueue/Properties/RedrivePolicy/maxReceiveCount", json!(600)),
            |t| t.plant("/WebhookQueue/Properties/RedrivePolicy/maxReceiveCount", json!(500)),
        ],
    },
    Rule {
        says: "a dead letter is kept longer than it may have waited before",
        problems: |template, _| {
            blame(template, |p| {
                let dead = referred(&p.queue["RedrivePolicy"]["deadLetterTargetArn"]).map(|id| template.resource(id));
                let retention = |queue: &Value| template.number(&queue["MessageRetentionPeriod"]);
                dead.and_then(|dead| retention(&dead["Properties"])) <= retention(p.queue)
            })
        },
        broken_by: &[
            |t| t.plant("/EmailDeadLetters/Properties/MessageRetentionPeriod", json!(345_600)),
            |t| t.plant("/EmailDeadLetters/Properties/MessageRetentionPeriod", Value::Null),
            |t| t.plant("/WorkflowKickoffQueue/Properties/MessageRetentionPeriod", json!(1_209_600)),
        ],
    },
    Rule {
        says: "each queue is of the standard kind and encrypted",
        problems: |template, _| {
            let open = |queue: &Value| {
                let managed = &queue["SqsManagedSseEnabled"];
                let own_key = &queue["KmsMasterKeyId"]["Fn::If"];
                queue["FifoQueue"] == true
                    || managed["Fn::If"][2] != true
                    || own_key[1] != json!({ "Ref": "KmsKeyArn" })
            };
            let queues = template.resources("AWS::SQS::Queue").into_iter();
            queues.filter(|(_, queue)| open(&queue["Properties"])).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailUndelivered/Properties/SqsManagedSseEnabled", Value::Null),
            |t| t.plant("/EmailQueue/Properties/KmsMasterKeyId", Value::Null),
            |t| t.plant("/EmailQueue/Properties/FifoQueue", json!(true)),
        ],
    },
    Rule {
        says: "a mapping starts no more than the function may run at once",
        problems: |template, _| {
            blame(template, |p| {
                let most = template.number(&p.mapping["ScalingConfig"]["MaximumConcurrency"]);
                let reserved = template.number(&p.function["ReservedConcurrentExecutions"]);
                most.is_none_or(|most| {
                    !(2.0..=1000.0).contains(&most) || reserved.is_some_and(|reserved| most > reserved)
                })
            })
        },
        broken_by: &[
            |t| t.plant("/EmailFunction/Properties/ReservedConcurrentExecutions", json!(5)),
            |t| t.plant("/EmailMapping/Properties/ScalingConfig", Value::Null),
            |t| t.plant("/EmailMapping/Properties/ScalingConfig/MaximumConcurrency", json!(1)),
        ],
    },
];

/// How often a message may be received: 500 times, or as often as its longest waits fit into the twelve days that it is kept.
/// More than all of its attempts in any case.
fn most_receives(needs: &Needs, lease: f64) -> f64 {
    let fit = (12.0 * 86_400.0 - more_for_attempts(needs, lease)) / longest_wait(needs, lease);
    fit.floor().min(500.0).max(f64::from(needs.attempts) + 1.0)
}

/// The longest that a message waits at a time, but for its next attempt. A function that can't start gives nothing back: its
/// messages come again when their lease has lapsed.
fn longest_wait(needs: &Needs, lease: f64) -> f64 {
    needs.wait.as_secs_f64().max(lease)
}

/// How much longer than that its attempts let it wait, all together.
fn more_for_attempts(needs: &Needs, lease: f64) -> f64 {
    f64::from(needs.attempts) * (needs.retry.as_secs_f64() - longest_wait(needs, lease)).max(0.0)
}

/// A queue, the function that works it, and the mapping between them.
struct Polled<'a> {
    consumer: &'a str,
    queue: &'a Value,
    function: &'a Value,
    mapping: &'a Value,
    visibility: f64,
    timeout: f64,
    window: f64,
}

fn polled(template: &Template) -> Vec<Polled<'_>> {
    let queue_of = |mapping: &Value| {
        let id = referred(&mapping["EventSourceArn"])?.to_owned();
        template.resources("AWS::SQS::Queue").into_iter().find(|(queue, _)| *queue == id)
    };
    template
        .resources("AWS::Lambda::EventSourceMapping")
        .into_iter()
        .filter_map(|(_, mapping)| {
            let mapping = &mapping["Properties"];
            let queue = &queue_of(mapping)?.1["Properties"];
            let function = &template.resource(referred(&mapping["FunctionName"])?)["Properties"];
            let consumer = function["Environment"]["Variables"]["SENDOFF_CONSUMER"].as_str()?;
            let named = json!({ "Fn::Sub": format!("${{AWS::StackName}}-{consumer}") });
            (queue["QueueName"] == named).then(|| Polled {
                consumer,
                queue,
                function,
                mapping,
                // The services' defaults, where the template says nothing.
                visibility: template.number(&queue["VisibilityTimeout"]).unwrap_or(30.0),
                timeout: template.number(&function["Timeout"]).unwrap_or(3.0),
                window: template.number(&mapping["MaximumBatchingWindowInSeconds"]).unwrap_or(0.0),
            })
        })
        .collect()
}

fn blame(template: &Template, wrong: impl Fn(&Polled<'_>) -> bool) -> Vec<String> {
    polled(template).into_iter().filter(|p| wrong(p)).map(|p| p.consumer.to_owned()).collect()
}
