//! Who may do what.

use sendoff_aws::tables::{
    inbox::{DELIVERY, RATE},
    records::{EVENT, RECORD, REQUEST},
};
use sendoff_producers::{
    api::TIMELINE,
    model::{Approval, Stored as _, Submission, Suppression, User, WebhookEndpoint},
};
use serde_json::{Value, json};

use super::{
    Rule, Template,
    calls::{MACHINES, RUNS},
};
use crate::template::document::{Resource, referred};

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
            "states:StartExecution",
        ],
        resource: MACHINES,
        because: "state machines are made of workflows that are published later, and named with our own prefix",
    },
    Exception {
        actions: &["states:DescribeExecution"],
        resource: RUNS,
        because: "runs are named after events, of our own state machines",
    },
    Exception {
        actions: &["states:SendTaskSuccess"],
        resource: "*",
        because: "a task is named by its token alone, and can't be granted by state machine",
    },
];

/// The collections that each role may write to, and what the keys of the other items begin with that its commits hold.
const COLLECTIONS: &[(&str, &[&str], &[&str])] = &[
    ("CallbacksRole", &[Approval::COLLECTION, Suppression::COLLECTION, User::COLLECTION], &[EVENT]),
    ("StepsRole", &[Approval::COLLECTION, Submission::COLLECTION, Suppression::COLLECTION], &[EVENT, REQUEST]),
    ("EmailRole", &[Suppression::COLLECTION], &[]),
    ("SmsRole", &[Suppression::COLLECTION], &[]),
    ("WhatsappRole", &[Suppression::COLLECTION], &[]),
    ("PushRole", &[User::COLLECTION], &[]),
    ("WebhookRole", &[WebhookEndpoint::COLLECTION], &[]),
    ("ReactionsRole", &[TIMELINE], &[]),
];

/// Whose keys of the inbox those hold who do nothing but actions.
const ACTIONS: &[(&str, &[&str])] = &[("ExternalRole", &["database", "http"]), ("StepsRole", &["email", "record"])];

