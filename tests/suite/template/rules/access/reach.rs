//! How far permissions reach: to what they are for, or else to as little as AWS lets them.

use serde_json::{Value, json};

use super::{Rule, allowed};
use crate::template::rules::calls::{MACHINES, RUNS};

/// A permission that can't name what it is for, and why.
struct Exception {
    actions: &'static [&'static str],
    resource: &'static str,
    #[expect(dead_code, reason = "for whoever reads the list")]
    because: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        actions: &["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
        resource: "*",
        because: "X-Ray has no resources",
    },
    Exception {
        actions: &["dynamodb:ListStreams"],
        resource: "*",
        because: "listing streams can't be granted by stream",
    },
    Exception {
        actions: &[
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ],
        resource: "*",
        because: "a function's network interfaces have no names before they are made",
    },
    Exception {
        actions: &["s3:PutObject", "s3:GetObject"],
        resource: "${Payloads.Arn}/*",
        because: "objects are named after events",
    },
    Exception { actions: &["s3:PutObject"], resource: "${Failures.Arn}/*", because: "Lambda names the objects" },
    Exception {
        actions: &["scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"],
        resource: "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${ScheduleGroup}/*",
        because: "schedules are named after messages, inside our own group",
    },
    Exception {
        actions: &[
            "states:CreateStateMachine",
            "states:UpdateStateMachine",
            "states:PublishStateMachineVersion",
            "states:TagResource",
            "states:DescribeStateMachine",
            "states:ListStateMachineVersions",
            "states:DeleteStateMachineVersion",
            "states:ListExecutions",
            "states:StartExecution",
            "states:SendTaskSuccess",
        ],
        resource: MACHINES,
        because: "state machines are made of workflows that are published later, and named with our own prefix",
    },
    Exception {
        actions: &["states:DescribeExecution"],
        resource: RUNS,
        because: "runs are named after events, of our own state machines",
    },
];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        says: "no permission reaches further than AWS makes it",
        problems: |template, _| {
            let wide = allowed(template).into_iter().flat_map(|(owner, action, resource)| {
                let wide = action.contains('*') || (resource.contains('*') && exception(&action, &resource).is_none());
                wide.then(|| format!("{owner} allows {action} on {resource}"))
            });
            wide.collect()
        },
        broken_by: &[
            // Also where the call itself names nothing but a token.
            |t| t.plant("/WorkflowKickoffRole/Properties/Policies/0/PolicyDocument/Statement/12/Resource", json!("*")),
            |t| t.plant("/EmailRole/Properties/Policies/0/PolicyDocument/Statement/0/Action", json!("sqs:*")),
            |t| t.plant("/EmailRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", json!("*")),
            |t| {
                let all = json!([{ "Fn::GetAtt": ["Records", "Arn"] }, { "Fn::Sub": "${Records.Arn}/index/*" }]);
                t.plant("/SweepRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", all);
            },
            |t| {
                let statement = json!({ "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*" });
                t.plant(
                    "/ApiRole/Properties/Policies/0/PolicyDocument/Statement/-",
                    json!({ "Fn::If": ["WithKms", statement, { "Ref": "AWS::NoValue" }] }),
                );
            },
        ],
    },
    Rule {
        says: "each exception from it is still needed",
        problems: |template, _| {
            let allowed = allowed(template);
            let used =
                |wanted: &str, on: &str| allowed.iter().any(|(_, action, resource)| action == wanted && resource == on);
            let all = EXCEPTIONS.iter().flat_map(|e| e.actions.iter().map(|action| (*action, e.resource)));
            all.filter(|(action, resource)| !used(action, resource))
                .map(|(action, on)| format!("{action} on {on}"))
                .collect()
        },
        broken_by: &[|t| t.plant("/WorkflowKickoffRole/Properties/Policies", Value::Null)],
    },
];

fn exception(action: &str, resource: &str) -> Option<&'static Exception> {
    EXCEPTIONS.iter().find(|e| e.resource == resource && e.actions.contains(&action))
}
