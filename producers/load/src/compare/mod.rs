//! Two runs beside each other: what differs, and what only seems to.

mod bootstrap;
mod counts;
mod figure;
mod gate;
mod warnings;

pub use bootstrap::Ratio;
use bootstrap::{Parts, of_means, of_quantiles};
pub use figure::{Better, Figure, Says};
pub use gate::Gate;
use serde::Serialize;
use warnings::warnings;

use crate::{
    report::{Report, bytes, micros},
    run::Sample,
    slo::Phase,
    soak::{SMALL_LATENCY, SMALL_MEMORY},
};

/// Two runs beside each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The first run.
    pub first: String,
    /// The second.
    pub second: String,
    /// Their figures.
    pub figures: Vec<Figure>,
    /// Why they may not be comparable.
    pub warnings: Vec<String>,
}

/// Percentiles, and how many values each takes to be compared: drawing anew says nothing about extremes, so ten at least have to lie
/// beyond it. Beyond the slowest lies none.
const SHARES: [(&str, f64, u64); 5] =
    [("p50", 0.5, 20), ("p90", 0.9, 100), ("p99", 0.99, 1000), ("p99.9", 0.999, 10_000), ("max", 1.0, u64::MAX)];

/// The same randomness each time: the same reports give the same comparison.
const SEED: u64 = 20_260_101;

impl Comparison {
    /// Compares two runs.
    #[must_use]
    pub fn of(first: &Report, second: &Report) -> Self {
        let mut figures = Vec::new();
        for phase in Phase::ALL {
            let (one, other) = (Parts::of(&first.windows.parts, phase), Parts::of(&second.windows.parts, phase));
            let ratios = of_quantiles(&one, &other, &SHARES.map(|(_, share, _)| share), SEED);
            let count = |report: &Report| report.overall(phase).map_or(0, |latency| latency.count);
            for ((name, _, takes), ratio) in SHARES.into_iter().zip(ratios) {
                let ratio = ratio.filter(|_| count(first).min(count(second)) >= takes);
                let values = [took(first, phase, name), took(second, phase, name)];
                let ratio = match values {
                    [Some(one), Some(other)] if one > 0 => ratio.map(|ratio| ratio.around(other as f64 / one as f64)),
                    _ => ratio,
                };
                let figure = Figure::of(
                    format!("{} {name}", phase.title()),
                    values.map(|us| us.map(micros)),
                    ratio,
                    Better::Lower,
                );
                let figure = figure.map(|figure| Figure { takes: Some(takes), ..figure });
                figures.extend(match (phase, values[0]) {
                    // The system's own clocks count milliseconds: 5 and 6 may be the same.
                    (Phase::Queue | Phase::Handler | Phase::E2e, Some(us)) => {
                        figure.map(|figure| figure.above(SMALL_LATENCY, us as f64 / 1e6))
                    }
                    _ => figure,
                });
            }
        }
        figures.extend(rate("accepted", first, second, accepted, |report| report.rates.accepted));
        figures.extend(rate("deliveries done", first, second, done, |report| mean(&done(report))));
        figures.extend(memory(first, second));
        figures.extend(peak(first, second));
        figures.extend(counts::figures(first, second));
        figures.push(counts::verdict(first, second));
        Self { first: first.run.clone(), second: second.run.clone(), figures, warnings: warnings(first, second) }
    }
}

fn took(report: &Report, phase: Phase, name: &str) -> Option<u64> {
    let latency = report.overall(phase)?;
    Some(match name {
        "p50" => latency.p50_us,
        "p90" => latency.p90_us,
        "p99" => latency.p99_us,
        "p99.9" => latency.p999_us,
        _ => latency.max_us,
    })
}

fn rate(
    name: &str,
    first: &Report,
    second: &Report,
    series: fn(&Report) -> Vec<f64>,
    average: fn(&Report) -> f64,
) -> Option<Figure> {
    let values = [first, second].map(|report| Some(format!("{:.1}", average(report))));
    Figure::of(format!("{name} a second"), values, of_means(&series(first), &series(second), SEED), Better::Higher)
}

fn accepted(report: &Report) -> Vec<f64> {
    let samples: Vec<&Sample> = report.samples.iter().filter(|sample| sample.at <= report.sending_s).collect();
    let pairs = samples.windows(2).filter(|pair| pair[1].at - pair[0].at > 0.5);
    pairs.map(|pair| pair[1].accepted.saturating_sub(pair[0].accepted) as f64 / (pair[1].at - pair[0].at)).collect()
}

fn done(report: &Report) -> Vec<f64> {
    let width = report.done.width_s.max(1);
    let whole = usize::try_from(report.sending_s as u64 / width).unwrap_or(usize::MAX);
    // The list ends with the last delivery: after that none were done.
    let counts = report.done.counts.iter().chain(std::iter::repeat(&0));
    counts.take(whole.max(1)).map(|count| *count as f64 / width as f64).collect()
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Memory while events were sent: what a system keeps while it only waits says nothing about the load.
fn memory(first: &Report, second: &Report) -> Option<Figure> {
    let series = |report: &Report| -> Vec<f64> {
        let sending = report.samples.iter().filter(|sample| sample.at <= report.sending_s);
        sending.filter_map(|sample| sample.memory.map(|bytes| bytes as f64)).collect()
    };
    let (one, other) = (series(first), series(second));
    let values = [&one, &other].map(|series| (!series.is_empty()).then(|| bytes(mean(series) as u64)));
    let figure = Figure::of("resident memory, on average".into(), values, of_means(&one, &other, SEED), Better::Lower)?;
    Some(figure.above(SMALL_MEMORY, mean(&one)))
}

fn peak(first: &Report, second: &Report) -> Option<Figure> {
    let peaks = [first, second].map(|report| report.usage.memory.map(|bytes| bytes as f64));
    Figure::single("resident memory at its peak", peaks, SMALL_MEMORY, |peak| bytes(peak as u64))
}
