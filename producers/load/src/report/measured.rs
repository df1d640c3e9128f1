//! What was measured of one thing that had to hold, and whether it does.

use super::{
    build::{bytes, time},
    model::Report,
};
use crate::{
    reconcile::{Ledger, Of},
    slo::{Metric, Op, Phase, Point, Slo, What},
};

/// What was measured.
pub(super) struct Measured {
    /// In the limit's unit.
    pub(super) value: f64,
    /// The same, as a reader reads it.
    pub(super) shown: String,
    /// Whether it holds.
    pub(super) holds: bool,
}

impl Measured {
    /// What was measured of this; `None` where nothing was.
    pub(super) fn of(slo: &Slo, report: &Report, ledger: &Ledger) -> Option<Self> {
        if let Metric::Latency { phase, point, of } = &slo.metric {
            return Self::latency(slo, *phase, *point, of.as_deref(), ledger);
        }
        let value = match slo.metric {
            Metric::Latency { .. } => return None,
            Metric::Count { what, share } => {
                let (count, all) = count(what, report)?;
                match (share, all) {
                    (false, _) => count as f64,
                    (true, 0) => 0.0,
                    (true, all) => count as f64 / all as f64,
                }
            }
            Metric::Throughput => report.rates.done,
            Metric::Accepted => report.rates.accepted,
            Metric::Drain => report.drain_s?,
            Metric::Memory => report.usage.memory? as f64,
        };
        let (mut shown, holds) = (shown(&slo.metric, value), slo.holds(value));
        if !holds && matches!(slo.metric, Metric::Throughput | Metric::Accepted) && shown == rate(slo.limit, 1) {
            // It would look as if it held.
            shown = rate(value, 4);
        }
        Some(Self { value, shown, holds })
    }

    /// What isn't at its end may take for ever: it keeps no upper limit.
    fn latency(slo: &Slo, phase: Phase, point: Point, of: Option<&str>, ledger: &Ledger) -> Option<Self> {
        let wanted = |(kind, consumer): &Of| {
            of.is_none_or(|of| of == kind.word() || consumer.is_some_and(|consumer| ledger.consumer(consumer) == of))
        };
        let (all, ended) = (ledger.latencies().of(phase, wanted), ledger.latencies().ended(phase, wanted));
        if all.is_empty() {
            return None;
        }
        let micros = match point {
            Point::Percentile(percentile) => all.value_at_percentile(percentile) as f64,
            Point::Max => all.max() as f64,
            Point::Mean => all.mean(),
        };
        let (value, open) = (micros / 1e6, all.len() - ended.len());
        if open == 0 {
            return Some(Self { value, shown: time(value), holds: slo.holds(value) });
        }
        let holds = match (slo.op, point) {
            (Op::AtLeast | Op::Above, _) => slo.holds(value),
            (_, Point::Max | Point::Mean) => false,
            (_, Point::Percentile(percentile)) => {
                let rank = (percentile / 100.0 * all.len() as f64).ceil().max(1.0);
                let share = rank / ended.len() as f64;
                share <= 1.0 && slo.holds(ended.value_at_quantile(share) as f64 / 1e6)
            }
        };
        Some(Self { value, shown: format!("{}, {open} not at their end", time(value)), holds })
    }
}

/// How many, and of how many; `None` where nobody counts.
fn count(what: What, report: &Report) -> Option<(u64, u64)> {
    let (total, sending) = (&report.total, &report.sending);
    Some(match what {
        What::Lost => (total.lost, total.sent()),
        What::Doubled => (total.doubled?, total.sent()),
        What::DeadLettered => (total.dead_lettered + total.again_dead, total.sent()),
        What::InDoubt => (total.in_doubt + sending.unknown(), total.sent()),
        What::InFlight => (total.in_flight, total.sent()),
        What::Refused => (sending.not_accepted(), sending.sent()),
        What::Retries => (total.retries, total.sent()),
        What::Reordered => (total.reordered, total.ordered),
    })
}

fn rate(value: f64, digits: usize) -> String {
    format!("{value:.digits$}/s")
}

fn shown(metric: &Metric, value: f64) -> String {
    match metric {
        Metric::Latency { .. } | Metric::Drain => time(value),
        Metric::Count { share: true, .. } => format!("{:.4} %", value * 100.0),
        Metric::Count { share: false, .. } => format!("{value}"),
        Metric::Throughput | Metric::Accepted => rate(value, 1),
        Metric::Memory => bytes(value as u64),
    }
}
