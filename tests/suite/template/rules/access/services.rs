//! What is open to the services of AWS, and to whom else.

use serde_json::{Value, json};

use super::{Rule, flat, list, statements};
use crate::template::{document::referred, rules::calls::MACHINES};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        says: "a service of AWS may act for us only from our own account, and for the resource that it is allowed for",
        problems: |template, _| {
            let unnamed = |statement: &Value| {
                let services =
                    ["events.amazonaws.com", "sns.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com"];
                let service = statement["Principal"]["Service"].as_str().filter(|service| services.contains(service));
                let condition = &statement["Condition"];
                let account = condition["StringEquals"]["aws:SourceAccount"] == json!({ "Ref": "AWS::AccountId" });
                // The role of runs comes before their state machines, and knows the beginning of their names.
                let source = match service {
                    Some("states.amazonaws.com") => {
                        condition["ArnLike"]["aws:SourceArn"] == json!({ "Fn::Sub": MACHINES })
                    }
                    _ => condition["ArnEquals"].get("aws:SourceArn").is_some(),
                };
                service.is_some() && !(account && source)
            };
            let trusted = template.resources("AWS::IAM::Role").into_iter().flat_map(|(id, role)| {
                flat(&role["Properties"]["AssumeRolePolicyDocument"]["Statement"]).into_iter().map(move |s| (id, s))
            });
            statements(template)
                .into_iter()
                .chain(trusted)
                .filter(|(_, s)| unnamed(s))
                .map(|(id, _)| id.to_owned())
                .collect()
        },
        broken_by: &[
            |t| t.plant("/EmailQueuePolicy/Properties/PolicyDocument/Statement/0/Condition/ArnEquals", Value::Null),
            |t| {
                t.plant(
                    "/EmailUndeliveredPolicy/Properties/PolicyDocument/Statement/0/Condition/StringEquals",
                    Value::Null,
                )
            },
            |t| t.plant("/ScheduleRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition", Value::Null),
            |t| t.plant("/RunsRole/Properties/AssumeRolePolicyDocument/Statement/0/Condition/ArnLike", Value::Null),
            |t| t.plant("/FailedRunsPolicy/Properties/PolicyDocument/Statement/0/Condition", Value::Null),
        ],
    },
    Rule {
        says: "whoever may call a function is named with account and resource",
        problems: |template, _| {
            let open = |permission: &Value| {
                let properties = &permission["Properties"];
                properties["SourceAccount"] != json!({ "Ref": "AWS::AccountId" })
                    || properties.get("SourceArn").is_none()
            };
            let permissions = template.resources("AWS::Lambda::Permission").into_iter();
            permissions.filter(|(_, permission)| open(permission)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/ApiMayCall/Properties/SourceArn", Value::Null),
            |t| t.plant("/SweepMayBeCalled/Properties/SourceAccount", Value::Null),
        ],
    },
    Rule {
        says: "topic, queues and buckets refuse what doesn't come over TLS",
        problems: |template, _| {
            let guarded: Vec<String> =
                statements(template).into_iter().filter_map(|(_, s)| refuses_plain_text(s)).collect();
            let kinds = ["AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::S3::Bucket"];
            let all = kinds.into_iter().flat_map(|kind| template.resources(kind));
            all.filter(|(id, _)| !guarded.iter().any(|g| g == id)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/TopicPolicy", Value::Null),
            |t| t.plant("/PayloadsPolicy", Value::Null),
            |t| t.plant("/TimelineDeadLettersPolicy/Properties/PolicyDocument/Statement/0/Condition", Value::Null),
            |t| t.plant("/EmailQueuePolicy/Properties/PolicyDocument/Statement/2/Effect", json!("Allow")),
        ],
    },
];

/// The resource that a statement guards against plain text, if it does.
fn refuses_plain_text(statement: &Value) -> Option<String> {
    let denies = statement["Effect"] == "Deny"
        && statement["Principal"] == "*"
        && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": "false" } });
    denies.then(|| list(&statement["Resource"]).into_iter().find_map(referred).map(str::to_owned)).flatten()
}
