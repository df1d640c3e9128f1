//! Which items of the tables each role may touch, by their keys.

use sendoff_aws::tables::{
    inbox::{DELIVERY, MACHINE, RATE, RUN},
    records::{EVENT, RECORD, REQUEST},
};
use sendoff_producers::{
    api::TIMELINE,
    model::{Approval, Stored as _, Submission, Suppression, User, WebhookEndpoint},
};
use serde_json::{Value, json};

use super::{Rule, Template, list, statements};
use crate::template::document::referred;

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

/// What the keys begin with of what each role keeps in the inbox: the records of its consumer or of its actions, what became of
/// messages, and runs. Nobody writes the audit log, or what others have done.
const INBOX: &[(&str, &[&str])] = &[
    ("CallbacksRole", &[DELIVERY, "email/", "sms/", "whatsapp/"]),
    ("EmailRole", &["email/"]),
    ("ExternalRole", &["database/", "http/"]),
    ("PushRole", &["push/"]),
    ("SmsRole", &["sms/"]),
    // Of a mail there is a delivery record, too.
    ("StepsRole", &["delivery#email/", "email/", "record/"]),
    ("WebhookRole", &["webhook/"]),
    ("WhatsappRole", &["whatsapp/"]),
    ("WorkflowKickoffRole", &[MACHINE, RUN, "workflow-kickoff/"]),
];

/// Each puts an item in the place of one, or in none.
const PUTS: &[&str] = &["dynamodb:PutItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"];

/// Who does nothing but actions: it reads no more of the inbox than it writes.
const ACTIONS: &[&str] = &["ExternalRole", "StepsRole"];

/// The collections that a consumer doesn't read: what can sign in somebody's name, and what can decide for somebody.
const UNREAD: &[(&str, &[&str])] = &[
    ("EmailRole", &[Approval::COLLECTION, WebhookEndpoint::COLLECTION]),
    ("PushRole", &[Approval::COLLECTION, WebhookEndpoint::COLLECTION]),
    ("SmsRole", &[Approval::COLLECTION, WebhookEndpoint::COLLECTION]),
    ("StepsRole", &[WebhookEndpoint::COLLECTION]),
    ("WebhookRole", &[Approval::COLLECTION]),
    ("WhatsappRole", &[Approval::COLLECTION, WebhookEndpoint::COLLECTION]),
    ("WorkflowKickoffRole", &[WebhookEndpoint::COLLECTION]),
];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        says: "whoever counts against rate limits may change nothing else in the inbox that way: an update knows no fence",
        problems: |template, _| {
            let expected = like(&[RATE]);
            blamed(template, |_, s| does(s, "dynamodb:UpdateItem", "Inbox") && s["Condition"] != expected)
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
                let writes = does(statement, "dynamodb:PutItem", "Records");
                let expected =
                    keys(role).map(|keys| json!({ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": keys } }));
                writes && role != "ApiRole" && Some(&statement["Condition"]) != expected.as_ref()
            };
            blamed(template, open)
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
        says: "whoever marks what was published changes events, and nothing else of the records",
        problems: |template, _| {
            let expected = like(&[EVENT]);
            let open = |s: &Value| does(s, "dynamodb:UpdateItem", "Records") && s["Condition"] != expected;
            blamed(template, |_, statement| open(statement))
        },
        broken_by: &[
            |t| t.plant("/ApiRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition", Value::Null),
            |t| {
                let statement = json!({
                    "Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": { "Fn::GetAtt": ["Records", "Arn"] },
                });
                t.plant("/SweepRole/Properties/Policies/0/PolicyDocument/Statement/-", statement);
            },
        ],
    },
    Rule {
        says: "whoever keeps something in the inbox writes what is its own there, and nothing else",
        problems: |template, _| {
            let open = |role: &str, statement: &Value| {
                let own = INBOX.iter().find(|(of, _)| *of == role).map(|(_, keys)| like(keys));
                let combined = ACTIONS.contains(&role) && does(statement, "dynamodb:GetItem", "Inbox");
                (PUTS.iter().any(|put| does(statement, put, "Inbox")) || combined)
                    && Some(&statement["Condition"]) != own.as_ref()
            };
            let roles: Vec<_> = template.resources("AWS::IAM::Role").into_iter().map(|(id, _)| id).collect();
            let missing = INBOX.iter().filter(|(role, _)| !roles.contains(role)).map(|(role, _)| (*role).to_owned());
            blamed(template, open).into_iter().chain(missing).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailRole/Properties/Policies/0/PolicyDocument/Statement/4/Condition", Value::Null),
            |t| t.plant("/CallbacksRole/Properties/Policies/0/PolicyDocument/Statement/0/Condition", Value::Null),
            |t| t.plant("/ExternalRole/Properties/Policies/0/PolicyDocument/Statement/0/Condition", Value::Null),
            |t| {
                t.plant(
                    "/StepsRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys/-",
                    json!("audit#*"),
                );
            },
            |t| {
                let statement = json!({
                    "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": { "Fn::GetAtt": ["Inbox", "Arn"] },
                });
                t.plant("/ExternalRole/Properties/Policies/0/PolicyDocument/Statement/-", statement);
            },
            |t| {
                let statement = json!({
                    "Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": { "Fn::GetAtt": ["Inbox", "Arn"] },
                });
                t.plant("/SweepRole/Properties/Policies/0/PolicyDocument/Statement/-", statement);
            },
            |t| {
                let statement = json!({
                    "Effect": "Allow", "Action": "dynamodb:PartiQLUpdate", "Resource": { "Fn::GetAtt": ["Inbox", "Arn"] },
                });
                t.plant("/SmsRole/Properties/Policies/0/PolicyDocument/Statement/-", statement);
            },
            |t| t.plant("/ExternalRole", Value::Null),
        ],
    },
    Rule {
        says: "a consumer reads no secrets of webhooks and no tokens of approvals, unless it works with them",
        problems: |template, _| {
            let open = |role: &str, statement: &Value| {
                let unread = UNREAD.iter().find(|(of, _)| *of == role).map(|(_, collections)| {
                    let keys: Vec<_> = collections.iter().map(|collection| format!("{RECORD}*#{collection}")).collect();
                    json!({ "ForAllValues:StringNotLike": { "dynamodb:LeadingKeys": keys } })
                });
                does(statement, "dynamodb:GetItem", "Records")
                    && unread.is_some_and(|expected| statement["Condition"] != expected)
            };
            blamed(template, open)
        },
        broken_by: &[
            |t| t.plant("/SmsRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition", Value::Null),
            |t| t.plant("/StepsRole/Properties/Policies/0/PolicyDocument/Statement/0/Condition", Value::Null),
            |t| {
                t.plant(
                    "/WebhookRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition/ForAllValues:StringNotLike/dynamodb:LeadingKeys",
                    json!([]),
                );
            },
        ],
    },
];

/// Whether a statement is about this action on this table.
fn does(statement: &Value, action: &str, table: &str) -> bool {
    list(&statement["Action"]).contains(&&json!(action))
        && list(&statement["Resource"]).into_iter().filter_map(referred).any(|on| on == table)
}

/// The condition that the keys begin with one of these.
fn like(prefixes: &[&str]) -> Value {
    let keys: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}*")).collect();
    json!({ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": keys } })
}

/// The owners of the statements that are wrong.
fn blamed(template: &Template, wrong: impl Fn(&str, &Value) -> bool) -> Vec<String> {
    statements(template).into_iter().filter(|(id, s)| wrong(id, s)).map(|(id, _)| id.to_owned()).collect()
}