pub(super) const RULES: &[Rule] = &[
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
    Rule {
        says: "whoever counts against rate limits may change nothing else in the inbox that way: an update knows no fence",
        problems: |template, _| {
            let expected = json!({ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": [format!("{RATE}*")] } });
            let open = |statement: &Value| {
                list(&statement["Action"]).contains(&&json!("dynamodb:UpdateItem"))
                    && list(&statement["Resource"]).into_iter().filter_map(referred).any(|on| on == "Inbox")
                    && statement["Condition"] != expected
            };
            statements(template).into_iter().filter(|(_, s)| open(s)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/SmsRole/Properties/Policies/0/PolicyDocument/Statement/5/Condition", Value::Null),
            |t| {
                t.plant(
                    "/EmailRole/Properties/Policies/0/PolicyDocument/Statement/4/Action",
                    json!(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]),
                );
            },
        ],
    },
    Rule {
        says: "whoever writes records beside the API writes those of the collections that it is for, and no others",
        problems: |template, _| {
            let keys = |role: &str| {
                let (_, collections, others) = COLLECTIONS.iter().find(|(of, ..)| *of == role)?;
                let records = collections.iter().map(|collection| format!("{RECORD}*#{collection}"));
                Some(
                    records.chain(others.iter().map(|prefix| format!("{prefix}*"))).map(Value::from).collect::<Value>(),
                )
            };
            let open = |role: &str, statement: &Value| {
                let writes = list(&statement["Action"]).contains(&&json!("dynamodb:PutItem"))
                    && list(&statement["Resource"]).into_iter().filter_map(referred).any(|on| on == "Records");
                let expected =
                    keys(role).map(|keys| json!({ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": keys } }));
                writes && role != "ApiRole" && Some(&statement["Condition"]) != expected.as_ref()
            };
            statements(template).into_iter().filter(|(id, s)| open(id, s)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/SmsRole/Properties/Policies/0/PolicyDocument/Statement/6/Condition", Value::Null),
            |t| {
                t.plant(
                    "/CallbacksRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys/-",
                    json!("r#*#apps"),
                );
            },
            |t| {
                let statement = json!({
                    "Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": { "Fn::GetAtt": ["Records", "Arn"] },
                });
                t.plant("/WorkflowKickoffRole/Properties/Policies/0/PolicyDocument/Statement/-", statement);
            },
        ],
    },
    Rule {
        says: "who does nothing but actions keeps what it has done of those, and knows of nothing else in the inbox",
        problems: |template, _| {
            let keys = |role: &str, actions: &[&str]| -> Value {
                let own = actions.iter().map(|action| format!("{action}/*"));
                // Of a mail there is a delivery record, too.
                let mails = (role == "StepsRole").then(|| format!("{DELIVERY}email/*"));
                mails.into_iter().chain(own).map(Value::from).collect()
            };
            let open = |role: &str, statement: &Value| {
                let Some((_, actions)) = ACTIONS.iter().find(|(of, _)| *of == role) else { return false };
                let expected = json!({ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": keys(role, actions) } });
                list(&statement["Action"]).contains(&&json!("dynamodb:PutItem"))
                    && list(&statement["Resource"]).into_iter().filter_map(referred).any(|on| on == "Inbox")
                    && statement["Condition"] != expected
            };
            let open = statements(template).into_iter().filter(|(id, s)| open(id, s)).map(|(id, _)| id.to_owned());
            let roles = template.resources("AWS::IAM::Role").into_iter().map(|(id, _)| id);
            let roles: Vec<_> = roles.collect();
            let missing = ACTIONS.iter().filter(|(role, _)| !roles.contains(role)).map(|(role, _)| (*role).to_owned());
            open.chain(missing).collect()
        },
        broken_by: &[
            |t| t.plant("/ExternalRole/Properties/Policies/0/PolicyDocument/Statement/0/Condition", Value::Null),
            |t| {
                t.plant(
                    "/StepsRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys/-",
                    json!("audit#*"),
                );
            },
            |t| t.plant("/ExternalRole", Value::Null),
        ],
    },
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

fn exception(action: &str, resource: &str) -> Option<&'static Exception> {
    EXCEPTIONS.iter().find(|e| e.resource == resource && e.actions.contains(&action))
}

/// One or many, as policies have it.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// Statements, those in both branches of conditions too.
fn flat(statements: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    for statement in list(statements) {
        match statement.get("Fn::If") {
            Some(branches) => found.extend(list(branches).into_iter().skip(1)),
            None => found.push(statement),
        }
    }
    found.retain(|statement| statement.get("Effect").is_some());
    found
}

/// Every statement of a role's permissions or of a resource's policy, with the resource that it stands in.
fn statements(template: &Template) -> Vec<Resource<'_>> {
    let all = template.resources("").into_iter().flat_map(|(id, resource)| {
        let properties = &resource["Properties"];
        let inline = list(&properties["Policies"]).into_iter().map(|policy| &policy["PolicyDocument"]["Statement"]);
        let own = &properties["PolicyDocument"]["Statement"];
        inline.chain([own]).flat_map(flat).map(move |statement| (id, statement))
    });
    all.collect()
}

/// Every action that something is allowed, and on what: the logical id of a resource, with the attribute if it isn't its ARN,
/// or the text as the template has it.
pub(super) fn allowed(template: &Template) -> Vec<(&str, String, String)> {
    let text = |value: &Value| match (value["Fn::Sub"].as_str().or_else(|| value.as_str()), referred(value)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(id)) => match value["Fn::GetAtt"][1].as_str().filter(|attribute| *attribute != "Arn") {
            Some(attribute) => format!("{id}.{attribute}"),
            None => id.to_owned(),
        },
        (None, None) => value.to_string(),
    };
    let mut all = Vec::new();
    for (owner, statement) in statements(template) {
        if statement["Effect"] != "Allow" {
            continue;
        }
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                all.push((owner, text(action), text(resource)));
            }
        }
    }
    all
}

/// The resource that a statement guards against plain text, if it does.
fn refuses_plain_text(statement: &Value) -> Option<String> {
    let denies = statement["Effect"] == "Deny"
        && statement["Principal"] == "*"
        && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": "false" } });
    denies.then(|| list(&statement["Resource"]).into_iter().find_map(referred).map(str::to_owned)).flatten()
}
