//! Everything that a scenario can say, as tables.

use std::{path::PathBuf, time::Duration};

use sendoff_host::{
    config::{
        Rule,
        rules::{bytes, choice, count, duration, explained, optional, path, rule},
    },
    settings,
};

use super::{Kind, Size};
use crate::{
    Via,
    arrivals::Rate,
    slo::{Slo, SloError},
};

/// How fast events come, without its rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShapeName {
    Constant,
    Ramp,
    Spike,
    Poisson,
    Trace,
}

settings! {
    /// What a scenario says, each value by itself.
    pub(super) struct Settings, draft Draft, table SETTINGS;

    /// What it is called; runs are named after it.
    name: String {
        key: "name", env: None, default: Some("load"), secret: false,
        rule: rule("1 to 20 of a-z, 0-9 and -", |text| is_name(text).then(|| text.to_owned()))
    }
    /// What all its randomness comes from: the same seed sends the same events at the same moments.
    seed: u64 { key: "seed", env: None, default: Some("1"), secret: false, rule: seed() }
    /// How long it sends.
    duration: Duration { key: "duration", env: None, default: Some("60s"), secret: false, rule: duration(1..=7 * 86_400) }
    /// How long, from the beginning, latencies are left out of all figures. The events count nevertheless.
    warm_up: Duration { key: "warm_up", env: None, default: Some("0s"), secret: false, rule: duration(0..=3600) }
    /// The way in: `api` (requests), `topic` (published), `queue` (past the topic) or `table` (state and event in one commit).
    via: Via {
        key: "via", env: None, default: Some("topic"), secret: false,
        rule: choice(&[("api", Via::Api), ("topic", Via::Topic), ("queue", Via::Queue), ("table", Via::Table)])
    }
    /// How long it waits, after the last send, for everything to come to its end.
    drain: Duration { key: "drain", env: None, default: Some("90s"), secret: false, rule: duration(0..=86_400) }

    /// How fast events come: `constant`, `ramp`, `spike`, `poisson` or `trace`.
    shape: ShapeName {
        key: "rate.shape", env: None, default: Some("constant"), secret: false,
        rule: choice(&[
            ("constant", ShapeName::Constant), ("ramp", ShapeName::Ramp), ("spike", ShapeName::Spike),
            ("poisson", ShapeName::Poisson), ("trace", ShapeName::Trace),
        ])
    }
    /// Of `constant` and `poisson`: the rate.
    rate: Option<Rate> { key: "rate.rate", env: None, default: Some(""), secret: false, rule: optional(rate()) }
    /// Of `ramp`: the rate at its beginning.
    from: Option<Rate> { key: "rate.from", env: None, default: Some(""), secret: false, rule: optional(rate()) }
    /// Of `ramp`: the rate at its end.
    to: Option<Rate> { key: "rate.to", env: None, default: Some(""), secret: false, rule: optional(rate()) }
    /// Of `spike`: the rate before and after.
    base: Option<Rate> { key: "rate.base", env: None, default: Some(""), secret: false, rule: optional(rate()) }
    /// Of `spike`: the rate of the spike.
    peak: Option<Rate> { key: "rate.peak", env: None, default: Some(""), secret: false, rule: optional(rate()) }
    /// Of `spike`: when it begins.
    at: Option<Duration> { key: "rate.at", env: None, default: Some(""), secret: false, rule: optional(duration(0..=7 * 86_400)) }
    /// Of `spike`: how long it takes.
    lasting: Option<Duration> {
        key: "rate.lasting", env: None, default: Some(""), secret: false, rule: optional(duration(1..=7 * 86_400))
    }
    /// Of `trace`: the file, a moment a line, in seconds or as a time. A relative path starts at the scenario's folder.
    file: Option<PathBuf> { key: "rate.file", env: None, default: Some(""), secret: false, rule: optional(path("a file of moments")) }
    /// Of `trace`: 2 sends twice as fast as it happened.
    speed: Option<f64> {
        key: "rate.speed", env: None, default: Some(""), secret: false, rule: optional(number("a number from 0.001 to 1000", 0.001, 1000.0))
    }

    /// How many tenants there are.
    tenants: usize { key: "keys.tenants", env: None, default: Some("1"), secret: false, rule: count(1..=1000) }
    /// How many apps each tenant has.
    apps: usize { key: "keys.apps", env: None, default: Some("3"), secret: false, rule: count(1..=1000) }
    /// How many users there are in all, at least one for each tenant. Each is the key of events of their own.
    users: usize { key: "keys.users", env: None, default: Some("100"), secret: false, rule: count(1..=100_000) }
    /// How hot the hottest users are: 0 for all alike, 1 for the second as often as half of the first, and so on (Zipf's law).
    zipf: f64 { key: "keys.zipf", env: None, default: Some("0"), secret: false, rule: number("a number from 0 to 5", 0.0, 5.0) }

    /// Which share is sent once more, and has to be suppressed.
    duplicate: f64 { key: "shares.duplicate", env: None, default: Some("0"), secret: false, rule: share() }
    /// Which share can't be decoded, and has to be dead-lettered. By `queue` only.
    poison: f64 { key: "shares.poison", env: None, default: Some("0"), secret: false, rule: share() }
    /// Which share is larger than a message may be, and travels as a claim check.
    oversize: f64 { key: "shares.oversize", env: None, default: Some("0"), secret: false, rule: share() }
    /// How large those are.
    oversize_bytes: usize {
        key: "shares.oversize_bytes", env: None, default: Some("300 KiB"), secret: false, rule: bytes((257 << 10)..=(1000 << 10))
    }

    /// What has to hold. `lost=0`, `refused=0`, `doubled=0`, `dead-lettered=0` and `in-flight=0` do without saying; all but the first can be replaced.
    require: Option<Vec<Slo>> {
        key: "slo.require", env: None, default: Some(""), secret: false,
        rule: optional(explained(Slo::RULE, slos))
    }

    /// The most events that may be sent: a scenario that wants more is refused before it begins.
    max_events: usize { key: "guards.max_events", env: None, default: Some("2000000"), secret: false, rule: count(1..=1_000_000_000) }
    /// The highest rate.
    max_rate: Rate { key: "guards.max_rate", env: None, default: Some("10000/s"), secret: false, rule: rate() }
    /// The most dollars that a run may cost, or all steps of a search together: sending stops there.
    max_cost: f64 {
        key: "guards.max_cost", env: None, default: Some("1"), secret: false, rule: number("a number of dollars from 0 to 10000", 0.0, 10_000.0)
    }
    /// The most events that may be on their way in at once: sending stops there, since the system doesn't take them any more.
    max_outstanding: usize {
        key: "guards.max_outstanding", env: None, default: Some("100000"), secret: false, rule: count(1..=10_000_000)
    }
    /// The accounts, queues and hosts that may be loaded beside this machine: account ids, queue names, host names.
    allow: Option<Vec<String>> {
        key: "guards.allow", env: None, default: Some(""), secret: false,
        rule: optional(rule("a list of account ids, queue names and host names", |text| {
            let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
            names.iter().all(|name| !name.is_empty()).then_some(names)
        }))
    }

    /// How long after its intended moment a send is late.
    late_after: Duration {
        key: "generator.late_after", env: None, default: Some("10ms"), secret: false, rule: duration(0..=60)
    }
    /// The largest share of late sends: with more, the run says nothing about the system.
    late_share: f64 { key: "generator.late_share", env: None, default: Some("0.01"), secret: false, rule: share() }
    /// How far behind the sending the ledger is looked at, while events are sent.
    look_behind: Duration { key: "generator.look_behind", env: None, default: Some("2s"), secret: false, rule: duration(0..=86_400) }
}

