//! How sure a ratio is: what it would have been, had the run been made of other parts of itself.

use rand::{Rng, SeedableRng as _, rngs::StdRng};
use rand_distr::{Beta, Distribution as _};

use crate::{reconcile::Window, slo::Phase};

/// How often the parts are drawn anew.
const ROUNDS: usize = 600;

/// With fewer parts than this, single values are drawn in their place.
const FEW: usize = 10;

/// A ratio and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Ratio {
    /// The second over the first.
    pub ratio: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Ratio {
    /// Whether the interval says that the two differ.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }

    fn of(ratio: f64, mut drawn: Vec<f64>) -> Option<Self> {
        drawn.retain(|ratio| ratio.is_finite());
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn.get((share * (drawn.len().saturating_sub(1)) as f64).round() as usize).copied();
        Some(Self { ratio, low: at(0.025)?, high: at(0.975)? }).filter(|ratio| ratio.ratio.is_finite())
    }
}

/// The ratio of averages of two series. Neighbouring values know of each other, as memory now and a second ago does: they are drawn in
/// stretches.
pub(super) fn of_means(first: &[f64], second: &[f64], seed: u64) -> Option<Ratio> {
    let mut random = StdRng::seed_from_u64(seed);
    let drawn = (0..ROUNDS).map(|_| drawn_mean(second, &mut random) / drawn_mean(first, &mut random)).collect();
    if first.is_empty() || second.is_empty() { None } else { Ratio::of(mean(second) / mean(first), drawn) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The average of stretches of neighbours that were drawn anew: as many values as there are, in stretches of the root of that. A stretch
/// that reaches the end goes on at the beginning, so that every value is drawn as often as any other.
fn drawn_mean(values: &[f64], random: &mut StdRng) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let length = (values.len() as f64).sqrt().ceil() as usize;
    let stretches = values.len().div_ceil(length);
    let mut stretch = || {
        let from = random.random_range(0..values.len());
        values.iter().cycle().skip(from).take(length).sum::<f64>()
    };
    (0..stretches).map(|_| stretch()).sum::<f64>() / (stretches * length) as f64
}

/// One run's values of a phase, part by part: which value how often.
pub(super) struct Parts {
    values: Vec<u64>,
    parts: Vec<Vec<(usize, u64)>>,
}

impl Parts {
    pub(super) fn of(windows: &[Window], phase: Phase) -> Self {
        let maps: Vec<_> = windows.iter().filter_map(|window| window.phases.get(&phase)).collect();
        let mut values: Vec<u64> = maps.iter().flat_map(|map| map.keys().copied()).collect();
        values.sort_unstable();
        values.dedup();
        let place = |value: &u64| values.binary_search(value).unwrap_or_default();
        let parts = maps.iter().map(|map| map.iter().map(|(value, count)| (place(value), *count)).collect()).collect();
        Self { values, parts }
    }

    fn counts(&self, chosen: impl Iterator<Item = usize>) -> Vec<u64> {
        let mut counts = vec![0; self.values.len()];
        for part in chosen {
            for (place, count) in &self.parts[part] {
                counts[*place] += count;
            }
        }
        counts
    }

    fn value(&self, counts: &[u64], share: f64) -> Option<f64> {
        let all: u64 = counts.iter().sum();
        let rank = ((all as f64 * share).ceil() as u64).clamp(1, all.max(1));
        let mut seen = 0;
        let place = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        place.map(|place| self.values[place] as f64)
    }

    fn quantiles(&self, shares: &[f64]) -> Vec<Option<f64>> {
        let counts = self.counts(0..self.parts.len());
        shares.iter().map(|share| self.value(&counts, *share)).collect()
    }

    /// The quantiles of parts that were drawn anew.
    fn drawn(&self, shares: &[f64], random: &mut StdRng) -> Vec<Option<f64>> {
        if self.parts.len() >= FEW {
            let chosen: Vec<usize> = self.parts.iter().map(|_| random.random_range(0..self.parts.len())).collect();
            let counts = self.counts(chosen.into_iter());
            return shares.iter().map(|share| self.value(&counts, *share)).collect();
        }
        // The k-th of n values drawn with replacement lies where a Beta(k, n − k + 1) says.
        let counts = self.counts(0..self.parts.len());
        let all = counts.iter().sum::<u64>() as f64;
        let one = |share: &f64| {
            let rank = (all * share).ceil().clamp(1.0, all.max(1.0));
            let at = Beta::new(rank, all - rank + 1.0).ok()?.sample(random);
            self.value(&counts, at)
        };
        shares.iter().map(one).collect()
    }
}

/// The ratios of quantiles of two runs; `None` where one of them has none.
pub(super) fn of_quantiles(first: &Parts, second: &Parts, shares: &[f64], seed: u64) -> Vec<Option<Ratio>> {
    let mut random = StdRng::seed_from_u64(seed);
    let ratios = |first: Vec<Option<f64>>, second: Vec<Option<f64>>| -> Vec<Option<f64>> {
        first.into_iter().zip(second).map(|(first, second)| Some(second? / first?)).collect()
    };
    let exact = ratios(first.quantiles(shares), second.quantiles(shares));
    let mut drawn = vec![Vec::with_capacity(ROUNDS); shares.len()];
    for _ in 0..ROUNDS {
        let round = ratios(first.drawn(shares, &mut random), second.drawn(shares, &mut random));
        for (list, ratio) in drawn.iter_mut().zip(round) {
            list.extend(ratio);
        }
    }
    exact.into_iter().zip(drawn).map(|(exact, drawn)| Ratio::of(exact?, drawn)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that each keep nine tenths of the one before, as memory does. Their true average is 100.
    fn dragging(random: &mut StdRng) -> Vec<f64> {
        let mut at = 0.0;
        let mut next = || {
            at = 0.9 * at + random.random_range(-1.0..1.0);
            100.0 + at
        };
        (0..400).map(|_| next()).collect()
    }

    #[test]
    fn what_drags_on_is_not_taken_for_many_independent_values() {
        let mut random = StdRng::seed_from_u64(7);
        let pairs = 200;
        let alarms = (0..pairs).filter(|seed| {
            let ratio = of_means(&dragging(&mut random), &dragging(&mut random), *seed).unwrap();
            ratio.differs()
        });
        // Five in a hundred would be right; drawn one by one it is more than half.
        let alarms = alarms.count() as u64;
        assert!(alarms < pairs / 5, "{alarms} of {pairs} equal pairs differ");
    }
}
