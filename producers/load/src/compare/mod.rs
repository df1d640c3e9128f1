//! Two runs beside each other: what differs, and what only seems to.

mod bootstrap;

pub use bootstrap::Ratio;
use bootstrap::{Parts, of_means, of_quantiles};
use serde::Serialize;

use crate::{
    report::{Report, Word, bytes, micros},
    run::Sample,
    slo::Phase,
};

/// One figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// In the first run, as a reader reads it.
    pub first: String,
    /// In the second.
    pub second: String,
    /// The second over the first; `None` where one of them has none.
    pub ratio: Option<Ratio>,
    /// Which way is better.
    pub better: Better,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less of it.
    Lower,
    /// More of it.
    Higher,
}

/// What a figure says about the second run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It is better.
    Better,
    /// It is worse.
    Worse,
    /// No difference is seen: the interval of the ratio spans 1.
    Nothing,
}

impl Figure {
    /// What it says about the second run.
    #[must_use]
    pub fn says(&self) -> Says {
        match self.ratio {
            Some(ratio) if ratio.differs() => {
                if (ratio.ratio < 1.0) == (self.better == Better::Lower) {
                    Says::Better
                } else {
                    Says::Worse
                }
            }
            _ => Says::Nothing,
        }
    }

    /// The same, as a reader reads it.
    #[must_use]
    pub fn text(&self) -> &'static str {
        match (self.says(), self.ratio) {
            (_, None) => "can't be compared",
            (Says::Better, _) => "better",
            (Says::Worse, _) => "worse",
            (Says::Nothing, _) => "no difference seen",
        }
    }
}

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

const SHARES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// The same randomness each time: the same reports give the same comparison.
const SEED: u64 = 20_260_101;

impl Comparison {
    /// Compares two runs.
    #[must_use]
    pub fn of(first: &Report, second: &Report) -> Self {
        let mut figures = Vec::new();
        for phase in Phase::ALL {
            let (one, other) = (Parts::of(&first.windows.parts, phase), Parts::of(&second.windows.parts, phase));
            let ratios = of_quantiles(&one, &other, &SHARES.map(|(_, share)| share), SEED);
            for ((name, share), ratio) in SHARES.iter().zip(ratios) {
                // Drawing anew says nothing about extremes: ten values at least have to lie beyond a percentile.
                let beyond = |report: &Report| report.overall(phase).map_or(0.0, |l| l.count as f64 * (1.0 - share));
                let ratio = ratio.filter(|_| beyond(first) >= 10.0 && beyond(second) >= 10.0);
                let shown = |report: &Report| shown(report, phase, name);
                if let (Some(first), Some(second)) = (shown(first), shown(second)) {
                    let name = format!("{} {name}", phase.title());
                    figures.push(Figure { name, first, second, ratio, better: Better::Lower });
                }
            }
        }
        figures.push(rate("accepted", first, second, accepted, |report| report.rates.accepted));
        figures.push(rate("deliveries done", first, second, done, |report| mean(&done(report))));
        figures.extend(memory(first, second));
        Self { first: first.run.clone(), second: second.run.clone(), figures, warnings: warnings(first, second) }
    }

    /// Whether any figure of the second run is worse.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.figures.iter().any(|figure| figure.says() == Says::Worse)
    }
}

fn shown(report: &Report, phase: Phase, name: &str) -> Option<String> {
    let latency = report.overall(phase)?;
    Some(micros(match name {
        "p50" => latency.p50_us,
        "p90" => latency.p90_us,
        "p99" => latency.p99_us,
        "p99.9" => latency.p999_us,
        _ => latency.max_us,
    }))
}

fn rate(
    name: &str,
    first: &Report,
    second: &Report,
    series: fn(&Report) -> Vec<f64>,
    average: fn(&Report) -> f64,
) -> Figure {
    Figure {
        name: format!("{name} a second"),
        first: format!("{:.1}", average(first)),
        second: format!("{:.1}", average(second)),
        ratio: of_means(&series(first), &series(second), SEED),
        better: Better::Higher,
    }
}

fn accepted(report: &Report) -> Vec<f64> {
    let samples: Vec<&Sample> = report.samples.iter().filter(|sample| sample.at <= report.sending_s).collect();
    let pairs = samples.windows(2).filter(|pair| pair[1].at - pair[0].at > 0.5);
    pairs.map(|pair| pair[1].accepted.saturating_sub(pair[0].accepted) as f64 / (pair[1].at - pair[0].at)).collect()
}

fn done(report: &Report) -> Vec<f64> {
    let width = report.done.width_s.max(1);
    let whole = usize::try_from(report.sending_s as u64 / width).unwrap_or(usize::MAX);
    report.done.counts.iter().take(whole.max(1)).map(|count| *count as f64 / width as f64).collect()
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn memory(first: &Report, second: &Report) -> Option<Figure> {
    let series = |report: &Report| -> Vec<f64> {
        report.samples.iter().filter_map(|sample| sample.memory.map(|bytes| bytes as f64)).collect()
    };
    let (one, other) = (series(first), series(second));
    Some(Figure {
        name: "resident memory".into(),
        first: bytes(first.usage.memory?),
        second: bytes(second.usage.memory?),
        ratio: of_means(&one, &other, SEED),
        better: Better::Lower,
    })
}

fn warnings(first: &Report, second: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut differs = |what: &str, one: &str, other: &str| {
        if one != other {
            warnings.push(format!("{what} differs: `{one}` and `{other}`"));
        }
    };
    let (one, other) = (&first.scenario, &second.scenario);
    differs("the rate", &one.rate, &other.rate);
    differs("the way in", one.via.word(), other.via.word());
    differs("the mix", &one.mix.join("; "), &other.mix.join("; "));
    differs("the keys", &one.keys, &other.keys);
    differs("what isn't sent as it should be", &one.shares, &other.shares);
    differs("the machine", &first.place.processor, &second.place.processor);
    differs("the number of processors", &first.place.processors.to_string(), &second.place.processors.to_string());
    differs("the build", &first.place.build, &second.place.build);
    for report in [first, second] {
        if report.verdict.word == Word::Invalid {
            warnings.push(format!("`{}` says nothing: its generator was too slow", report.run));
        }
        if report.total.lost > 0 {
            warnings.push(format!("`{}` lost {} deliveries", report.run, report.total.lost));
        }
    }
    warnings
}