settings! {
    /// One kind of event of the mix.
    pub(super) struct EventSettings, draft EventDraft, table EVENT;

    /// Its type, without the version.
    kind: Kind {
        key: "type", env: None, default: None, secret: false,
        rule: rule(format!("an event that exists: {}", Kind::words().join(", ")), Kind::of)
    }
    /// How often it comes, against the others.
    weight: f64 { key: "weight", env: None, default: Some("1"), secret: false, rule: number("a number above 0, to 1000000", 1e-6, 1e6) }
    /// How many bytes its body has: `1 KiB`, `uniform:200..2000` or `lognormal:800,0.5` (median and sigma). Never less than it needs.
    size: Option<Size> { key: "size", env: None, default: Some(""), secret: false, rule: optional(explained(Size::RULE, str::parse::<Size>)) }
}

fn is_name(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

fn seed() -> Rule<u64> {
    rule("a whole number", |text| text.parse().ok())
}

fn rate() -> Rule<Rate> {
    rule(Rate::RULE, |text| text.parse().ok())
}

fn slos(text: &str) -> Result<Vec<Slo>, String> {
    let told = |wrong: Vec<SloError>| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Slo::read_all(text.split(',')).map_err(told)
}

fn share() -> Rule<f64> {
    number("a share from 0 to 1, such as 0.01", 0.0, 1.0)
}

fn number(says: &'static str, least: f64, most: f64) -> Rule<f64> {
    rule(says, move |text| text.parse().ok().filter(|number| (least..=most).contains(number)))
}
