//! Who acts under which role.

use serde_json::{Value, json};

use super::{Rule, list, statements};
use crate::template::document::{Resource, referred};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        says: "a role is handed only to the service that acts under it",
        problems: |template, _| {
            let trusted = |role: &str| {
                let role = &template.resource(role)["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
                role["Principal"]["Service"].clone()
            };
            let loose = |statement: &Value| {
                list(&statement["Action"]).contains(&&json!("iam:PassRole"))
                    && list(&statement["Resource"]).into_iter().any(|role| {
                        let service = referred(role).map_or(Value::Null, trusted);
                        service.is_null()
                            || statement["Condition"]["StringEquals"] != json!({ "iam:PassedToService": service })
                    })
            };
            statements(template).into_iter().filter(|(_, s)| loose(s)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| {
                t.plant("/WorkflowKickoffRole/Properties/Policies/0/PolicyDocument/Statement/13/Condition", Value::Null)
            },
            |t| {
                t.plant(
                    "/WorkflowKickoffRole/Properties/Policies/0/PolicyDocument/Statement/13/Resource",
                    json!({ "Fn::GetAtt": ["ScheduleRole", "Arn"] }),
                )
            },
            |t| {
                t.plant(
                    "/EmailRole/Properties/Policies/0/PolicyDocument/Statement/11/Condition/StringEquals",
                    Value::Null,
                )
            },
        ],
    },
    Rule {
        says: "each function has a role of its own, written out",
        problems: |template, _| {
            let functions = template.resources("AWS::Serverless::Function").into_iter();
            let shared = |(id, function): &Resource<'_>| {
                let role = referred(&function["Properties"]["Role"]);
                let own = id.strip_suffix("Function").map(|name| format!("{name}Role"));
                role != own.as_deref() || role.is_none_or(|role| template.resource(role)["Type"] != "AWS::IAM::Role")
            };
            let roles = template.resources("AWS::IAM::Role").into_iter();
            let managed = roles.filter(|(_, role)| role["Properties"].get("ManagedPolicyArns").is_some());
            functions.filter(shared).chain(managed).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailFunction/Properties/Role", Value::Null),
            |t| t.plant("/EmailFunction/Properties/Role", json!({ "Fn::GetAtt": ["ApiRole", "Arn"] })),
            |t| {
                t.plant("/ApiRole/Properties/ManagedPolicyArns", json!(["arn:aws:iam::aws:policy/AdministratorAccess"]))
            },
        ],
    },
    Rule {
        says: "schedules can send to each consumer's queue and dead-letter queue, and to nothing else",
        problems: |template, code| {
            let policies = &template.resource("ScheduleRole")["Properties"]["Policies"];
            let statement = &policies[0]["PolicyDocument"]["Statement"][0];
            // What is there under a condition is named under the same one, and else it isn't there.
            let named = list(&statement["Resource"]).into_iter().map(|resource| match resource.get("Fn::If") {
                Some(branches) => (branches[0].as_str(), &branches[1]),
                None => (None, resource),
            });
            let mut named: Vec<_> = named.filter_map(|(condition, on)| Some((referred(on)?, condition))).collect();
            named.sort_unstable();
            let mut queues: Vec<_> = template
                .resources("AWS::SQS::Queue")
                .into_iter()
                .filter(|(_, queue)| {
                    let name = queue["Properties"]["QueueName"]["Fn::Sub"].as_str().unwrap_or_default();
                    name.strip_prefix("${AWS::StackName}-")
                        .is_some_and(|name| code.consumers.contains_key(name.strip_suffix("-dlq").unwrap_or(name)))
                })
                .map(|(id, queue)| (id, queue["Condition"].as_str()))
                .collect();
            queues.sort_unstable();
            if named == queues {
                Vec::new()
            } else {
                vec![format!("it may send to {named:?}, and should to {queues:?}")]
            }
        },
        broken_by: &[
            |t| t.plant("/ScheduleRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource/1", Value::Null),
            |t| {
                let parked = json!({ "Fn::GetAtt": ["TimelineDeadLetters", "Arn"] });
                t.plant("/ScheduleRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource/-", parked);
            },
        ],
    },
];
