//! The topic's subscriptions.

use serde_json::{Value, json};

use super::{Rule, Template};
use crate::template::document::referred;

pub(super) const RULES: &[Rule] = &[
    Rule {
        says: "each consumer's subscription lets through exactly what its handlers take",
        problems: |template, code| {
            let filters: Vec<(String, &Value)> = subscriptions(template).collect();
            let wrong = |(name, filter): (&str, Value)| {
                let found = filters.iter().find(|(queue, _)| *queue == format!("${{AWS::StackName}}-{name}"));
                let same = |subscription: &Value| {
                    subscription["FilterPolicy"] == filter && subscription["FilterPolicyScope"] == "MessageAttributes"
                };
                (!found.is_some_and(|(_, subscription)| same(subscription)))
                    .then(|| format!("{name} needs the filter policy {filter}"))
            };
            let needed = code.consumers.iter();
            needed.filter_map(|(name, needs)| wrong((name, serde_json::to_value(&needs.filter).ok()?))).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailSubscription", Value::Null),
            |t| t.plant("/EmailSubscription/Properties/FilterPolicy/type/1", Value::Null),
            |t| t.plant("/WorkflowKickoffSubscription/Properties/FilterPolicy/type/-", json!({ "prefix": "app." })),
            |t| t.plant("/EmailSubscription/Properties/FilterPolicyScope", json!("MessageBody")),
        ],
    },
    Rule {
        says: "each subscription delivers the body as it is, and what it can't deliver into a queue of its own",
        problems: |template, _| {
            let all: Vec<(String, &Value)> = subscriptions(template).collect();
            let undelivered = |s: &Value| referred(&s["RedrivePolicy"]["deadLetterTargetArn"]).map(str::to_owned);
            let wrong = |(queue, s): &(String, &Value)| {
                let named = undelivered(s).and_then(|id| {
                    template.resource(&id)["Properties"]["QueueName"]["Fn::Sub"].as_str().map(str::to_owned)
                });
                s["RawMessageDelivery"] != true || named != Some(format!("{queue}-undelivered"))
            };
            all.iter().filter(|s| wrong(s)).map(|(queue, _)| queue.clone()).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailSubscription/Properties/RedrivePolicy", Value::Null),
            |t| t.plant("/EmailSubscription/Properties/RawMessageDelivery", Value::Null),
            |t| {
                let other = json!({ "Fn::GetAtt": ["EmailUndelivered", "Arn"] });
                t.plant("/WorkflowKickoffSubscription/Properties/RedrivePolicy/deadLetterTargetArn", other);
            },
        ],
    },
    Rule {
        says: "each queue that the topic sends to lets it, for this topic and this account only",
        problems: |template, _| {
            let targets = template.resources("AWS::SNS::Subscription").into_iter().flat_map(|(_, subscription)| {
                let properties = &subscription["Properties"];
                [&properties["Endpoint"], &properties["RedrivePolicy"]["deadLetterTargetArn"]]
                    .into_iter()
                    .filter_map(referred)
            });
            targets.filter(|queue| !lets_the_topic_send(template, queue)).map(str::to_owned).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailQueuePolicy", Value::Null),
            |t| t.plant("/EmailUndeliveredPolicy/Properties/PolicyDocument/Statement/0", Value::Null),
            |t| t.plant("/EmailQueuePolicy/Properties/Queues", json!([{ "Ref": "WorkflowKickoffQueue" }])),
            |t| t.plant("/EmailQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/ArnEquals", Value::Null),
        ],
    },
];

/// The name of each subscription's queue, and the subscription.
fn subscriptions(template: &Template) -> impl Iterator<Item = (String, &Value)> {
    template.resources("AWS::SNS::Subscription").into_iter().map(|(_, subscription)| {
        let properties = &subscription["Properties"];
        let queue =
            referred(&properties["Endpoint"]).map(|id| &template.resource(id)["Properties"]["QueueName"]["Fn::Sub"]);
        (queue.and_then(Value::as_str).unwrap_or("?").to_owned(), properties)
    })
}

fn lets_the_topic_send(template: &Template, queue: &str) -> bool {
    let expected = json!({
        "ArnEquals": { "aws:SourceArn": { "Ref": "Topic" } },
        "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } },
    });
    let allows = |statement: &Value| {
        statement["Effect"] == "Allow"
            && statement["Principal"] == json!({ "Service": "sns.amazonaws.com" })
            && statement["Action"] == "sqs:SendMessage"
            && referred(&statement["Resource"]) == Some(queue)
            && statement["Condition"] == expected
    };
    template.resources("AWS::SQS::QueuePolicy").into_iter().any(|(_, policy)| {
        let properties = &policy["Properties"];
        let statements = properties["PolicyDocument"]["Statement"].as_array();
        properties["Queues"] == json!([{ "Ref": queue }]) && statements.is_some_and(|all| all.iter().any(allows))
    })
}
