//! The piece of a CloudFormation template that one workflow is.

use sendoff_workflows::{
    Plan, Problems,
    asl::{self, Functions, Output},
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// A template with the state machine, a role that may call exactly the functions that the workflow calls, and an alarm. The
/// functions' ARNs are its parameters.
pub(super) fn template(plan: &Plan) -> Result<Value, Problems> {
    let functions = marked(plan);
    let machine = asl::compile(plan, &functions, Output::Nothing)?;
    let called = asl::functions_of(&machine);
    let names: Vec<(&str, &str)> = called.iter().filter_map(|mark| Some((mark.as_str(), name(mark)?))).collect();
    let partition = name(&functions.partition).map(|name| (functions.partition.as_str(), name));
    let marks: Vec<(&str, &str)> = names.iter().copied().chain(partition).collect();
    let parameters = names.iter().map(|(_, name)| {
        let what = json!({ "Type": "String", "Description": "A function of the stack, or an alias of it" });
        ((*name).to_owned(), what)
    });
    let mut parameters: Map<String, Value> = parameters.collect();
    parameters.insert(
        "AlarmTopicArn".into(),
        json!({ "Type": "String", "Default": "", "Description": "A topic that is told of runs that failed" }),
    );
    let mut resources = Map::from_iter([
        ("StateMachine".to_owned(), state_machine(plan, &machine, &marks)),
        ("Role".to_owned(), role(&names)),
        ("FailedRuns".to_owned(), alarm(plan)),
    ]);
    resources.insert("Logs".into(), json!({ "Type": "AWS::Logs::LogGroup", "Properties": { "RetentionInDays": 30 } }));
    Ok(json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("Workflow {} of app {}", plan.name, plan.app),
        "Parameters": parameters,
        "Conditions": { "WithAlarmTopic": { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "AlarmTopicArn" }, ""] }] } },
        "Resources": resources,
        "Outputs": { "StateMachineArn": { "Value": { "Ref": "StateMachine" } } },
    }))
}

/// The functions and their partition by marks that are cut out of the text again. An author who knew the mark could write it: it has a hash of the plan
/// in it, which nothing in the plan can have.
fn marked(plan: &Plan) -> Functions {
    let digest = Sha256::digest(format!("{plan:?}"));
    let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let mark = |placeholder: &str| {
        let name = placeholder.trim_start_matches("${").trim_end_matches('}');
        format!("@{hash}:{name}@")
    };
    let Functions { actions, steps, .. } = Functions::placeholders();
    let actions = actions.into_iter().map(|(action, placeholder)| (action, mark(&placeholder))).collect();
    Functions { actions, steps: mark(&steps), partition: mark("${AWS::Partition}") }
}

/// The parameter, one of CloudFormation's own perhaps, that the mark stands for.
fn name(mark: &str) -> Option<&str> {
    mark.strip_suffix('@')?.split_once(':').map(|(_, name)| name)
}

fn state_machine(plan: &Plan, machine: &Value, marks: &[(&str, &str)]) -> Value {
    // Substitutions of CloudFormation would also go for what looks like one in a text of the author's.
    let mut parts = vec![Value::from(machine.to_string())];
    for (mark, name) in marks {
        let cut = |part: Value| match part {
            Value::String(text) => {
                let pieces = text.split(mark).map(|piece| json!(piece));
                let mut joined: Vec<Value> = pieces.flat_map(|piece| [json!({ "Ref": name }), piece]).collect();
                joined.remove(0);
                joined
            }
            other => vec![other],
        };
        parts = parts.into_iter().flat_map(cut).collect();
    }
    json!({
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "StateMachineName": { "Fn::Sub": format!("${{AWS::StackName}}-{}", plan.name) },
            "StateMachineType": "STANDARD",
            "DefinitionString": { "Fn::Join": ["", parts] },
            "RoleArn": { "Fn::GetAtt": ["Role", "Arn"] },
            "TracingConfiguration": { "Enabled": true },
            "LoggingConfiguration": {
                "Level": "ERROR",
                "IncludeExecutionData": false,
                "Destinations": [{ "CloudWatchLogsLogGroup": { "LogGroupArn": { "Fn::GetAtt": ["Logs", "Arn"] } } }],
            },
        },
    })
}

