//! The functions' variables.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Rule;

const EVERY: &[&str] = &["SENDOFF_LOG_LEVEL", "SENDOFF_METRICS_NAMESPACE"];

const CONSUMER: &[&str] = &[
    "SENDOFF_BUCKET",
    "SENDOFF_CACHE_URL_ARN",
    "SENDOFF_CONSUMER",
    "SENDOFF_INBOX_TABLE",
    "SENDOFF_QUEUE_URL_BASE",
    "SENDOFF_SCHEDULE_GROUP",
    "SENDOFF_SCHEDULE_ROLE_ARN",
    "SENDOFF_TABLE",
];

/// What those need who tell people.
const TELLS: &[&str] = &["SENDOFF_CHANNELS", "SENDOFF_ROUTING"];

const TWILIO: &[&str] = &["SENDOFF_PUBLIC_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN_ARN"];

const LINKS: &[&str] = &["SENDOFF_LINK_SECRET_ARN", "SENDOFF_PUBLIC_URL"];

const PUBLISHER: &[&str] = &["SENDOFF_BUCKET", "SENDOFF_TABLE", "SENDOFF_TOPIC_ARN"];

/// What each function reads.
const NEEDED: &[(&str, &[&[&str]])] = &[
    ("ApiFunction", &[EVERY, PUBLISHER, &["SENDOFF_AUTH_KEYS_ARN", "SENDOFF_CHANNELS", "SENDOFF_LOAD_TESTS"]]),
    ("AuthorizerFunction", &[EVERY, &["SENDOFF_AUTH_KEYS_ARN"]]),
    (
        "CallbacksFunction",
        &[
            EVERY,
            LINKS,
            &["SENDOFF_INBOX_TABLE", "SENDOFF_RUNS_ROLE_ARN", "SENDOFF_SES_TOPICS", "SENDOFF_TABLE"],
            &["META_APP_SECRET_ARN", "META_PHONE_NUMBER_ID", "META_VERIFY_TOKEN_ARN", "TWILIO_AUTH_TOKEN_ARN"],
        ],
    ),
    (
        "EmailFunction",
        &[
            EVERY,
            CONSUMER,
            TELLS,
            LINKS,
            &["SENDOFF_EMAIL_RATE", "SENDOFF_MAIL_FROM", "SMTP_FALLBACK_URL_ARN", "SMTP_URL_ARN"],
        ],
    ),
    ("SmsFunction", &[EVERY, CONSUMER, TELLS, TWILIO, &["SENDOFF_SMS_RATE", "TWILIO_SMS_FROM"]]),
    (
        "WhatsappFunction",
        &[
            EVERY,
            CONSUMER,
            TELLS,
            TWILIO,
            &["META_ACCESS_TOKEN_ARN", "META_PHONE_NUMBER_ID", "SENDOFF_WHATSAPP_PROVIDERS", "SENDOFF_WHATSAPP_RATE"],
            &["TWILIO_CONTENT_SIDS", "TWILIO_WHATSAPP_FROM"],
        ],
    ),
    ("PushFunction", &[EVERY, CONSUMER, TELLS, &["FCM_SERVICE_ACCOUNT_ARN", "SENDOFF_PUSH_RATE"]]),
    ("WebhookFunction", &[EVERY, CONSUMER]),
    (
        "WorkflowKickoffFunction",
        &[EVERY, CONSUMER, &["SENDOFF_FUNCTIONS", "SENDOFF_RUNS_PREFIX", "SENDOFF_RUNS_ROLE_ARN"]],
    ),
    ("ExternalFunction", &[EVERY, &["SENDOFF_CONNECTIONS", "SENDOFF_INBOX_TABLE"]]),
    (
        "StepsFunction",
        &[
            EVERY,
            TELLS,
            LINKS,
            &["SENDOFF_BUCKET", "SENDOFF_INBOX_TABLE", "SENDOFF_TABLE"],
            &["SENDOFF_EMAIL_RATE", "SENDOFF_MAIL_FROM", "SMTP_FALLBACK_URL_ARN", "SMTP_URL_ARN"],
        ],
    ),
    ("ReactionsFunction", &[EVERY, &["SENDOFF_CACHE_URL_ARN", "SENDOFF_QUEUE_URL_BASE", "SENDOFF_TABLE"]]),
    ("RelayFunction", &[EVERY, PUBLISHER]),
    ("SweepFunction", &[EVERY, PUBLISHER]),
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        says: "each function has the variables that it needs, and no others",
        problems: |template, _| {
            let functions = template.resources("AWS::Serverless::Function").into_iter();
            let wrong = functions.filter_map(|(id, function)| {
                let variables = function["Properties"]["Environment"]["Variables"].as_object();
                let found: BTreeSet<&str> =
                    variables.into_iter().flat_map(|map| map.keys().map(String::as_str)).collect();
                let needed = NEEDED
                    .iter()
                    .find(|(name, _)| *name == id)
                    .map(|(_, sets)| sets.iter().copied().flatten().copied());
                let needed: BTreeSet<&str> = needed.into_iter().flatten().collect();
                (found != needed)
                    .then(|| format!("{id}: {:?}", found.symmetric_difference(&needed).collect::<Vec<_>>()))
            });
            wrong.collect()
        },
        broken_by: &[
            |t| t.plant("/EmailFunction/Properties/Environment/Variables/SENDOFF_TABEL", json!("x")),
            |t| t.plant("/EmailFunction/Properties/Environment/Variables/SENDOFF_TABLE", Value::Null),
            |t| t.plant("/StepsFunction/Properties/Environment/Variables/SENDOFF_ROUTING", Value::Null),
            |t| t.plant("/ApiFunction/Properties/Environment/Variables/SENDOFF_CHANNELS", Value::Null),
            |t| {
                t.plant("/NewFunction", json!({ "Type": "AWS::Serverless::Function", "Properties": { "Environment": { "Variables": { "X": "y" } } } }))
            },
        ],
    },
    Rule {
        says: "no variable holds a secret: only where it is kept",
        problems: |template, _| {
            let functions = template.resources("AWS::Serverless::Function").into_iter();
            let variables = functions.flat_map(|(id, function)| {
                let variables = function["Properties"]["Environment"]["Variables"].as_object();
                variables.into_iter().flatten().map(move |(name, value)| (id, name, value))
            });
            variables
                .filter(|(_, name, value)| is_secret(name, value))
                .map(|(id, name, _)| format!("{id}: {name}"))
                .collect()
        },
        broken_by: &[
            |t| t.plant("/EmailFunction/Properties/Environment/Variables/SMTP_URL", json!({ "Ref": "SmtpUrl" })),
            |t| {
                t.plant(
                    "/EmailFunction/Properties/Environment/Variables/SENDOFF_MAIL_FROM",
                    json!("smtp://me:secret@example.org"),
                )
            },
            |t| {
                t.plant(
                    "/ApiFunction/Properties/Environment/Variables/SENDOFF_AUTH_KEYS_ARN",
                    json!({ "Fn::Sub": "{{resolve:secretsmanager:${AuthKeysArn}}}" }),
                )
            },
        ],
    },
    Rule {
        says: "the variables name our own resources",
        problems: |template, _| {
            let expected = [
                ("SENDOFF_TABLE", json!({ "Ref": "Records" })),
                ("SENDOFF_INBOX_TABLE", json!({ "Ref": "Inbox" })),
                ("SENDOFF_TOPIC_ARN", json!({ "Ref": "Topic" })),
                ("SENDOFF_BUCKET", json!({ "Ref": "Payloads" })),
                ("SENDOFF_RUNS_PREFIX", json!({ "Fn::Sub": "${AWS::StackName}-run" })),
                ("SENDOFF_RUNS_ROLE_ARN", json!({ "Fn::GetAtt": ["RunsRole", "Arn"] })),
                ("SENDOFF_SCHEDULE_GROUP", json!({ "Ref": "ScheduleGroup" })),
                ("SENDOFF_SCHEDULE_ROLE_ARN", json!({ "Fn::GetAtt": ["ScheduleRole", "Arn"] })),
                (
                    "SENDOFF_QUEUE_URL_BASE",
                    json!({ "Fn::Sub": "https://sqs.${AWS::Region}.${AWS::URLSuffix}/${AWS::AccountId}/${AWS::StackName}-" }),
                ),
                ("SENDOFF_METRICS_NAMESPACE", json!({ "Fn::Sub": "Sendoff/${AWS::StackName}" })),
                ("SENDOFF_LINK_SECRET_ARN", json!({ "Fn::GetAtt": ["LinkSecret", "Id"] })),
                ("SENDOFF_CHANNELS", channels()),
                (
                    "SENDOFF_ROUTING",
                    json!({ "Fn::If": ["WithRouting", { "Ref": "Routing" }, { "Ref": "AWS::NoValue" }] }),
                ),
                (
                    "SENDOFF_PUBLIC_URL",
                    json!({ "Fn::If": ["WithPublicUrl", { "Ref": "PublicUrl" }, { "Fn::GetAtt": ["Api", "ApiEndpoint"] }] }),
                ),
            ];
            let functions = template.resources("AWS::Serverless::Function").into_iter();
            let wrong = functions.flat_map(|(id, function)| {
                let variables = &function["Properties"]["Environment"]["Variables"];
                let other = |(name, value): &&(&str, Value)| variables.get(name).is_some_and(|found| found != value);
                expected.iter().filter(other).map(|(name, _)| format!("{id}: {name}")).collect::<Vec<_>>()
            });
            wrong.collect()
        },
        broken_by: &[
            |t| t.plant("/RelayFunction/Properties/Environment/Variables/SENDOFF_TABLE", json!({ "Ref": "Inbox" })),
            |t| t.plant("/EmailFunction/Properties/Environment/Variables/SENDOFF_METRICS_NAMESPACE", json!("Sendoff")),
            |t| {
                t.plant(
                    "/WorkflowKickoffFunction/Properties/Environment/Variables/SENDOFF_RUNS_PREFIX",
                    json!({ "Ref": "AWS::StackName" }),
                )
            },
            |t| t.plant("/SmsFunction/Properties/Environment/Variables/SENDOFF_CHANNELS", json!("email,sms")),
            |t| t.plant("/StepsFunction/Properties/Environment/Variables/SENDOFF_ROUTING", json!({ "Ref": "Routing" })),
            |t| {
                t.plant(
                    "/CallbacksFunction/Properties/Environment/Variables/SENDOFF_PUBLIC_URL",
                    json!("https://x.example"),
                )
            },
        ],
    },
];

/// The channels that are on: all processes have to agree, so all are told the same.
fn channels() -> Value {
    let on = |channel: &str, condition: &str| json!({ "Fn::If": [condition, channel, { "Ref": "AWS::NoValue" }] });
    let channels = json!(["email", on("sms", "WithSms"), on("whatsapp", "WithWhatsapp"), on("push", "WithPush")]);
    json!({ "Fn::Join": [",", channels] })
}

/// Whether a variable is called like a secret without being an ARN, or has a secret's value.
fn is_secret(name: &str, value: &Value) -> bool {
    let sounds = ["PASSWORD", "SECRET", "TOKEN", "KEY", "URL"].iter().any(|word| name.contains(word));
    let text = value.to_string();
    let with_password = text.contains("://") && text.contains('@');
    (sounds && !name.ends_with("_ARN") && !["SENDOFF_QUEUE_URL_BASE", "SENDOFF_PUBLIC_URL"].contains(&name))
        || text.contains("resolve:")
        || with_password
}
