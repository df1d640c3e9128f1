//! A long run, and whether anything creeps up: memory, the backlog, latency.

mod trend;

use serde::Serialize;
pub use trend::Trend;

use crate::{
    report::{Report, bytes, quantile, time},
    slo::Phase,
};

/// What was watched over a long run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// What.
    pub what: &'static str,
    /// Its trend; `None` where there were too few points.
    pub trend: Option<Trend>,
    /// How it goes, as a reader reads it.
    pub shown: String,
    /// Whether it stays as it is.
    pub course: Course,
}

/// Whether something stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// It does.
    Flat,
    /// It creeps up.
    Creeping,
    /// The run was too short to say, or the system couldn't be asked for most of it.
    Unknown,
    /// This system doesn't tell.
    Unmeasured,
}

impl Course {
    /// Whether it stands against a run: what creeps up, and what could have been seen and wasn't.
    #[must_use]
    pub const fn fails(self) -> bool {
        matches!(self, Self::Creeping | Self::Unknown)
    }
}

/// How much something may grow over the run, as a share of how it began, before that is a drift.
const TOLERANCE: f64 = 0.1;

/// Growth of smaller things is no drift: bytes, messages, seconds.
pub(crate) const SMALL_MEMORY: f64 = (64 << 20) as f64;
const SMALL_BACKLOG: f64 = 100.0;
pub(crate) const SMALL_LATENCY: f64 = 0.01;

/// What creeps up in a run. The drain isn't looked at.
#[must_use]
pub fn drifts(report: &Report) -> Vec<Drift> {
    let sending = || {
        report.samples.iter().filter(|sample| sample.at <= report.sending_s && sample.at >= report.scenario.warm_up_s)
    };
    let memory: Vec<_> = sending().filter_map(|sample| Some((sample.at, sample.memory? as f64))).collect();
    let backlog: Vec<_> = sending().filter_map(|sample| Some((sample.at, sample.backlog()? as f64))).collect();
    let latency = |share: f64| -> Vec<(f64, f64)> {
        let parts = report.windows.parts.iter().enumerate();
        let points = parts.filter_map(|(place, part)| {
            let value = quantile(part.phases.get(&Phase::E2e)?, share)?;
            Some((place as f64 * report.windows.width_s, value as f64 / 1e6))
        });
        points.collect()
    };
    let memory = if report.usage.memory.is_some() {
        drift("memory", &memory, SMALL_MEMORY, |value| bytes(value as u64))
    } else {
        let shown = "the system under test doesn't tell".into();
        Drift { what: "memory", trend: None, shown, course: Course::Unmeasured }
    };
    vec![
        memory,
        drift("backlog", &backlog, SMALL_BACKLOG, |value| format!("{value:.0} messages")),
        drift("e2e p50", &latency(0.5), SMALL_LATENCY, time),
        drift("e2e p99", &latency(0.99), SMALL_LATENCY, time),
    ]
}

fn drift(what: &'static str, points: &[(f64, f64)], small: f64, text: fn(f64) -> String) -> Drift {
    let Some(trend) = Trend::of(points) else {
        let shown = format!(
            "{} points are too few to see a trend: make `duration` longer, or see why the system didn't tell more",
            points.len()
        );
        return Drift { what, trend: None, shown, course: Course::Unknown };
    };
    let course = if trend.growth(small) <= TOLERANCE { Course::Flat } else { Course::Creeping };
    let hour = |slope: f64| {
        let change = slope * 3600.0;
        format!("{}{}", if change < 0.0 { "-" } else { "+" }, text(change.abs()))
    };
    let mut shown = format!(
        "{} at the beginning, {} an hour (95 %: {} to {})",
        text(trend.beginning),
        hour(trend.slope),
        hour(trend.low),
        hour(trend.high)
    );
    if course == Course::Flat && trend.low > 0.0 {
        let grown = format!("; it grew by less than {} % in {}", TOLERANCE * 100.0, time(trend.seconds));
        shown.push_str(&grown);
        shown.push_str(", and only a longer run tells whether it goes on");
    }
    Drift { what, trend: Some(trend), shown, course }
}
