//! Alarms and the dashboard.

use sendoff_consumers::{Count, Span};
use sendoff_tests::cost;
use serde_json::{Value, json};

use super::{Rule, Template};
use crate::template::{
    code::Needs,
    document::{Resource, referred},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        says: "somebody is told of dead letters: by the depth, since SQS doesn't count as sent what it moves itself",
        problems: |template, _| {
            let watched = |queue: &str| alarm(template, "ApproximateNumberOfMessagesVisible", queue, |at| at == 0.0);
            ids(dead_letters(template), |queue| !watched(queue))
        },
        broken_by: &[
            |t| t.plant("/EmailDeadLettersDepth", Value::Null),
            |t| t.plant("/EmailUndeliveredDepth", Value::Null),
            |t| t.plant("/TimelineDeadLettersDepth/Properties/Threshold", json!(10)),
            |t| t.plant("/EmailDeadLettersDepth/Properties/MetricName", json!("NumberOfMessagesSent")),
            |t| {
                t.plant(
                    "/EmailDeadLettersDepth/Properties/Dimensions/0/Value",
                    json!({ "Fn::GetAtt": ["EmailQueue", "QueueName"] }),
                )
            },
        ],
    },
    Rule {
        says: "somebody is told a day before a dead letter is deleted, which counts from when it was first sent",
        problems: |template, _| {
            let retention =
                |queue: &Value| template.number(&queue["Properties"]["MessageRetentionPeriod"]).unwrap_or(345_600.0);
            // What SQS moves itself goes on being as old as it was; what is sent anew begins at nothing.
            let waited = |queue: &str| {
                let moves =
                    |from: &Value| referred(&from["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]) == Some(queue);
                let sources = template.resources("AWS::SQS::Queue").into_iter().filter(|(_, from)| moves(from));
                sources.map(|(_, from)| retention(from)).fold(0.0, f64::max)
            };
            ids(dead_letters(template), |queue| {
                let latest = retention(template.resource(queue)) - waited(queue) - 86_400.0;
                !alarm(template, "ApproximateAgeOfOldestMessage", queue, |at| at <= latest)
            })
        },
        broken_by: &[
            |t| t.plant("/EmailDeadLettersAge", Value::Null),
            |t| t.plant("/EmailDeadLettersAge/Properties/Threshold", json!(90_000)),
            |t| t.plant("/TimelineDeadLettersAge/Properties/Threshold", json!(1_200_000)),
            |t| t.plant("/EmailQueue/Properties/MessageRetentionPeriod", json!(1_123_200)),
        ],
    },
    Rule {
        says: "somebody is told when messages wait long in a consumer's queue",
        problems: |template, _| {
            let sources = template.resources("AWS::SQS::Queue").into_iter().filter(|(id, _)| is_source(id)).collect();
            ids(sources, |queue| !alarm(template, "ApproximateAgeOfOldestMessage", queue, |at| at <= 3600.0))
        },
        broken_by: &[
            |t| t.plant("/EmailQueueAge", Value::Null),
            |t| t.plant("/WorkflowKickoffQueueAge/Properties/Threshold", json!(86_400)),
        ],
    },
    Rule {
        says: "somebody is told when messages are put off for long, which the age of the queue leaves out from the third receive on",
        problems: |template, code| {
            let told = |(consumer, needs): &(&&str, &Needs)| {
                of_consumer(template, Count::Deferred, consumer).is_some_and(|alarm| {
                    let number = |name: &str| template.number(&alarm[name]);
                    let (Some(period), Some(periods)) = (number("Period"), number("EvaluationPeriods")) else {
                        return false;
                    };
                    // One that comes again as late as can be shows in each period; two periods in a row are no accident.
                    alarm["Threshold"] == 0
                        && alarm["ComparisonOperator"] == "GreaterThanThreshold"
                        && period > needs.wait.as_secs_f64()
                        && periods >= 2.0
                        && period * periods <= (4.0 * 3600.0_f64).max(3.0 * needs.wait.as_secs_f64())
                })
            };
            code.consumers.iter().filter(|entry| !told(entry)).map(|(consumer, _)| (*consumer).to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/EmailDeferred", Value::Null),
            |t| t.plant("/EmailDeferred/Properties/Period", json!(300)),
            |t| t.plant("/EmailDeferred/Properties/EvaluationPeriods", json!(1)),
            |t| t.plant("/WorkflowKickoffDeferred/Properties/EvaluationPeriods", json!(48)),
            |t| t.plant("/WorkflowKickoffDeferred/Properties/Dimensions/0/Value", json!("email")),
        ],
    },
    Rule {
        says: "somebody is told of each function's errors and throttles; the sweep is throttled on purpose",
        problems: |template, _| {
            ids(template.resources("AWS::Serverless::Function"), |function| {
                let told = |metric| alarm(template, metric, function, |at| at == 0.0);
                !told("Errors") || (function != "SweepFunction" && !told("Throttles"))
            })
        },
        broken_by: &[
            |t| t.plant("/SweepErrors", Value::Null),
            |t| t.plant("/EmailErrors/Properties/Threshold", json!(100)),
            |t| t.plant("/ApiThrottles", Value::Null),
        ],
    },
    Rule {
        says: "somebody is told when a reader of the stream falls behind, long before the stream forgets",
        problems: |template, _| {
            let of_stream = |m: &Value| m["Properties"]["EventSourceArn"]["Fn::GetAtt"][1] == "StreamArn";
            let mappings =
                template.resources("AWS::Lambda::EventSourceMapping").into_iter().filter(|(_, m)| of_stream(m));
            let functions = mappings.filter_map(|(_, mapping)| referred(&mapping["Properties"]["FunctionName"]));
            let quarter = 24.0 * 3600.0 * 1000.0 / 4.0;
            functions.filter(|f| !alarm(template, "IteratorAge", f, |at| at < quarter)).map(str::to_owned).collect()
        },
        broken_by: &[
            |t| t.plant("/RelayIteratorAge", Value::Null),
            |t| t.plant("/ReactionsIteratorAge/Properties/Threshold", json!(86_400_000)),
        ],
    },
    Rule {
        says: "somebody is told when a batch of changes was given up and put aside, which is counted only where it is asked for",
        problems: |template, _| {
            let aside = |mapping: &Value| mapping["Properties"]["DestinationConfig"].get("OnFailure").is_some();
            let mappings = template.resources("AWS::Lambda::EventSourceMapping").into_iter();
            let watched = |id: &str, mapping: &Value| {
                let metric = "OnFailureDestinationDeliveredEventCount";
                mapping["Properties"]["MetricsConfig"]["Metrics"] == json!(["EventCount"])
                    && alarm_by(template, metric, "EventSourceMappingUUID", id, |at| at == 0.0)
            };
            mappings.filter(|(id, m)| aside(m) && !watched(id, m)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/RelayPutAside", Value::Null),
            |t| t.plant("/ReactionsPutAside/Properties/Dimensions/0/Name", json!("FunctionName")),
            |t| t.plant("/ReactionsMapping/Properties/MetricsConfig", Value::Null),
        ],
    },
    Rule {
        says: "somebody is told of failed runs that got lost, undelivered notifications, schedules that couldn't send, and failures of the API",
        problems: |template, _| {
            let needed = [
                ("FailedInvocations", "FailedRunsRule"),
                ("NumberOfNotificationsFailed", "Topic"),
                ("InvocationDroppedCount", "ScheduleGroup"),
                ("InvocationsFailedToBeSentToDeadLetterCount", "ScheduleGroup"),
                ("5xx", "Api"),
            ];
            let missing = needed.into_iter().filter(|(metric, of)| !alarm(template, metric, of, |at| at == 0.0));
            missing.map(|(metric, of)| format!("{metric} of {of}")).collect()
        },
        broken_by: &[
            |t| t.plant("/FailedRunsLost", Value::Null),
            |t| t.plant("/FailedNotifications", Value::Null),
            |t| t.plant("/DroppedSchedules/Properties/Threshold", json!(5)),
            |t| t.plant("/LostSchedules", Value::Null),
            |t| t.plant("/ApiFailures", Value::Null),
        ],
    },
    Rule {
        says: "somebody is told when an effect of a consumer, or of an action that asks another system, is in doubt",
        problems: |template, code| {
            let told = |consumer: &str| of_consumer(template, Count::InDoubt, consumer).is_some();
            let all = code.consumers.keys().copied().chain(["database", "http"]);
            all.filter(|consumer| !told(consumer)).map(ToString::to_string).collect()
        },
        broken_by: &[
            |t| t.plant("/HttpInDoubt", Value::Null),
            |t| t.plant("/EmailInDoubt", Value::Null),
            |t| t.plant("/WorkflowKickoffInDoubt/Properties/Namespace", json!("Sendoff")),
        ],
    },
    Rule {
        says: "alarms go where the operator wants them, and silence is no alarm",
        problems: |template, _| {
            let to = json!({ "Fn::If": ["WithAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
            let mute = |alarm: &Value| {
                let alarm = &alarm["Properties"];
                alarm["AlarmActions"] != to
                    || alarm["OKActions"] != to
                    || alarm["TreatMissingData"] != "notBreaching"
                    || alarm["AlarmDescription"].as_str().is_none_or(str::is_empty)
            };
            let alarms = template.resources("AWS::CloudWatch::Alarm").into_iter();
            alarms.filter(|(_, alarm)| mute(alarm)).map(|(id, _)| id.to_owned()).collect()
        },
        broken_by: &[
            |t| t.plant("/RelayErrors/Properties/AlarmActions", Value::Null),
            |t| t.plant("/RelayErrors/Properties/TreatMissingData", Value::Null),
            |t| t.plant("/RelayErrors/Properties/AlarmDescription", Value::Null),
        ],
    },
    Rule {
        says: "the cost counts each alarm",
        problems: |template, _| {
            let always = |(_, alarm): &Resource<'_>| alarm.get("Condition").is_none();
            let alarms = template.resources("AWS::CloudWatch::Alarm").into_iter().filter(always).count();
            let counted = cost::Idle::TEMPLATE.alarms;
            if alarms.to_string() == counted.to_string() {
                Vec::new()
            } else {
                vec![format!("{alarms}, not {counted}")]
            }
        },
        broken_by: &[|t| t.plant("/RelayErrors", Value::Null)],
    },
    Rule {
        says: "the dashboard shows everything that is counted and timed, from where the functions put it",
        problems: |template, _| {
            let body = &template.resource("Dashboard")["Properties"]["DashboardBody"]["Fn::Sub"];
            let Ok(dashboard) = serde_json::from_str::<Value>(body.as_str().unwrap_or_default()) else {
                return vec!["it isn't JSON".to_owned()];
            };
            let shown: Vec<&Value> = dashboard["widgets"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|widget| widget["properties"]["metrics"].as_array().into_iter().flatten())
                .filter(|metric| metric[0] == "Sendoff/${AWS::StackName}" && metric[2] == "Consumer")
                .map(|metric| &metric[1])
                .collect();
            let all = Count::ALL.into_iter().map(Count::name).chain(Span::ALL.into_iter().map(Span::name));
            all.filter(|name| !shown.iter().any(|metric| *metric == name)).map(str::to_owned).collect()
        },
        broken_by: &[
            |t| t.plant("/Dashboard/Properties/DashboardBody/Fn::Sub", json!("{\"widgets\":[]}")),
            |t| t.plant("/Dashboard/Properties/DashboardBody/Fn::Sub", json!("{\"widgets\":[")),
        ],
    },
];

/// Whether the queue is a consumer's own, where messages wait to be handled.
fn is_source(id: &str) -> bool {
    id.ends_with("Queue")
}

/// All other queues: what waits there waits for somebody.
fn dead_letters(template: &Template) -> Vec<Resource<'_>> {
    template.resources("AWS::SQS::Queue").into_iter().filter(|(id, _)| !is_source(id)).collect()
}

fn ids(resources: Vec<Resource<'_>>, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    resources.into_iter().filter(|(id, _)| wrong(id)).map(|(id, _)| id.to_owned()).collect()
}

/// The alarm on what is counted of a consumer.
fn of_consumer<'a>(template: &'a Template, what: Count, consumer: &str) -> Option<&'a Value> {
    let alarms = template.resources("AWS::CloudWatch::Alarm").into_iter().map(|(_, alarm)| &alarm["Properties"]);
    alarms.into_iter().find(|alarm| {
        alarm["MetricName"] == what.name()
            && alarm["Namespace"] == json!({ "Fn::Sub": "Sendoff/${AWS::StackName}" })
            && alarm["Dimensions"] == json!([{ "Name": "Consumer", "Value": consumer }])
    })
}

/// Whether an alarm watches a metric of a resource, with a threshold that fits.
fn alarm(template: &Template, metric: &str, of: &str, threshold: impl Fn(f64) -> bool) -> bool {
    alarm_by(template, metric, "", of, threshold)
}

/// The same, by a dimension of that name; any, if it has none.
fn alarm_by(template: &Template, metric: &str, by: &str, of: &str, threshold: impl Fn(f64) -> bool) -> bool {
    template.resources("AWS::CloudWatch::Alarm").into_iter().any(|(_, alarm)| {
        let alarm = &alarm["Properties"];
        alarm["MetricName"] == metric
            && alarm["ComparisonOperator"] == "GreaterThanThreshold"
            && (by.is_empty() || alarm["Dimensions"][0]["Name"] == by)
            && referred(&alarm["Dimensions"][0]["Value"]) == Some(of)
            && template.number(&alarm["Threshold"]).is_some_and(&threshold)
    })
}
