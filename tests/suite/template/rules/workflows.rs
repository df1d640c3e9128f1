//! Workflows: what their runs may call, where the functions of their actions are, and what becomes of a run that failed.

use std::collections::{BTreeMap, BTreeSet};

use sendoff_workflows::{asl::Functions, plan::Action};
use serde_json::{Value, json};

use super::{Rule, Template};
use crate::template::document::referred;

/// Step Functions takes a run up again that failed at most this long ago, in seconds, and SQS keeps nothing longer.
const TWO_WEEKS: f64 = 14.0 * 86_400.0;

pub(super) const RULES: &[Rule] = &[
    Rule {
        says: "runs may call the functions of actions, those that there are, and do nothing else",
        problems: |template, _| {
            let needed: BTreeSet<_> = functions().into_values().map(|function| existing(template, &function)).collect();
            let policies = template.resource("RunsRole")["Properties"]["Policies"].as_array().cloned();
            let statements: Vec<Value> = policies
                .into_iter()
                .flatten()
                .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().cloned().unwrap_or_default())
                .collect();
            let [statement] = &statements[..] else { return vec!["RunsRole".to_owned()] };
            let found: BTreeSet<_> = statement["Resource"].as_array().into_iter().flatten().map(named).collect();
            if statement["Action"] == "lambda:InvokeFunction" && found == needed {
                Vec::new()
            } else {
                vec![format!("RunsRole may call {found:?}, and should {needed:?}")]
            }
        },
        broken_by: &[
            |t| t.plant("/RunsRole/Properties/Policies", Value::Null),
            |t| t.plant("/RunsRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource/0", Value::Null),
            |t| {
                let api = json!({ "Fn::GetAtt": ["ApiFunction", "Arn"] });
                t.plant("/RunsRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource/-", api);
            },
            |t| {
                let sms = json!({ "Fn::GetAtt": ["SmsFunction", "Arn"] });
                t.plant("/RunsRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource/1", sms);
            },
            |t| t.plant("/RunsRole/Properties/Policies/0/PolicyDocument/Statement/0/Action", json!("lambda:*")),
        ],
    },
    Rule {
        says: "who makes state machines knows the function of each action, where there is one",
        problems: |template, _| {
            let variables = &template.resource("WorkflowKickoffFunction")["Properties"]["Environment"]["Variables"];
            let parts = &variables["SENDOFF_FUNCTIONS"]["Fn::Join"];
            let parts = parts[1].as_array().filter(|_| parts[0] == "");
            // With every channel, and without those that can be turned off.
            let wrong = [true, false].into_iter().filter(|all| {
                let texts = parts.into_iter().flatten().filter_map(|part| match &part["Fn::If"] {
                    Value::Null => part["Fn::Sub"].as_str(),
                    branches => branches[1]["Fn::Sub"].as_str().filter(|_| *all),
                });
                let found: Option<BTreeMap<String, String>> = serde_json::from_str(&texts.collect::<String>()).ok();
                let needed = functions().into_iter().filter(|(_, id)| *all || existing(template, id).1.is_none());
                let needed = needed.map(|(action, id)| (action, format!("${{{id}.Arn}}"))).collect();
                found.as_ref() != Some(&needed)
            });
            let wrong = wrong
                .map(|all| format!("SENDOFF_FUNCTIONS {} optional channels", if all { "with" } else { "without" }));
            let other_condition = parts.into_iter().flatten().filter(|part| {
                let Some(condition) = part["Fn::If"][0].as_str() else { return false };
                let text = part["Fn::If"][1]["Fn::Sub"].as_str().unwrap_or_default();
                functions().into_values().any(|id| {
                    text.contains(&format!("${{{id}.Arn}}")) && existing(template, &id).1.as_deref() != Some(condition)
                })
            });
            wrong.chain(other_condition.map(ToString::to_string)).collect()
        },
        broken_by: &[
            |t| t.plant(&functions_part("5"), Value::Null),
            |t| t.plant(&functions_part("1"), json!({ "Fn::Sub": ",\"sms\":\"${SmsFunction.Arn}\"" })),
            |t| t.plant(&functions_part("2/Fn::If/0"), json!("WithSms")),
            |t| t.plant(&functions_part("4/Fn::Sub"), json!(",\"http\":\"${ExternalFunction.Arn}\"")),
        ],
    },
    Rule {
        says: "a run that failed or ran out of time waits in a queue for as long as it can be taken up again, without what people wrote",
        problems: |template, _| {
            let rule = &template.resource("FailedRunsRule")["Properties"];
            let machines =
                "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}-run-";
            let pattern = json!({
                "source": ["aws.states"],
                "detail-type": ["Step Functions Execution Status Change"],
                "detail": {
                    "status": ["FAILED", "TIMED_OUT"],
                    "stateMachineArn": [{ "prefix": { "Fn::Sub": machines } }],
                },
            });
            // Neither input nor output, and no cause: they may hold what people wrote.
            let harmless = ["executionArn", "stateMachineArn", "name", "status", "stopDate"];
            let told = rule["Targets"][0]["InputTransformer"]["InputPathsMap"].as_object();
            let is_harmless = told.is_some_and(|told| {
                told.values().all(|path| {
                    path.as_str().and_then(|path| path.strip_prefix("$.detail.")).is_some_and(|p| harmless.contains(&p))
                })
            });
            let queue = &template.resource("FailedRuns")["Properties"];
            let policy = &template.resource("FailedRunsPolicy")["Properties"]["PolicyDocument"]["Statement"][0];
            let right = rule["EventPattern"] == pattern
                && is_harmless
                && referred(&rule["Targets"][0]["Arn"]) == Some("FailedRuns")
                && template.number(&queue["MessageRetentionPeriod"]) == Some(TWO_WEEKS)
                && policy["Principal"]["Service"] == "events.amazonaws.com"
                && referred(&policy["Condition"]["ArnEquals"]["aws:SourceArn"]) == Some("FailedRunsRule");
            if right { Vec::new() } else { vec!["FailedRuns".to_owned()] }
        },
        broken_by: &[
            |t| t.plant("/FailedRunsRule/Properties/EventPattern/detail/status/1", Value::Null),
            |t| t.plant("/FailedRunsRule/Properties/EventPattern/detail/stateMachineArn", Value::Null),
            |t| t.plant("/FailedRunsRule/Properties/Targets/0/Arn", json!({ "Fn::GetAtt": ["EmailQueue", "Arn"] })),
            |t| t.plant("/FailedRuns/Properties/MessageRetentionPeriod", json!(86_400)),
            |t| t.plant("/FailedRunsPolicy", Value::Null),
            |t| t.plant("/FailedRunsRule/Properties/Targets/0/InputTransformer", Value::Null),
            |t| {
                let input = json!("$.detail.input");
                t.plant("/FailedRunsRule/Properties/Targets/0/InputTransformer/InputPathsMap/input", input);
            },
        ],
    },
];

