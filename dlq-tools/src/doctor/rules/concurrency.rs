//! How much runs at once.

use super::{Fault, Rule, mappings::update};
use crate::doctor::{
    Kind, Severity,
    model::{Function, Mapping, Part, Queue},
};

const SOURCE: &str = "https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "concurrency-above-reserved",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Mappings, Part::Functions],
        says: "a mapping starts no more at once than its function may run",
        why: "what is over is throttled, and each throttle is a receive: messages end as dead letters without having run",
        source: SOURCE,
        fix: "`ScalingConfig: { MaximumConcurrency: … }` at most `ReservedConcurrentExecutions`",
        faults: |model| {
            let over = model.polled().filter_map(|(queue, mapping)| {
                let function = model.function(mapping)?;
                let (most, reserved) = (mapping.most_at_once?, function.reserved?);
                (most > reserved).then(|| fault(queue, mapping, function, &most.to_string(), reserved))
            });
            over.collect()
        },
    },
    Rule {
        id: "concurrency-unlimited",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Mappings, Part::Functions],
        says: "a mapping whose function has reserved concurrency is limited by it",
        why: "Lambda polls up to 1,000 batches at once, whatever is reserved; what is over is throttled, and each throttle is a receive",
        source: SOURCE,
        fix: "`ScalingConfig: { MaximumConcurrency: … }` at most `ReservedConcurrentExecutions`",
        faults: |model| {
            let unlimited = model.polled().filter_map(|(queue, mapping)| {
                let function = model.function(mapping)?;
                let reserved = function.reserved.filter(|_| mapping.most_at_once.is_none())?;
                Some(fault(queue, mapping, function, "no limit", reserved))
            });
            unlimited.collect()
        },
    },
];

fn fault(queue: &Queue, mapping: &Mapping, function: &Function, there: &str, reserved: u32) -> Fault {
    // The smallest that the service takes is 2.
    let fix = match reserved {
        0 | 1 => format!(
            "aws lambda put-function-concurrency --function-name {} --reserved-concurrent-executions 2",
            function.name
        ),
        _ => update(mapping, &format!("--scaling-config MaximumConcurrency={reserved}")),
    };
    Fault {
        place: format!("mapping {} of {} ScalingConfig.MaximumConcurrency", mapping.id, mapping.source),
        queue: Some(queue.name.clone()),
        there: there.to_owned(),
        should: format!("at most {reserved}, what is reserved for {}", function.name),
        fix,
    }
}
