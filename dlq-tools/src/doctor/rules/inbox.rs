//! Whether the inbox remembers long enough, and forgets at all.

use super::{DAY, Fault, Rule, span};
use crate::doctor::{
    Kind, Severity,
    model::{Model, Part, Ttl},
};

/// For so long does SNS try to deliver.
const DELIVERING: u64 = 23 * DAY;
/// So often may a message be replayed within what the inbox remembers.
const REPLAYS: u64 = 1;
/// The attribute that DynamoDB has to delete by.
const ATTRIBUTE: &str = "expiration";

const ON_TTL: &str = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "inbox-ttl-attribute",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::InboxTtl],
        says: "the inbox table forgets by the attribute `expiration`",
        why: "another attribute is in other units or means something else: records of what was done vanish early, and it is done again",
        source: ON_TTL,
        fix: "`TimeToLiveSpecification: { AttributeName: expiration, Enabled: true }`",
        faults: |model| ttl(model, |attribute| attribute.filter(|name| *name != ATTRIBUTE).map(str::to_owned)),
    },
    Rule {
        id: "inbox-ttl-off",
        severity: Severity::Warning,
        kind: Kind::Aws,
        looks_at: &[Part::InboxTtl],
        says: "the inbox table forgets what is long over",
        why: "it grows, and costs more, for ever",
        source: ON_TTL,
        fix: "`TimeToLiveSpecification: { AttributeName: expiration, Enabled: true }`",
        faults: |model| ttl(model, |attribute| attribute.is_none().then(|| "off".to_owned())),
    },
    Rule {
        id: "inbox-forgets-too-soon",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Queues, Part::Subscriptions, Part::Mappings],
        says: "the inbox remembers longer than a message can live that is replayed once: 23 days in the topic, and twice the time in a queue and in its dead-letter queue",
        why: "a replay of what was done already does it again",
        source: "docs/ARCHITECTURE.md",
        fix: "a longer time for the inbox, or shorter retentions of the queues",
        faults: |model| {
            let longest = |dead: bool| {
                let queues = model.queues.iter().filter(|queue| model.is_dead_letter_queue(queue) == dead);
                queues.map(|queue| queue.retention).max().unwrap_or(0)
            };
            let (source, dead) = (longest(false), longest(true));
            let least = DELIVERING + (1 + REPLAYS) * (source + dead);
            let kept = model.inbox_keep.as_secs();
            let fault = || {
                Fault {
                place: "the inbox".into(),
                queue: None,
                there: format!("it remembers for {}", span(kept)),
                should: format!("more than 23 d + 2 × ({} + {}) = {}", span(source), span(dead), span(least)),
                fix: "lower MessageRetentionPeriod of the consumers' queues to 12 days (1036800), that of dead-letter queues to 14".into(),
            }
            };
            (!model.queues.is_empty() && kept <= least).then(fault).into_iter().collect()
        },
    },
    Rule {
        id: "payloads-deleted-too-soon",
        severity: Severity::Error,
        kind: Kind::Aws,
        looks_at: &[Part::Payloads],
        says: "a large body is kept as long as the inbox remembers",
        why: "until then messages that point to it may run, and dead letters that do may be replayed",
        source: "docs/ARCHITECTURE.md",
        fix: "`ExpirationInDays` of the payload bucket's lifecycle",
        faults: |model| {
            let least = model.inbox_keep.as_secs().div_ceil(DAY);
            let shortest = model.payload_days.iter().min().filter(|days| u64::try_from(**days).unwrap_or(0) < least);
            let fault = |days: &i32| Fault {
                place: "the payload bucket's lifecycle".into(),
                queue: None,
                there: format!("deleted after {days} d"),
                should: format!("after {least} d or later"),
                fix: format!(
                    "ExpirationInDays: {} in the lifecycle of `Payloads` in infra/aws/template.yaml",
                    least + 2
                ),
            };
            shortest.map(fault).into_iter().collect()
        },
    },
];

fn ttl(model: &Model, wrong: impl Fn(Option<&str>) -> Option<String>) -> Vec<Fault> {
    let fault = |Ttl { table, attribute }: &Ttl| {
        let fix = format!(
            "aws dynamodb update-time-to-live --table-name {table} --time-to-live-specification \
             Enabled=true,AttributeName={ATTRIBUTE}"
        );
        let place = format!("table {table} TimeToLiveSpecification");
        let there = wrong(attribute.as_deref())?;
        Some(Fault { place, queue: None, there, should: format!("on, by `{ATTRIBUTE}`"), fix })
    };
    model.inbox_ttl.as_ref().and_then(fault).into_iter().collect()
}
