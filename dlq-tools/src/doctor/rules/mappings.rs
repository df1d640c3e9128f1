//! What lets functions poll queues and the stream of changes.

use super::{Fault, Rule};
use crate::doctor::{
    Kind, Severity,
    model::{Mapping, Model, Part, StreamLimits},
};

const ON_ERRORS: &str = "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html";
const ON_STREAMS: &str = "https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html";
/// A record of a stream lives for a day.
const STREAM_AGE: u32 = 86_400;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "no-partial-batches",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Mappings],
        says: "a mapping lets its function report the items that failed",
        why: "without it the list of failures is not read: the messages that failed are deleted with the others",
        source: ON_ERRORS,
        fix: "`FunctionResponseTypes: [ReportBatchItemFailures]`",
        faults: |model| {
            let silent = |m: &Mapping| (!m.partial).then(|| "no ReportBatchItemFailures".to_owned());
            each(model, silent, "FunctionResponseTypes", "ReportBatchItemFailures", |m| {
                update(m, "--function-response-types ReportBatchItemFailures")
            })
        },
    },
    Rule {
        id: "mapping-off",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: &[Part::Mappings],
        says: "a mapping polls",
        why: "what waits there grows older until it is deleted for its age; a stream forgets after a day",
        source: "https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html",
        fix: "`Enabled: true`, when whoever switched it off is done",
        faults: |model| {
            let off = |m: &Mapping| {
                (!m.enabled).then(|| m.said.as_deref().map_or_else(|| "off".to_owned(), |said| format!("off: {said}")))
            };
            each(model, off, "Enabled", "on", |m| update(m, "--enabled"))
        },
    },
    Rule {
        id: "mapping-fails",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Mappings],
        says: "a mapping that polls has no problem",
        why: "messages are received, or not even that, and the function is not called",
        source: "https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html",
        fix: "what it says: mostly a permission of the function's role",
        faults: |model| {
            let failing = |m: &Mapping| m.said.clone().filter(|said| m.enabled && said.starts_with("PROBLEM"));
            each(model, failing, "LastProcessingResult", "OK", |m| {
                format!("let the role of {} receive from {}, and look at the function's log", m.function, m.source)
            })
        },
    },
    Rule {
        id: "stream-retries-endlessly",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Mappings],
        says: "a batch of the stream is tried a limited number of times, and for less than the day that the stream keeps it",
        why: "one bad record holds up its shard until the stream forgets it and all that came after",
        source: ON_STREAMS,
        fix: "`MaximumRetryAttempts` and `MaximumRecordAgeInSeconds` below 86400",
        faults: |model| {
            let endless = |m: &Mapping| {
                let StreamLimits { retries, age, .. } = m.stream?;
                let text = |value: Option<u32>| value.map_or_else(|| "endless".to_owned(), |value| value.to_string());
                let bounded = retries.is_some() && age.is_some_and(|age| age < STREAM_AGE);
                (!bounded).then(|| format!("retries {}, age in seconds {}", text(retries), text(age)))
            };
            each(
                model,
                endless,
                "MaximumRetryAttempts, MaximumRecordAgeInSeconds",
                "both limited, the age below 86400",
                |m| update(m, "--maximum-retry-attempts 100 --maximum-record-age-in-seconds 43200"),
            )
        },
    },
    Rule {
        id: "stream-failures-vanish",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Mappings],
        says: "what can't be handled of the stream is put somewhere",
        why: "a batch whose retries are over is dropped without a word",
        source: ON_STREAMS,
        fix: "`DestinationConfig: { OnFailure: { Destination: … } }`, best an S3 bucket",
        faults: |model| {
            let vanishing = |m: &Mapping| {
                (m.stream.is_some() && m.on_failure.is_none()).then(|| "no destination for failures".to_owned())
            };
            each(model, vanishing, "DestinationConfig.OnFailure", "an S3 bucket", |m| {
                update(m, r#"--destination-config '{"OnFailure":{"Destination":"arn:aws:s3:::BUCKET"}}'"#)
            })
        },
    },
    Rule {
        id: "stream-failures-without-records",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: &[Part::Mappings],
        says: "what can't be handled of the stream is put into S3",
        why: "a queue or a topic is given only where the records stood; a day later they are gone. `dlq hydrate` has to be quick",
        source: ON_STREAMS,
        fix: "the ARN of a bucket as the destination: it is given the records, too",
        faults: |model| {
            let pointers = |m: &Mapping| {
                let target = m
                    .on_failure
                    .as_deref()
                    .filter(|target| !target.starts_with("arn:aws:s3:") && !target.contains(":s3:"));
                m.stream.and(target).map(str::to_owned)
            };
            each(model, pointers, "DestinationConfig.OnFailure", "an S3 bucket", |m| {
                update(m, r#"--destination-config '{"OnFailure":{"Destination":"arn:aws:s3:::BUCKET"}}'"#)
            })
        },
    },
    Rule {
        id: "stream-batches-stay-whole",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: &[Part::Mappings],
        says: "a batch of the stream that fails is halved",
        why: "when the function dies of one record, all the others of its batch fail with it",
        source: ON_STREAMS,
        fix: "`BisectBatchOnFunctionError: true`",
        faults: |model| {
            let whole = |m: &Mapping| (!m.stream?.halved).then(|| "off".to_owned());
            each(model, whole, "BisectBatchOnFunctionError", "on", |m| update(m, "--bisect-batch-on-function-error"))
        },
    },
];

fn each(
    model: &Model,
    wrong: impl Fn(&Mapping) -> Option<String>,
    setting: &str,
    should: &str,
    fix: impl Fn(&Mapping) -> String,
) -> Vec<Fault> {
    let fault = |mapping: &Mapping| {
        let there = wrong(mapping)?;
        let queue = model.queue(&mapping.source).map(|queue| queue.name.clone());
        let place = format!("mapping {} of {} {setting}", mapping.id, mapping.source);
        Some(Fault { place, queue, there, should: should.to_owned(), fix: fix(mapping) })
    };
    model.mappings.iter().filter_map(fault).collect()
}

pub(super) fn update(mapping: &Mapping, what: &str) -> String {
    format!("aws lambda update-event-source-mapping --uuid {} {what}", mapping.id)
}
