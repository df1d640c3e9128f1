//! The functions and the API before them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Rule, Template};
use crate::template::document::{Resource, referred};

pub(super) const RULES: &[Rule] = &[
    Rule {
        says: "what needs no token is throttled, once it is there",
        problems: |template, _| {
            let stage = template.resource("ApiStage");
            let waits_for = |id: &str| stage["DependsOn"].as_array().is_some_and(|all| all.contains(&json!(id)));
            let limited = |route: &Value| {
                let limits = &stage["Properties"]["RouteSettings"][route["RouteKey"].as_str().unwrap_or_default()];
                ["ThrottlingRateLimit", "ThrottlingBurstLimit"]
                    .iter()
                    .all(|limit| template.number(&limits[*limit]).is_some_and(|limit| (1.0..=2000.0).contains(&limit)))
            };
            let routes = template.resources("AWS::ApiGatewayV2::Route").into_iter();
            let open = routes.filter(|(_, route)| route["Properties"]["AuthorizationType"] == "NONE");
            let wrong = open.filter(|(id, route)| !waits_for(id) || !limited(&route["Properties"]));
            wrong.map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/ApiStage/Properties/RouteSettings", Value::Null),
            |t| t.plant("/ApiStage/Properties/RouteSettings/GET ~1health/ThrottlingRateLimit", Value::Null),
            |t| t.plant("/ApiStage/DependsOn/0", Value::Null),
            |t| t.plant("/CallbacksRoute/Properties/RouteKey", json!("POST /callbacks")),
        ],
    },
    Rule {
        says: "each function is built from the binary that it is named after, and says its memory and timeout",
        problems: |template, _| {
            blame(template, |(_, function)| {
                let properties = &function["Properties"];
                let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap_or_default();
                function["Metadata"]["BuildMethod"] != "rust-cargolambda"
                    || properties["FunctionName"] != json!({ "Fn::Sub": format!("${{AWS::StackName}}-{binary}") })
                    || properties["CodeUri"] != "."
                    || !template.number(&properties["MemorySize"]).is_some_and(|mb| (128.0..=10_240.0).contains(&mb))
                    || !template.number(&properties["Timeout"]).is_some_and(|seconds| (1.0..=900.0).contains(&seconds))
            })
        },
        broken_by: &[
            |t| t.plant("/EmailFunction/Metadata", Value::Null),
            |t| t.plant("/EmailFunction/Metadata/BuildProperties/Binary", json!("mail")),
            |t| t.plant("/RelayFunction/Properties/MemorySize", Value::Null),
            |t| t.plant("/RelayFunction/Properties/Timeout", json!(901)),
            |t| t.plant("/ApiFunction/Properties/CodeUri", json!("s3://bucket/api.zip")),
        ],
    },
    Rule {
        says: "each function writes to a log group of its own that forgets",
        problems: |template, _| {
            let elsewhere = blame(template, |(id, function)| {
                let name = &function["Properties"]["FunctionName"]["Fn::Sub"];
                let group = referred(&function["Properties"]["LoggingConfig"]["LogGroup"]);
                let own = id.strip_suffix("Function").map(|name| format!("{name}Logs"));
                let logs = &template.resource(group.unwrap_or_default())["Properties"];
                let named = json!({ "Fn::Sub": format!("/aws/lambda/{}", name.as_str().unwrap_or_default()) });
                group != own.as_deref() || logs["LogGroupName"] != named
            });
            let keeps_all = |group: &Value| template.number(&group["Properties"]["RetentionInDays"]).is_none();
            let groups = template.resources("AWS::Logs::LogGroup").into_iter();
            let endless = groups.filter(|(_, group)| keeps_all(group)).map(|(id, _)| id.to_owned());
            elsewhere.into_iter().chain(endless).collect()
        },
        broken_by: &[
            |t| t.plant("/SweepFunction/Properties/LoggingConfig", Value::Null),
            |t| t.plant("/SweepLogs", Value::Null),
            |t| t.plant("/SweepLogs/Properties/RetentionInDays", Value::Null),
        ],
    },
    Rule {
        says: "the functions behind the HTTP API end before it gives up, after 30 seconds; callbacks before Twilio does, after 15",
        problems: |template, _| {
            let late = |(id, most): &(&str, f64)| {
                let timeout = template.number(&template.resource(id)["Properties"]["Timeout"]);
                timeout.is_none_or(|seconds| seconds > *most)
            };
            [("ApiFunction", 29.0), ("CallbacksFunction", 15.0)]
                .iter()
                .filter(|f| late(f))
                .map(|f| f.0.to_owned())
                .collect()
        },
        broken_by: &[
            |t| t.plant("/ApiFunction/Properties/Timeout", json!(30)),
            |t| t.plant("/CallbacksFunction/Properties/Timeout", json!(16)),
        ],
    },
    Rule {
        says: "the authorizer gives simple answers, remembered by token and route",
        problems: |template, _| {
            let authorizers = template.resources("AWS::ApiGatewayV2::Authorizer").into_iter();
            let wrong = |authorizer: &Value| {
                authorizer["AuthorizerPayloadFormatVersion"] != "2.0"
                    || authorizer["EnableSimpleResponses"] != true
                    || authorizer["IdentitySource"] != json!(["$request.header.Authorization", "$context.routeKey"])
                    || template.number(&authorizer["AuthorizerResultTtlInSeconds"]).is_none_or(|ttl| ttl > 300.0)
            };
            authorizers
                .filter(|(_, authorizer)| wrong(&authorizer["Properties"]))
                .map(|(id, _)| id.to_owned())
                .collect()
        },
        broken_by: &[
            |t| t.plant("/ApiAuthorizer/Properties/IdentitySource", json!(["$request.header.Authorization"])),
            |t| t.plant("/ApiAuthorizer/Properties/EnableSimpleResponses", json!(false)),
            |t| t.plant("/ApiAuthorizer/Properties/AuthorizerPayloadFormatVersion", json!("1.0")),
            |t| t.plant("/ApiAuthorizer/Properties/AuthorizerResultTtlInSeconds", json!(3600)),
        ],
    },
    Rule {
        says: "only the public paths of the API and those of callbacks go without a token",
        problems: |template, _| {
            let routes = template.resources("AWS::ApiGatewayV2::Route").into_iter();
            let integration = |route: &Value| route["Target"]["Fn::Sub"].as_str().unwrap_or_default().to_owned();
            let open = |route: &Value| {
                let key = route["RouteKey"].as_str().unwrap_or_default();
                let (of_api, of_callbacks) = (PUBLIC.contains(&key), CALLBACKS.contains(&key));
                let guarded =
                    route["AuthorizationType"] == "CUSTOM" && referred(&route["AuthorizerId"]) == Some("ApiAuthorizer");
                let to = if of_callbacks {
                    "integrations/${CallbacksIntegration}"
                } else {
                    "integrations/${ApiIntegration}"
                };
                (of_api || of_callbacks) == guarded || integration(route) != to
            };
            let wrong = routes.clone().filter(|(_, route)| open(&route["Properties"])).map(|(id, _)| id.to_owned());
            let paths = public_paths().into_iter().map(|path| format!("GET {path}"));
            let hidden = paths.filter(|key| !PUBLIC.contains(&key.as_str()));
            let all: Vec<_> = routes.clone().map(|(_, route)| &route["Properties"]["RouteKey"]).collect();
            let lacking = CALLBACKS.iter().filter(|key| !all.iter().any(|found| *found == **key));
            wrong.chain(hidden).chain(lacking.map(|key| (*key).to_owned())).collect()
        },
        broken_by: &[
            |t| t.plant("/ApiRoute/Properties/AuthorizationType", json!("NONE")),
            |t| t.plant("/ApiHealthRoute/Properties/RouteKey", json!("GET /v1/users")),
            |t| t.plant("/UnsubscribeRoute", Value::Null),
            |t| t.plant("/ApprovalRoute", Value::Null),
            |t| t.plant("/ApprovalPageRoute/Properties/RouteKey", json!("GET /approvals")),
            |t| t.plant("/CallbacksRoute/Properties/RouteKey", json!("POST /{proxy+}")),
            |t| t.plant("/CallbacksRoute/Properties/Target", json!({ "Fn::Sub": "integrations/${ApiIntegration}" })),
        ],
    },
    Rule {
        says: "the sweep runs each minute, one at a time, and isn't repeated",
        problems: |template, _| {
            let sweep = &template.resource("SweepFunction")["Properties"];
            let schedule = &template.resource("SweepSchedule")["Properties"];
            let right = sweep["ReservedConcurrentExecutions"] == 1
                && sweep["EventInvokeConfig"]["MaximumRetryAttempts"] == 0
                && template.number(&sweep["Timeout"]).is_some_and(|seconds| seconds < 60.0)
                && schedule["ScheduleExpression"] == "rate(1 minute)"
                && referred(&schedule["Targets"][0]["Arn"]) == Some("SweepFunction");
            if right { Vec::new() } else { vec!["SweepFunction".to_owned()] }
        },
        broken_by: &[
            |t| t.plant("/SweepFunction/Properties/ReservedConcurrentExecutions", Value::Null),
            |t| t.plant("/SweepFunction/Properties/EventInvokeConfig", Value::Null),
            |t| t.plant("/SweepFunction/Properties/Timeout", json!(60)),
            |t| t.plant("/SweepSchedule/Properties/ScheduleExpression", json!("rate(1 hour)")),
        ],
    },
    Rule {
        says: "to keep n environments of a function warm, n pings come at once, such as functions know",
        problems: |template, _| {
            let most = template.parameter("WarmConcurrency")["MaxValue"].as_u64().unwrap_or(u64::MAX).min(100);
            let cases = WARMED.iter().flat_map(|name| (0..=most).map(move |n| (*name, n)));
            let wrong = cases.filter(|(name, n)| pings(template, name, *n) != Some(*n));
            wrong.map(|(name, n)| format!("{name}: {:?} pings, not {n}", pings(template, name, n))).collect()
        },
        broken_by: &[
            |t| t.plant("/ApiWarmer/Properties/Targets/0/Input", json!("{\"source\":\"warm\"}")),
            |t| t.plant("/EmailWarmer/Properties/Targets", json!([])),
            |t| t.plant("/EmailWarmer/Properties/Targets/4", Value::Null),
            |t| t.plant("/EmailWarmer/Properties/Targets/1/Fn::If/0", json!("WarmAtLeastThree")),
            |t| t.plant("/AuthorizerWarmer/Properties/Targets/0/Arn", json!({ "Ref": "ApiFunction.Alias" })),
            |t| t.plant("/ApiWarmer/Properties/Targets/1/Fn::If/1/Id", json!("1")),
            |t| t.plant("/WorkflowKickoffWarmer/Condition", Value::Null),
        ],
    },
    Rule {
        says: "no route of the API has metrics of its own, which cost and which nobody looks at",
        problems: |template, _| {
            let stages = template.resources("AWS::ApiGatewayV2::Stage").into_iter();
            let detailed = |stage: &Value| stage.to_string().contains("\"DetailedMetricsEnabled\":true");
            stages.filter(|(_, stage)| detailed(stage)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[|t| {
            t.plant("/ApiStage/Properties/DefaultRouteSettings", json!({ "DetailedMetricsEnabled": true }));
        }],
    },
];

/// What anybody may ask the API.
const PUBLIC: [&str; 2] = ["GET /health", "GET /openapi.json"];

/// What providers and recipients call; each request carries a proof of its own.
const CALLBACKS: [&str; 6] = [
    "POST /callbacks/{proxy+}",
    "GET /callbacks/meta",
    "GET /unsubscribe/{token}",
    "POST /unsubscribe/{token}",
    "GET /approvals/{token}",
    "POST /approvals/{token}",
];

/// The functions that are kept warm.
const WARMED: [&str; 4] = ["Api", "Authorizer", "Email", "WorkflowKickoff"];

/// How many pings a function gets at once, where `n` environments are to be warm; nothing if one of them is no good.
fn pings(template: &Template, name: &str, n: u64) -> Option<u64> {
    const PING: &str = r#"{"source":"warmer","concurrency":${WarmConcurrency}}"#;
    let holds = |condition: &str| template.holds(condition, ("WarmConcurrency", n));
    let rule = template.resource(&format!("{name}Warmer"));
    if rule["Condition"].as_str().is_some_and(|condition| !holds(condition)) {
        return Some(0);
    }
    let targets = rule["Properties"]["Targets"].as_array()?.iter().filter_map(|target| match &target["Fn::If"] {
        Value::Null => Some(target),
        branches => branches[0].as_str().is_some_and(holds).then(|| &branches[1]),
    });
    let targets: Vec<&Value> = targets.collect();
    let ids: BTreeSet<&str> = targets.iter().filter_map(|target| target["Id"].as_str()).collect();
    let function = format!("{name}Function");
    let known = |target: &&Value| target["Input"]["Fn::Sub"] == PING && referred(&target["Arn"]) == Some(&*function);
    (ids.len() == targets.len() && targets.iter().all(known)).then_some(targets.len() as u64)
}

fn blame(template: &Template, wrong: impl Fn(&Resource<'_>) -> bool) -> Vec<String> {
    let functions = template.resources("AWS::Serverless::Function").into_iter();
    functions.filter(|function| wrong(function)).map(|(id, _)| id.to_owned()).collect()
}

/// The paths that the API itself serves without a token.
fn public_paths() -> Vec<String> {
    let document = sendoff_producers::api::openapi();
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let public = |item: &Value| item.as_object().is_some_and(|item| item.values().any(|o| o["security"] == json!([])));
    paths.into_iter().filter(|(_, item)| public(item)).map(|(path, _)| path).collect()
}
