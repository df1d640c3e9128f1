//! Event source mappings, and those of the stream of changes.

use sendoff_aws::tables::records::{PENDING, PK, RECORD};
use serde_json::{Value, json};

use super::{Rule, Template};
use crate::template::document::{Resource, referred};

pub(super) const RULES: &[Rule] = &[
    Rule {
        says: "each mapping lets the function report the items that failed; without it they would be deleted",
        problems: |template, _| {
            let silent = |mapping: &Value| mapping["FunctionResponseTypes"] != json!(["ReportBatchItemFailures"]);
            let mappings = template.resources("AWS::Lambda::EventSourceMapping").into_iter();
            mappings.filter(|(_, mapping)| silent(&mapping["Properties"])).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailMapping/Properties/FunctionResponseTypes", Value::Null),
            |t| t.plant("/RelayMapping/Properties/FunctionResponseTypes", json!([])),
        ],
    },
    Rule {
        says: "events come by explicit mappings only, which these rules can see",
        problems: |template, _| {
            let functions = template.resources("AWS::Serverless::Function").into_iter();
            let hidden = |function: &Value| function["Properties"].get("Events").is_some();
            functions.filter(|(_, function)| hidden(function)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[|t| t.plant("/EmailFunction/Properties/Events", json!({ "Mail": { "Type": "SQS" } }))],
    },
    Rule {
        says: "a batch that can't be handled never holds up its shard: tried a limited time, halved, then put aside whole",
        problems: |template, _| {
            blame(template, |mapping| {
                let number = |name: &str| template.number(&mapping[name]);
                let aside = referred(&mapping["DestinationConfig"]["OnFailure"]["Destination"]);
                let is_bucket = aside.is_some_and(|id| template.resource(id)["Type"] == "AWS::S3::Bucket");
                let within = |value: Option<f64>, most: f64| value.is_some_and(|value| (0.0..most).contains(&value));
                !within(number("MaximumRetryAttempts"), 10_001.0)
                    || !within(number("MaximumRecordAgeInSeconds"), 86_400.0)
                    || mapping["BisectBatchOnFunctionError"] != true
                    || !is_bucket
            })
        },
        broken_by: &[
            |t| t.plant("/RelayMapping/Properties/MaximumRetryAttempts", json!(-1)),
            |t| t.plant("/RelayMapping/Properties/MaximumRetryAttempts", Value::Null),
            |t| t.plant("/RelayMapping/Properties/MaximumRecordAgeInSeconds", json!(-1)),
            |t| t.plant("/ReactionsMapping/Properties/MaximumRecordAgeInSeconds", json!(86_400)),
            |t| t.plant("/ReactionsMapping/Properties/BisectBatchOnFunctionError", Value::Null),
            |t| t.plant("/ReactionsMapping/Properties/DestinationConfig", Value::Null),
            |t| {
                let queue = json!({ "Fn::GetAtt": ["TimelineDeadLetters", "Arn"] });
                t.plant("/RelayMapping/Properties/DestinationConfig/OnFailure/Destination", queue);
            },
        ],
    },
    Rule {
        says: "a mapping of the stream begins with the oldest change there is, and says how many batches of a shard run at once",
        problems: |template, _| {
            blame(template, |mapping| {
                mapping["StartingPosition"] != "TRIM_HORIZON"
                    || template.number(&mapping["ParallelizationFactor"]).is_none()
            })
        },
        broken_by: &[
            |t| t.plant("/RelayMapping/Properties/StartingPosition", json!("LATEST")),
            |t| t.plant("/RelayMapping/Properties/ParallelizationFactor", Value::Null),
        ],
    },
    Rule {
        says: "the stream has two readers at most, what DynamoDB serves without throttling",
        problems: |template, _| {
            let readers = mappings(template).len();
            if readers > 2 { vec![format!("{readers} readers")] } else { Vec::new() }
        },
        broken_by: &[|t| {
            let third = t.resource("RelayMapping").clone();
            t.plant("/ThirdMapping", third);
        }],
    },
    Rule {
        says: "the relay is called for events that were committed just now and are to be published, reactions for records",
        problems: |template, _| {
            let expected = [
                (
                    "RelayMapping",
                    json!({ "eventName": ["INSERT"], "dynamodb": { "NewImage": { PENDING: { "S": [{ "exists": true }] } } } }),
                ),
                ("ReactionsMapping", json!({ "dynamodb": { "Keys": { PK: { "S": [{ "prefix": RECORD }] } } } })),
            ];
            let wrong = |(id, expected): &(&str, Value)| {
                let filters = &template.resource(id)["Properties"]["FilterCriteria"]["Filters"];
                let pattern = filters[0]["Pattern"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
                filters.as_array().is_none_or(|filters| filters.len() != 1) || pattern.as_ref() != Some(expected)
            };
            expected.iter().filter(|entry| wrong(entry)).map(|(id, _)| (*id).to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/RelayMapping/Properties/FilterCriteria", Value::Null),
            |t| {
                t.plant(
                    "/RelayMapping/Properties/FilterCriteria/Filters/0/Pattern",
                    json!("{\"eventName\":[\"MODIFY\"]}"),
                )
            },
            |t| t.plant("/ReactionsMapping/Properties/FilterCriteria/Filters/-", json!({ "Pattern": "{}" })),
        ],
    },
];

/// The mappings of the stream.
fn mappings(template: &Template) -> Vec<Resource<'_>> {
    let of_stream = |mapping: &Value| mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"][1] == "StreamArn";
    template.resources("AWS::Lambda::EventSourceMapping").into_iter().filter(|(_, m)| of_stream(m)).collect()
}

fn blame(template: &Template, wrong: impl Fn(&Value) -> bool) -> Vec<String> {
    let mappings = mappings(template).into_iter();
    mappings.filter(|(_, mapping)| wrong(&mapping["Properties"])).map(|(id, _)| id.to_owned()).collect()
}
