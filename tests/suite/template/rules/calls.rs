//! What each function calls, so that its role allows that and nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Rule, Template, access::allowed};

/// A resource, by its logical id or as the template has it, and what is called on it.
type Calls = (&'static str, &'static [&'static str]);

const BODIES: &str = "${Payloads.Arn}/*";
const SCHEDULES: &str = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${ScheduleGroup}/*";
/// A state machine for each workflow, and its runs, by the prefix that they all have.
pub(super) const MACHINES: &str =
    "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}-run-*";
pub(super) const RUNS: &str =
    "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:${AWS::StackName}-run-*";

const TRACES: Calls = ("*", &["xray:PutTraceSegments", "xray:PutTelemetryRecords"]);

/// With a key of one's own: to write and read what is encrypted with it.
const KEY: Calls = ("KmsKeyArn", &["kms:Decrypt", "kms:GenerateDataKey"]);

/// What Lambda makes for a function that stands in a VPC.
const INTERFACES: Calls = (
    "*",
    &[
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    ],
);

/// With a cache.
const CACHE: &[Calls] = &[("CacheUrl", &["secretsmanager:GetSecretValue"]), INTERFACES];

/// `TransactWriteItems` and `PublishBatch` have no permissions of their own.
const PUBLISHES: &[Calls] =
    &[("Records", &["dynamodb:UpdateItem"]), ("Topic", &["sns:Publish"]), (BODIES, &["s3:PutObject"])];

const RELAYS: &[Calls] =
    &[("Records", &["dynamodb:BatchGetItem"]), (BODIES, &["s3:GetObject"]), ("Payloads", &["s3:ListBucket"])];

/// Lambda itself reads the stream, and puts aside what was given up.
const FOLLOWS: &[Calls] = &[
    ("Records.StreamArn", &["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]),
    ("*", &["dynamodb:ListStreams"]),
    ("${Failures.Arn}/*", &["s3:PutObject"]),
    ("Failures", &["s3:ListBucket"]),
];

/// What every consumer calls beside its own queues.
const CONSUMES: &[Calls] = &[
    ("Records", &["dynamodb:GetItem"]),
    // Alone, and as `BatchExecuteStatement`, which has no permission of its own.
    ("Inbox", &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"]),
    (BODIES, &["s3:GetObject", "s3:PutObject"]),
    ("Payloads", &["s3:ListBucket"]),
    (SCHEDULES, &["scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"]),
    ("ScheduleRole", &["iam:PassRole"]),
];

/// What those call who send messages: what is gone is suppressed, or struck from its record, and rates are counted.
const SENDS: &[Calls] = &[("Records", &["dynamodb:PutItem"]), ("Inbox", &["dynamodb:UpdateItem"])];

/// On a consumer's own queue: Lambda polls it, and the function puts off and sends for later.
const QUEUE: &[&str] = &[
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
    "sqs:SendMessage",
];
const SEND: &[&str] = &["sqs:SendMessage"];
const SECRET: &[&str] = &["secretsmanager:GetSecretValue"];

/// Every function's calls. Each has its log group, too.
const CALLS: &[(&str, &[&[Calls]])] = &[
    (
        "Api",
        &[
            PUBLISHES,
            &[
                (
                    "Records",
                    &[
                        "dynamodb:GetItem",
                        "dynamodb:BatchGetItem",
                        "dynamodb:Query",
                        "dynamodb:PutItem",
                        "dynamodb:ConditionCheckItem",
                    ],
                ),
                ("AuthKeysArn", SECRET),
                KEY,
            ],
        ],
    ),
    // It writes nothing: all it may need the key for is a secret that is encrypted with it.
    ("Authorizer", &[&[("AuthKeysArn", SECRET), ("KmsKeyArn", &["kms:Decrypt"])]]),
    (
        "Callbacks",
        &[&[
            ("Inbox", &["dynamodb:GetItem", "dynamodb:PutItem"]),
            // Suppressions come and go, preferences change, and approvals are decided, with an event.
            ("Records", &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"]),
            // Whether a run still waits for a decision.
            (RUNS, &["states:DescribeExecution"]),
            ("LinkSecret.Id", SECRET),
            ("TwilioAuthTokenArn", SECRET),
            ("MetaAppSecretArn", SECRET),
            ("MetaVerifyTokenArn", SECRET),
            KEY,
        ]],
    ),
    (
        "Email",
        &[
            CONSUMES,
            CACHE,
            SENDS,
            &[("EmailQueue", QUEUE), ("EmailDeadLetters", SEND)],
            &[("SmtpUrlArn", SECRET), ("SmtpFallbackUrlArn", SECRET), ("LinkSecret.Id", SECRET), KEY],
        ],
    ),
    (
        "Sms",
        &[
            CONSUMES,
            CACHE,
            SENDS,
            &[("SmsQueue", QUEUE), ("SmsDeadLetters", SEND), ("TwilioAuthTokenArn", SECRET), KEY],
        ],
    ),
    (
        "Whatsapp",
        &[
            CONSUMES,
            CACHE,
            SENDS,
            &[("WhatsappQueue", QUEUE), ("WhatsappDeadLetters", SEND)],
            &[("TwilioAuthTokenArn", SECRET), ("MetaAccessTokenArn", SECRET), KEY],
        ],
    ),
    (
        "Push",
        &[
            CONSUMES,
            CACHE,
            SENDS,
            &[("PushQueue", QUEUE), ("PushDeadLetters", SEND), ("FcmServiceAccountArn", SECRET), KEY],
        ],
    ),
    // No rate limit: each endpoint is another system.
    (
        "Webhook",
        &[
            CONSUMES,
            CACHE,
            &[("WebhookQueue", QUEUE), ("WebhookDeadLetters", SEND), ("Records", &["dynamodb:PutItem"]), KEY],
        ],
    ),
    (
        "WorkflowKickoff",
        &[
            CONSUMES,
            CACHE,
            &[
                ("WorkflowKickoffQueue", QUEUE),
                ("WorkflowKickoffDeadLetters", SEND),
                (
                    MACHINES,
                    &[
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
                ),
                // When a run's name is taken: by the same run?
                (RUNS, &["states:DescribeExecution"]),
                ("RunsRole", &["iam:PassRole"]),
                KEY,
            ],
        ],
    ),
    (
        "External",
        &[&[("Inbox", &["dynamodb:GetItem", "dynamodb:PutItem"]), ("ConnectionSecretArns", SECRET), INTERFACES, KEY]],
    ),
    (
        "Steps",
        &[&[
            ("Records", &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"]),
            ("Inbox", &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]),
            (BODIES, &["s3:PutObject"]),
            ("SmtpUrlArn", SECRET),
            ("SmtpFallbackUrlArn", SECRET),
            ("LinkSecret.Id", SECRET),
            KEY,
        ]],
    ),
    (
        "Reactions",
        &[
            FOLLOWS,
            CACHE,
            // The timeline writes new entries only: no look before, and no condition on anything else.
            &[("Records", &["dynamodb:PutItem"]), ("TimelineDeadLetters", SEND), ("CacheDeadLetters", SEND), KEY],
        ],
    ),
    ("Relay", &[FOLLOWS, RELAYS, PUBLISHES, &[KEY]]),
    ("Sweep", &[RELAYS, PUBLISHES, &[("${Records.Arn}/index/pending", &["dynamodb:Query"]), KEY]]),
];

pub(super) const RULES: &[Rule] = &[Rule {
    says: "each function may call what it calls, and nothing else",
    problems: |template, _| {
        let functions = template.resources("AWS::Serverless::Function").into_iter();
        functions.flat_map(|(id, _)| differences(template, id.strip_suffix("Function").unwrap_or(id))).collect()
    },
    broken_by: &[
        |t| t.plant("/RelayRole/Properties/Policies/0/PolicyDocument/Statement/4/Action", json!("dynamodb:GetItem")),
        |t| {
            let more = json!({ "Effect": "Allow", "Action": "dynamodb:Query", "Resource": { "Fn::GetAtt": ["Records", "Arn"] } });
            t.plant("/EmailRole/Properties/Policies/0/PolicyDocument/Statement/-", more);
        },
        |t| t.plant("/ApiRole/Properties/Policies/0/PolicyDocument/Statement/0/Action/4", Value::Null),
        |t| {
            t.plant(
                "/AuthorizerRole/Properties/Policies/0/PolicyDocument/Statement/1/Fn::If/1/Action",
                json!(["kms:Decrypt", "kms:GenerateDataKey"]),
            );
        },
        |t| {
            t.plant(
                "/ReactionsRole/Properties/Policies/0/PolicyDocument/Statement/5/Resource",
                json!({ "Ref": "EmailQueue" }),
            )
        },
        |t| t.plant("/SmsRole/Properties/Policies/0/PolicyDocument/Statement/5/Action", json!("dynamodb:DeleteItem")),
        |t| {
            let secret = json!({ "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": { "Ref": "TwilioAuthTokenArn" } });
            t.plant("/PushRole/Properties/Policies/0/PolicyDocument/Statement/-", secret);
        },
        |t| {
            t.plant(
                "/WorkflowKickoffRole/Properties/Policies/0/PolicyDocument/Statement/10/Action/-",
                json!("states:DeleteStateMachine"),
            )
        },
        |t| {
            let secret = json!({ "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": { "Ref": "SmtpUrlArn" } });
            t.plant("/ExternalRole/Properties/Policies/0/PolicyDocument/Statement/-", secret);
        },
        |t| {
            let function = t.resource("EmailFunction").clone();
            t.plant("/NewFunction", function);
        },
    ],
}];

/// What a function's role allows without need, and what it lacks.
fn differences(template: &Template, name: &str) -> Vec<String> {
    let logs = format!("{name}Logs");
    let known = CALLS.iter().find(|(of, _)| *of == name).map(|(_, sets)| sets.iter().copied().flatten());
    let calls = known.into_iter().flatten().chain([&TRACES]);
    let calls = calls.flat_map(|(on, actions)| actions.iter().map(move |action| (*action, *on)));
    let logging = ["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| (action, logs.as_str()));
    let needed: BTreeSet<(&str, &str)> = calls.chain(logging).collect();
    let role = format!("{name}Role");
    let allowed: Vec<_> = allowed(template).into_iter().filter(|(owner, ..)| *owner == role).collect();
    let allowed: BTreeSet<(&str, &str)> =
        allowed.iter().map(|(_, action, on)| (action.as_str(), on.as_str())).collect();
    let without_need = allowed.difference(&needed).map(|(action, on)| format!("{role} allows {action} on {on}"));
    let lacking = needed.difference(&allowed).map(|(action, on)| format!("{role} lacks {action} on {on}"));
    without_need.chain(lacking).collect()
}
