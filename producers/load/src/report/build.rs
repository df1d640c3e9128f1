//! From everything that is known of a run to its report.

use std::{sync::PoisonError, time::Duration};

use hdrhistogram::Histogram;

use super::{
    judge,
    model::{Done, Latency, Lost, Place, Rates, Report, Summary, Used, Verdict, Windows, Word},
};
use crate::{
    RunId,
    reconcile::{Account, Ledger},
    run::{Outcome, Overall},
    scenario::{Kind, Scenario},
    slo::Phase,
};

/// How many stretches are told apart.
const POINTS: usize = 600;

impl Report {
    /// The report of a run.
    #[must_use]
    pub fn of(scenario: &Scenario, run: &RunId, place: Place, outcome: &Outcome) -> Self {
        let ledger = outcome.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let sending_s = seconds(outcome.started, outcome.sent_until).max(0.001);
        let sending = outcome.settled.sending.clone();
        let nothing = Account { consumer: "all".into(), ..Account::default() };
        let total = outcome.settled.accounts.iter().fold(nothing, Account::plus);
        let drained = outcome.settled.drained_at.map(|at| seconds(outcome.sent_until, at).max(0.0));
        let mut report = Self {
            format: Self::FORMAT,
            run: run.to_string(),
            scenario: summary(scenario),
            place,
            verdict: Verdict { word: Word::Ok, exit: 0, checks: Vec::new(), notes: Vec::new() },
            started: outcome.started,
            sending_s,
            drain_s: drained,
            rates: rates(scenario, &ledger, outcome, sending_s),
            generator: outcome.health.clone(),
            sending,
            lost: lost(&ledger, outcome),
            troubles: ledger.troubles().to_vec(),
            latencies: latencies(&ledger),
            windows: Windows {
                width_s: ledger.latencies().width().as_secs_f64(),
                parts: ledger.latencies().windows().to_vec(),
            },
            samples: outcome.samples.clone(),
            done: done(&ledger),
            usage: used(outcome, &total),
            accounts: outcome.settled.accounts.clone(),
            total,
        };
        report.verdict = judge::verdict(scenario, &report, &ledger, outcome);
        report
    }
}

fn seconds(from: sendoff_events::Timestamp, to: sendoff_events::Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

fn summary(scenario: &Scenario) -> Summary {
    let mix = scenario.mix.iter().map(|event| {
        let size = event.size.map_or_else(String::new, |size| format!(", {size}"));
        format!("{} × {}{size}", event.kind.word(), event.weight)
    });
    let (keys, shares) = (scenario.keys, scenario.shares);
    let heat = if keys.zipf > 0.0 { format!(", Zipf {}", keys.zipf) } else { String::new() };
    Summary {
        name: scenario.name.clone(),
        seed: scenario.seed,
        via: scenario.via,
        rate: scenario.shape.to_string(),
        duration_s: scenario.duration.as_secs_f64(),
        warm_up_s: scenario.warm_up.as_secs_f64(),
        drain_s: Some(scenario.drain.as_secs_f64()),
        mix: mix.collect(),
        keys: format!("{} tenants, {} apps each, {} users{heat}", keys.tenants, keys.apps, keys.users),
        shares: format!(
            "duplicates {} %, poison {} %, oversize {} %",
            percent(shares.duplicate),
            percent(shares.poison),
            percent(shares.oversize)
        ),
        oversize_bytes: Some(shares.oversize_bytes),
    }
}

fn percent(share: f64) -> f64 {
    (share * 100_000.0).round() / 1000.0
}

fn rates(scenario: &Scenario, ledger: &Ledger, outcome: &Outcome, sending_s: f64) -> Rates {
    // The last event is due a little before the end.
    let window = if outcome.halted.is_some() { sending_s } else { sending_s.max(scenario.duration.as_secs_f64()) };
    let meanwhile = Duration::from_secs_f64(window);
    Rates {
        requested: scenario.expected() as f64 / scenario.duration.as_secs_f64(),
        offered: ledger.counts().sent as f64 / window,
        accepted: ledger.accepted_within(meanwhile) as f64 / window,
        done: ledger.done_within(meanwhile) as f64 / window,
    }
}

fn lost(ledger: &Ledger, outcome: &Outcome) -> Vec<Lost> {
    let missing = outcome.settled.evidence.census.missing.iter();
    missing
        .map(|(number, event, consumer)| Lost {
            number: *number,
            event: *event,
            consumer: ledger.consumer(*consumer).to_owned(),
        })
        .collect()
}

fn latencies(ledger: &Ledger) -> Vec<Latency> {
    let all = ledger.latencies();
    let row = |phase, kind: Option<Kind>, consumer: Option<usize>, histogram: &Histogram<u32>| Latency {
        phase,
        kind: kind.map(|kind| kind.word().to_owned()),
        consumer: consumer.map(|consumer| ledger.consumer(consumer).to_owned()),
        count: histogram.len(),
        mean_us: (histogram.mean() * 10.0).round() / 10.0,
        p50_us: histogram.value_at_quantile(0.5),
        p90_us: histogram.value_at_quantile(0.9),
        p99_us: histogram.value_at_quantile(0.99),
        p999_us: histogram.value_at_quantile(0.999),
        p9999_us: histogram.value_at_quantile(0.9999),
        max_us: histogram.max(),
    };
    let overall = Phase::ALL.into_iter().map(|phase| row(phase, None, None, &all.of(phase, |_| true)));
    let single =
        all.kinds().into_iter().map(|(phase, of)| row(phase, Some(of.0), of.1, &all.of(phase, |one| *one == of)));
    overall.filter(|row| row.count > 0).chain(single).collect()
}

fn done(ledger: &Ledger) -> Done {
    let seconds = ledger.done_by_second();
    let width = seconds.len().div_ceil(POINTS).max(1);
    let counts = seconds.chunks(width).map(|chunk| chunk.iter().map(|count| u64::from(*count)).sum()).collect();
    Done { width_s: width as u64, counts }
}

fn used(outcome: &Outcome, total: &Account) -> Used {
    let Overall { memory, backlog, stored, cost } = outcome.overall;
    let events = outcome.settled.sending.events;
    let sent = events.accepted + events.found;
    let cost_per_million = cost.filter(|_| total.sent() > 0 && sent > 0).map(|cost| cost * 1e6 / sent as f64);
    Used { memory, backlog, stored, cost, cost_per_million }
}

/// A duration as a reader reads it.
#[must_use]
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s <= 0.0 => "0".into(),
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 0.01 => format!("{:.2} ms", s * 1e3),
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Microseconds as a reader reads them.
#[must_use]
pub fn micros(us: u64) -> String {
    time(Duration::from_micros(us).as_secs_f64())
}

/// Bytes as a reader reads them.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    match bytes {
        b if b < 10 << 10 => format!("{b} B"),
        b if b < 10 << 20 => format!("{} KiB", b >> 10),
        b if b < 10 << 30 => format!("{} MiB", b >> 20),
        b => format!("{} GiB", b >> 30),
    }
}
