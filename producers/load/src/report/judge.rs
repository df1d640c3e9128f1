//! Whether a run is good.

use sendoff_host::Exit;

use super::{
    build::{bytes, time},
    model::{Check, Report, Verdict, Word},
};
use crate::{
    guards::Reason,
    reconcile::Ledger,
    run::Outcome,
    scenario::{Kind, Scenario},
    slo::{Metric, Phase, Point, Slo, What},
};

/// The verdict on a run.
pub(super) fn verdict(scenario: &Scenario, report: &Report, ledger: &Ledger, outcome: &Outcome) -> Verdict {
    let mut notes = Vec::new();
    let checks: Vec<Check> = Slo::with_defaults(&scenario.slo)
        .iter()
        .map(|slo| check(slo, scenario.slo.contains(slo), report, ledger, &mut notes))
        .collect();
    let halted = outcome.halted.as_ref();
    notes.extend(halted.map(ToString::to_string));
    if !report.generator.is_good() {
        notes.push(format!(
            "{} of {} sends were more than {} late, more than {} %: the generator was too slow, and the figures say nothing about \
             the system",
            report.generator.late,
            report.generator.sent,
            time(report.generator.late_after_us as f64 / 1e6),
            report.generator.late_share * 100.0
        ));
    }
    if report.total.sent() != report.total.accounted() {
        notes.push("the account doesn't add up: that is a mistake of the load test itself".into());
    }
    let unknown = report.sending.events.unknown + report.sending.poison.unknown;
    if unknown > 0 {
        notes.push(format!("of {unknown} sends nobody knows whether they arrived"));
    }
    if report.total.in_doubt > 0 {
        notes.push(format!("{} deliveries are in doubt: see `sendoff doubt ls`", report.total.in_doubt));
    }
    if report.total.sent() == 0 {
        notes.push("nothing arrived".into());
    }

    let is_lost = report.total.lost > 0 || report.total.sent() != report.total.accounted();
    let broken = matches!(halted, Some(Reason::Payload(_)));
    let failed = broken || report.total.sent() == 0 || checks.iter().any(|check| !check.holds);
    let (word, exit) = if is_lost {
        (Word::Failed, Exit::Failed)
    } else if halted.is_some_and(Reason::is_guard) {
        (Word::Stopped, Exit::Refused)
    } else if !report.generator.is_good() {
        (Word::Invalid, Exit::Failed)
    } else if failed {
        (Word::Failed, Exit::Failed)
    } else if unknown > 0 || report.total.in_doubt > 0 {
        (Word::InDoubt, Exit::InDoubt)
    } else if halted.is_some() {
        (Word::Partly, Exit::Partly)
    } else {
        (Word::Ok, Exit::Done)
    };
    Verdict { word, exit: exit as u8, checks, notes }
}

fn check(slo: &Slo, is_said: bool, report: &Report, ledger: &Ledger, notes: &mut Vec<String>) -> Check {
    let value = value(&slo.metric, report, ledger);
    let (shown, holds) = match value {
        Some(value) => (shown(&slo.metric, value), slo.holds(value)),
        // What nobody counts can only fail a run that asked for it.
        None if matches!(slo.metric, Metric::Count { what: What::Doubled, .. }) => {
            notes.push("effects that happened twice weren't counted: no sink of this target counts them".into());
            ("not counted".into(), !is_said)
        }
        None => ("nothing measured".into(), false),
    };
    Check { slo: slo.text.clone(), value, shown, holds }
}

fn value(metric: &Metric, report: &Report, ledger: &Ledger) -> Option<f64> {
    match metric {
        Metric::Latency { phase, point, of } => latency(*phase, *point, of.as_deref(), ledger),
        Metric::Count { what, share } => {
            let (count, all) = count(*what, report)?;
            match (share, all) {
                (false, _) => Some(count as f64),
                (true, 0) => Some(0.0),
                (true, all) => Some(count as f64 / all as f64),
            }
        }
        Metric::Throughput => Some(report.rates.done),
        Metric::Accepted => Some(report.rates.accepted),
        Metric::Drain => report.drain_s,
        Metric::Memory => report.usage.memory.map(|bytes| bytes as f64),
    }
}

fn latency(phase: Phase, point: Point, of: Option<&str>, ledger: &Ledger) -> Option<f64> {
    let wanted = |(kind, consumer): &(Kind, Option<usize>)| {
        of.is_none_or(|of| of == kind.word() || consumer.is_some_and(|consumer| ledger.consumer(consumer) == of))
    };
    let histogram = ledger.latencies().of(phase, wanted);
    if histogram.is_empty() {
        return None;
    }
    let micros = match point {
        Point::Percentile(percentile) => histogram.value_at_percentile(percentile) as f64,
        Point::Max => histogram.max() as f64,
        Point::Mean => histogram.mean(),
    };
    Some(micros / 1e6)
}

/// How many, and of how many; `None` where nobody counts.
fn count(what: What, report: &Report) -> Option<(u64, u64)> {
    let (total, sending) = (&report.total, &report.sending);
    let sent = sending.events.sent + sending.again.sent + sending.poison.sent;
    let refused = sending.events.refused + sending.again.refused + sending.poison.refused;
    let not_there = sending.events.not_there;
    Some(match what {
        What::Lost => (total.lost, total.sent()),
        What::Doubled => (total.doubled?, total.sent()),
        What::DeadLettered => (total.dead_lettered, total.sent()),
        What::InDoubt => (total.in_doubt + sending.events.unknown + sending.poison.unknown, total.sent()),
        What::InFlight => (total.in_flight, total.sent()),
        What::Refused => (refused + not_there, sent),
        What::Retries => (total.retries, total.sent()),
        What::Reordered => (total.reordered, total.ordered),
    })
}

fn shown(metric: &Metric, value: f64) -> String {
    match metric {
        Metric::Latency { .. } | Metric::Drain => time(value),
        Metric::Count { share: true, .. } => format!("{:.4} %", value * 100.0),
        Metric::Count { share: false, .. } => format!("{value}"),
        Metric::Throughput | Metric::Accepted => format!("{value:.1}/s"),
        Metric::Memory => bytes(value as u64),
    }
}
