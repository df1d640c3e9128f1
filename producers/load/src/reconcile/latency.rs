//! How long things took: exact enough for p99.99, small enough for every type at every consumer.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{scenario::Kind, slo::Phase};

/// Of which events: their kind and, but for the publish ack, the consumer's number.
pub type Of = (Kind, Option<usize>);

/// Three digits are exact.
const DIGITS: u8 = 3;

/// The histograms of a run, in microseconds.
#[derive(Default)]
pub struct Latencies {
    of: BTreeMap<(Phase, Of), Histogram<u32>>,
    windows: Vec<Window>,
    width: Duration,
}

/// What happened to the events that were due in a part of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// By phase: how many took how many microseconds, rounded down to seven binary digits.
    pub phases: BTreeMap<Phase, BTreeMap<u64, u64>>,
}

impl Latencies {
    pub(super) fn new(width: Duration) -> Self {
        Self { width: width.max(Duration::from_millis(1)), ..Self::default() }
    }

    /// How long a window is.
    #[must_use]
    pub fn width(&self) -> Duration {
        self.width
    }

    /// The windows, one after the other from the beginning.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    pub(super) fn record(&mut self, phase: Phase, of: Of, due: Duration, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let histogram = self.of.entry((phase, of)).or_insert_with(histogram);
        // It resizes itself, and a count of 32 bits is enough: nothing is refused.
        let _ = histogram.record(micros);
        let place = usize::try_from(due.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX).min(MOST_WINDOWS);
        if self.windows.len() <= place {
            self.windows.resize_with(place + 1, Window::default);
        }
        *self.windows[place].phases.entry(phase).or_default().entry(coarse(micros)).or_default() += 1;
    }

    /// The histogram of a phase, over all that `wanted` takes.
    #[must_use]
    pub fn of(&self, phase: Phase, wanted: impl Fn(&Of) -> bool) -> Histogram<u32> {
        let mut all = histogram();
        for ((of_phase, of), histogram) in &self.of {
            if *of_phase == phase && wanted(of) {
                // Both resize themselves: nothing is out of bounds.
                let _ = all.add(histogram);
            }
        }
        all
    }

    /// What there are histograms of.
    pub fn kinds(&self) -> impl Iterator<Item = (Phase, Of)> {
        self.of.keys().copied()
    }

    /// The histograms' and windows' bytes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let histograms: usize = self.of.values().map(|histogram| histogram.distinct_values() * 4).sum();
        let entries: usize = self.windows.iter().flat_map(|window| window.phases.values()).map(BTreeMap::len).sum();
        histograms + entries * 24
    }
}

/// No run has more windows than this: what comes later counts for the last one.
const MOST_WINDOWS: usize = 1000;

/// The first seven binary digits: exact to 1 %.
fn coarse(micros: u64) -> u64 {
    let shift = (64 - micros.leading_zeros()).saturating_sub(7);
    (micros >> shift) << shift
}

#[expect(clippy::expect_used, reason = "three digits are within what hdrhistogram allows: 0 to 5")]
fn histogram() -> Histogram<u32> {
    Histogram::new(DIGITS).expect("three digits are allowed")
}

#[cfg(test)]
mod tests {
    use super::coarse;

    #[test]
    fn coarse_values_are_exact_to_a_hundredth_and_never_larger() {
        for value in (1..100_000).chain([u64::MAX]) {
            let rounded = coarse(value);
            assert!(rounded <= value && (value - rounded) as f64 <= value as f64 / 64.0, "{value} {rounded}");
        }
        assert_eq!(coarse(127), 127);
    }
}
