//! Which items of the tables each role may touch, by their keys.

use sendoff_aws::tables::{
    inbox::{DELIVERY, RATE},
    records::{EVENT, RECORD, REQUEST},
};
use sendoff_producers::{
    api::TIMELINE,
    model::{Approval, Stored as _, Submission, Suppression, User, WebhookEndpoint},
};
use serde_json::{Value, json};

use super::{Rule, list, statements};
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

/// Whose keys of the inbox those hold who do nothing but actions.
const ACTIONS: &[(&str, &[&str])] = &[("ExternalRole", &["database", "http"]), ("StepsRole", &["email", "record"])];

pub(in super::super) const RULES: &[Rule] = &[
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
];