/// The logical id of the function of each action, and of `steps`.
fn functions() -> BTreeMap<String, String> {
    let id = |placeholder: &str| {
        let id = placeholder.strip_prefix("${").and_then(|id| id.strip_suffix("Arn}"));
        id.expect("a placeholder is `${…FunctionArn}`").to_owned()
    };
    let Functions { actions, steps, .. } = Functions::placeholders();
    let of = |action: Action| (action.name().to_owned(), id(&actions[&action]));
    Action::ALL.into_iter().map(of).chain([("steps".to_owned(), id(&steps))]).collect()
}

/// A function, and the condition under which it is there.
fn existing(template: &Template, id: &str) -> (String, Option<String>) {
    (id.to_owned(), template.resource(id)["Condition"].as_str().map(str::to_owned))
}

/// A resource of a permission, and the condition under which it is named.
fn named(resource: &Value) -> (String, Option<String>) {
    let (condition, on) = match resource.get("Fn::If") {
        Some(branches) => (branches[0].as_str().map(str::to_owned), &branches[1]),
        None => (None, resource),
    };
    (referred(on).map_or_else(|| on.to_string(), str::to_owned), condition)
}

/// The place of a part of the variable in the template.
fn functions_part(part: &str) -> String {
    format!("/WorkflowKickoffFunction/Properties/Environment/Variables/SENDOFF_FUNCTIONS/Fn::Join/1/{part}")
}
