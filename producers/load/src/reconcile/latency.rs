//! How long things took: exact enough for p99.99, small enough for every type at every consumer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{scenario::Kind, slo::Phase};

/// Of which events: their kind and, but for the publish ack, the consumer's number.
pub type Of = (Kind, Option<usize>);

/// Three digits are exact.
const DIGITS: u8 = 3;

type Histograms = BTreeMap<(Phase, Of), Histogram<u32>>;

/// The histograms of a run, in microseconds.
#[derive(Default)]
pub struct Latencies {
    ended: Histograms,
    /// Of what wasn't at its end when the run was: the time that it took so far.
    open: Histograms,
    windows: Vec<Window>,
    width: Duration,
}

/// What happened to the events that were due in a part of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// By phase: how many took how many microseconds, rounded down to seven binary digits.
    pub phases: BTreeMap<Phase, BTreeMap<u64, u64>>,
}

impl Window {
    /// By which share of itself a value may be larger than what it is counted as, at most.
    pub const COARSE: f64 = 1.0 / 64.0;
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

    /// It took so long.
    pub(super) fn record(&mut self, phase: Phase, of: Of, due: Duration, took: Duration) {
        let micros = micros(took);
        // It resizes itself, and a count of 32 bits is enough: nothing is refused.
        let _ = self.ended.entry((phase, of)).or_insert_with(histogram).record(micros);
        self.note(phase, due, micros);
    }

    /// It took so long already, and wasn't at its end.
    pub(super) fn cut_off(&mut self, phase: Phase, of: Of, due: Duration, so_far: Duration) {
        let micros = micros(so_far);
        let _ = self.open.entry((phase, of)).or_insert_with(histogram).record(micros);
        self.note(phase, due, micros);
    }

    fn note(&mut self, phase: Phase, due: Duration, micros: u64) {
        let place = usize::try_from(due.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX).min(MOST_WINDOWS);
        if self.windows.len() <= place {
            self.windows.resize_with(place + 1, Window::default);
        }
        *self.windows[place].phases.entry(phase).or_default().entry(coarse(micros)).or_default() += 1;
    }

    /// The histogram of a phase, over all that `wanted` takes. What wasn't at its end counts with the time that it took so far.
    #[must_use]
    pub fn of(&self, phase: Phase, wanted: impl Fn(&Of) -> bool) -> Histogram<u32> {
        together(self.ended.iter().chain(&self.open), phase, wanted)
    }

    /// The same of what came to its end only.
    #[must_use]
    pub fn ended(&self, phase: Phase, wanted: impl Fn(&Of) -> bool) -> Histogram<u32> {
        together(&self.ended, phase, wanted)
    }

    /// How many weren't at the end of a phase when the run was.
    #[must_use]
    pub fn open(&self, phase: Phase) -> u64 {
        self.open.iter().filter(|((of, _), _)| *of == phase).map(|(_, histogram)| histogram.len()).sum()
    }

    /// What there are histograms of.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<(Phase, Of)> {
        self.ended.keys().chain(self.open.keys()).copied().collect()
    }

    /// The histograms' and windows' bytes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let all = self.ended.values().chain(self.open.values());
        let histograms: usize = all.map(|histogram| histogram.distinct_values() * 4).sum();
        let entries: usize = self.windows.iter().flat_map(|window| window.phases.values()).map(BTreeMap::len).sum();
        histograms + entries * 24
    }
}

/// No run has more windows than this: what comes later counts for the last one.
const MOST_WINDOWS: usize = 1000;

fn together<'a>(
    all: impl IntoIterator<Item = (&'a (Phase, Of), &'a Histogram<u32>)>,
    phase: Phase,
    wanted: impl Fn(&Of) -> bool,
) -> Histogram<u32> {
    let mut sum = histogram();
    for ((of_phase, of), histogram) in all {
        if *of_phase == phase && wanted(of) {
            // Both resize themselves: nothing is out of bounds.
            let _ = sum.add(histogram);
        }
    }
    sum
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1)
}

/// The first seven binary digits: exact to [`Window::COARSE`].
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
    use super::{Window, coarse};

    #[test]
    fn coarse_values_are_exact_to_a_hundredth_and_never_larger() {
        for value in (1..100_000).chain([u64::MAX]) {
            let rounded = coarse(value);
            assert!(rounded <= value && (value - rounded) as f64 <= value as f64 * Window::COARSE, "{value} {rounded}");
        }
        assert_eq!(coarse(127), 127);
    }
}
