//! Tables and buckets.

use sendoff_aws::tables::{inbox, records};
use sendoff_consumers::RouterPorts;
use serde_json::{Value, json};

use super::Rule;
use crate::template::document::Resource;

pub(super) const RULES: &[Rule] = &[
    Rule {
        says: "the tables have the keys, the indexes, the stream and the TTL attributes that the code knows",
        problems: |template, _| {
            let keys = |hash, range| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
            let ttl = |attribute| json!({ "AttributeName": attribute, "Enabled": true });
            let index = json!([{
                "IndexName": records::PENDING_INDEX,
                "KeySchema": keys(records::PENDING, records::COMMITTED_AT),
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            }]);
            let doubts = json!([{
                "IndexName": inbox::DOUBTS_INDEX,
                "KeySchema": keys(inbox::DOUBT, inbox::DOUBT_SINCE),
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            }]);
            let types = |types: &[(&str, &str)]| -> Value {
                types.iter().map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind })).collect()
            };
            let of_records =
                types(&[(records::PK, "S"), (records::SK, "S"), (records::PENDING, "S"), (records::COMMITTED_AT, "N")]);
            let of_inbox = types(&[(inbox::ID, "S"), (inbox::DOUBT, "S"), (inbox::DOUBT_SINCE, "N")]);
            let expected = [
                ("Records", "KeySchema", keys(records::PK, records::SK)),
                ("Records", "AttributeDefinitions", of_records),
                ("Records", "GlobalSecondaryIndexes", index),
                ("Records", "TimeToLiveSpecification", ttl(records::EXPIRES)),
                ("Records", "StreamSpecification", json!({ "StreamViewType": "NEW_AND_OLD_IMAGES" })),
                ("Inbox", "KeySchema", json!([{ "AttributeName": inbox::ID, "KeyType": "HASH" }])),
                ("Inbox", "AttributeDefinitions", of_inbox),
                ("Inbox", "GlobalSecondaryIndexes", doubts),
                ("Inbox", "TimeToLiveSpecification", ttl(inbox::EXPIRATION)),
            ];
            let other = |(table, property, value): &(&str, &str, Value)| {
                template.resource(table)["Properties"][property] != *value
            };
            expected
                .iter()
                .filter(|entry| other(entry))
                .map(|(table, property, _)| format!("{table}: {property}"))
                .collect()
        },
        broken_by: &[
            |t| t.plant("/Inbox/Properties/TimeToLiveSpecification/AttributeName", json!("expires")),
            |t| t.plant("/Inbox/Properties/TimeToLiveSpecification/Enabled", json!(false)),
            |t| t.plant("/Records/Properties/TimeToLiveSpecification", Value::Null),
            |t| t.plant("/Records/Properties/StreamSpecification/StreamViewType", json!("NEW_IMAGE")),
            |t| t.plant("/Records/Properties/GlobalSecondaryIndexes/0/KeySchema/1/AttributeName", json!("at")),
            |t| t.plant("/Records/Properties/AttributeDefinitions/3/AttributeType", json!("S")),
            |t| t.plant("/Inbox/Properties/GlobalSecondaryIndexes", Value::Null),
            |t| t.plant("/Inbox/Properties/GlobalSecondaryIndexes/0/Projection/ProjectionType", json!("ALL")),
        ],
    },
    Rule {
        says: "tables and buckets outlive the stack, but not a creation that failed: the next one would find them in its way",
        problems: |template, _| {
            let lost = |resource: &Value| {
                resource["DeletionPolicy"] != "RetainExceptOnCreate" || resource["UpdateReplacePolicy"] != "Retain"
            };
            let kinds = ["AWS::DynamoDB::Table", "AWS::S3::Bucket"].into_iter();
            blame(kinds.flat_map(|kind| template.resources(kind)).collect(), lost)
        },
        broken_by: &[
            |t| t.plant("/Records/DeletionPolicy", Value::Null),
            |t| t.plant("/Failures/DeletionPolicy", json!("Retain")),
            |t| t.plant("/Inbox/UpdateReplacePolicy", json!("Delete")),
        ],
    },
    Rule {
        says: "what links are signed with outlives the stack: those that were sent name it",
        problems: |template, _| {
            let secret = template.resource("LinkSecret");
            let kept = secret["DeletionPolicy"] == "RetainExceptOnCreate" && secret["UpdateReplacePolicy"] == "Retain";
            if kept { Vec::new() } else { vec!["LinkSecret".to_owned()] }
        },
        broken_by: &[
            |t| t.plant("/LinkSecret/DeletionPolicy", Value::Null),
            |t| t.plant("/LinkSecret/UpdateReplacePolicy", json!("Delete")),
        ],
    },
    Rule {
        says: "tables can be brought back to any second, and are paid by use",
        problems: |template, _| {
            let lost = |table: &Value| {
                table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] != true
                    || table["Properties"]["BillingMode"] != "PAY_PER_REQUEST"
            };
            blame(template.resources("AWS::DynamoDB::Table"), lost)
        },
        broken_by: &[
            |t| t.plant("/Inbox/Properties/PointInTimeRecoverySpecification", Value::Null),
            |t| t.plant("/Records/Properties/BillingMode", json!("PROVISIONED")),
        ],
    },
    Rule {
        says: "a large body is kept as long as the inbox remembers, since until then messages that point to it may run",
        problems: |template, _| {
            let rules = template.resource("Payloads")["Properties"]["LifecycleConfiguration"]["Rules"].clone();
            let days =
                rules.as_array().into_iter().flatten().filter_map(|rule| template.number(&rule["ExpirationInDays"]));
            let least = RouterPorts::KEEP.as_secs_f64() / 86_400.0;
            match days.reduce(f64::min) {
                Some(days) if days >= least => Vec::new(),
                found => vec![format!("it is kept for {found:?} days, and should be for {least}")],
            }
        },
        broken_by: &[
            |t| t.plant("/Payloads/Properties/LifecycleConfiguration/Rules/0/ExpirationInDays", json!(30)),
            |t| t.plant("/Payloads/Properties/LifecycleConfiguration", Value::Null),
            |t| t.plant("/Payloads/Properties/LifecycleConfiguration/Rules/-", json!({ "ExpirationInDays": 7 })),
        ],
    },
    Rule {
        says: "the inbox remembers longer than a message can live that is replayed once: 23 days in the topic, then twice the time in a queue and in its dead-letter queue",
        problems: |template, _| {
            let longest = |with_redrive: bool| {
                let queues = template.resources("AWS::SQS::Queue").into_iter().map(|(_, queue)| &queue["Properties"]);
                let queues = queues.filter(|queue| queue.get("RedrivePolicy").is_some() == with_redrive);
                queues.filter_map(|q| template.number(&q["MessageRetentionPeriod"])).fold(345_600.0, f64::max)
            };
            let needed = 23.0 * 86_400.0 + 2.0 * (longest(true) + longest(false));
            let kept = RouterPorts::KEEP.as_secs_f64();
            if kept > needed { Vec::new() } else { vec![format!("{kept} s aren't more than {needed} s")] }
        },
        // SQS keeps nothing longer than 14 days today.
        broken_by: &[
            |t| t.plant("/EmailDeadLetters/Properties/MessageRetentionPeriod", json!(22 * 86_400)),
            |t| t.plant("/EmailQueue/Properties/MessageRetentionPeriod", json!(20 * 86_400)),
        ],
    },
    Rule {
        says: "buckets are closed to the public and encrypted",
        problems: |template, _| {
            let open = |bucket: &Value| {
                let block = &bucket["Properties"]["PublicAccessBlockConfiguration"];
                let all = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
                all.iter().any(|name| block[name] != true) || bucket["Properties"].get("BucketEncryption").is_none()
            };
            blame(template.resources("AWS::S3::Bucket"), open)
        },
        broken_by: &[
            |t| t.plant("/Payloads/Properties/PublicAccessBlockConfiguration/BlockPublicPolicy", json!(false)),
            |t| t.plant("/Failures/Properties/PublicAccessBlockConfiguration", Value::Null),
            |t| t.plant("/Failures/Properties/BucketEncryption", Value::Null),
        ],
    },
];

fn blame(resources: Vec<Resource<'_>>, wrong: impl Fn(&Value) -> bool) -> Vec<String> {
    resources.into_iter().filter(|(_, resource)| wrong(resource)).map(|(id, _)| id.to_owned()).collect()
}