fn role(names: &[(&str, &str)]) -> Value {
    let mut statements = Vec::new();
    if !names.is_empty() {
        let functions: Vec<Value> = names.iter().map(|(_, name)| json!({ "Ref": name })).collect();
        statements.push(json!({
            "Sid": "Functions", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": functions,
        }));
    }
    // The delivery of logs and traces can't be granted by resource.
    statements.push(json!({
        "Sid": "LogDelivery",
        "Effect": "Allow",
        "Action": [
            "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
        ],
        "Resource": "*",
    }));
    statements.push(json!({
        "Sid": "Traces",
        "Effect": "Allow",
        "Action": [
            "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
        ],
        "Resource": "*",
    }));
    json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow",
                    "Principal": { "Service": "states.amazonaws.com" },
                    "Action": "sts:AssumeRole",
                    "Condition": { "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } } },
                }],
            },
            "Policies": [{
                "PolicyName": "run",
                "PolicyDocument": { "Version": "2012-10-17", "Statement": statements },
            }],
        },
    })
}

fn alarm(plan: &Plan) -> Value {
    let metric = |id: &str, name: &str| {
        let dimensions = json!([{ "Name": "StateMachineArn", "Value": { "Ref": "StateMachine" } }]);
        let metric = json!({ "Namespace": "AWS/States", "MetricName": name, "Dimensions": dimensions });
        json!({ "Id": id, "ReturnData": false, "MetricStat": { "Metric": metric, "Period": 300, "Stat": "Sum" } })
    };
    let topic = json!({ "Fn::If": ["WithAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
    json!({
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": format!("Runs of workflow {} of app {} failed or ran out of time", plan.name, plan.app),
            "Metrics": [
                metric("failed", "ExecutionsFailed"),
                metric("timedout", "ExecutionsTimedOut"),
                { "Id": "both", "Expression": "FILL(failed, 0) + FILL(timedout, 0)", "ReturnData": true },
            ],
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0,
            "TreatMissingData": "notBreaching",
            "AlarmActions": topic,
            "OKActions": topic,
        },
    })
}

#[cfg(test)]
mod tests {
    use sendoff_workflows::Definition;

    use super::*;

    fn plan(json: Value) -> Plan {
        Plan::of(&Definition::of(json).unwrap()).unwrap()
    }

    #[test]
    fn the_role_may_call_what_the_workflow_calls_and_nothing_else() {
        let template = template(&plan(json!({
            "workflow": "w", "app": "a", "on": [{ "manual": true }],
            "steps": [
                { "id": "mail", "email": { "to": { "user": "ada" }, "subject": "${SmsFunctionArn}", "text": "x" } },
                { "id": "again", "email": { "to": { "user": "ada" }, "template": { "name": "t", "data": {
                    "FunctionName": "@0:SmsFunctionArn@", "others": [{ "FunctionName": "x:AWS::AccountId@" }],
                } } } },
            ],
        })))
        .unwrap();
        let statement = &template["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0];
        assert_eq!(statement["Resource"], json!([{ "Ref": "EmailFunctionArn" }]));
        assert_eq!(statement["Action"], "lambda:InvokeFunction");
        let parameters: Vec<_> = template["Parameters"].as_object().unwrap().keys().collect();
        assert_eq!(parameters, ["AlarmTopicArn", "EmailFunctionArn"]);
        let parts = &template["Resources"]["StateMachine"]["Properties"]["DefinitionString"]["Fn::Join"][1];
        let put_in =
            |part: &Value| part.as_str().map_or_else(|| part["Ref"].as_str().unwrap().to_owned(), str::to_owned);
        let text: String = parts.as_array().unwrap().iter().map(put_in).collect();
        let machine: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(asl::functions_of(&machine), ["EmailFunctionArn"]);
        // Regions in China and of the government have partitions of their own.
        assert!(parts.as_array().unwrap().contains(&json!({ "Ref": "AWS::Partition" })), "{text}");
        assert_eq!(machine["States"]["mail"]["Resource"], "arn:AWS::Partition:states:::lambda:invoke");
        assert!(text.contains("${SmsFunctionArn}") && text.contains("@0:SmsFunctionArn@"), "{text}");
    }
}
