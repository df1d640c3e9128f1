//! How sure a ratio is: what it would have been, had the run been made of other parts of itself.

use rand::{Rng, SeedableRng as _, rngs::StdRng};
use rand_distr::{Beta, Distribution as _};

use crate::{reconcile::Window, slo::Phase};

/// How often the parts are drawn anew.
const ROUNDS: usize = 600;

/// With fewer parts than this, single values are drawn in their place.
const FEW: usize = 10;

/// A ratio and its 95 % interval, as far as these two runs know: how far two runs of the same program lie apart it can't know.
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

    /// The middle 95 % of what was drawn, whose ends are `wider` times as far from the ratio, in factors.
    fn of(ratio: f64, mut drawn: Vec<f64>, wider: f64) -> Option<Self> {
        drawn.retain(|ratio| ratio.is_finite());
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn.get((share * (drawn.len().saturating_sub(1)) as f64).round() as usize).copied();
        let end = |at: f64| if at > 0.0 && ratio > 0.0 { ratio * (at / ratio).powf(wider) } else { at };
        let known = Self { ratio, low: end(at(0.025)?), high: end(at(0.975)?) };
        Some(known).filter(|known| known.ratio.is_finite())
    }

    /// The same of values that were counted in buckets: nobody knows where in its bucket a value lies.
    fn of_buckets(self) -> Self {
        Self { low: self.low * (1.0 - Window::COARSE), high: self.high / (1.0 - Window::COARSE), ..self }
    }

    /// The same for a ratio that is known better: its interval contains it.
    pub(super) fn around(self, ratio: f64) -> Self {
        Self { ratio, low: self.low.min(ratio), high: self.high.max(ratio) }
    }
}

/// The ratio of averages of two series. One or two values don't tell how far they vary.
pub(super) fn of_means(first: &[f64], second: &[f64], seed: u64) -> Option<Ratio> {
    if first.len().min(second.len()) < 3 {
        return None;
    }
    let mut random = StdRng::seed_from_u64(seed);
    let drawn = (0..ROUNDS).map(|_| drawn_mean(second, &mut random) / drawn_mean(first, &mut random)).collect();
    Ratio::of(mean(second) / mean(first), drawn, wider(first.len().min(second.len())))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The average of neighbours that were drawn anew.
fn drawn_mean(values: &[f64], random: &mut StdRng) -> f64 {
    places(values.len(), random).into_iter().map(|place| values[place]).sum::<f64>() / values.len() as f64
}

/// How many neighbours are drawn together. They know of each other, as memory now and a second ago does.
fn stretch(all: usize) -> usize {
    (all as f64).sqrt().ceil() as usize
}

/// As many places as there are, drawn anew in stretches of neighbours. A stretch that reaches the end goes on at the beginning, so that
/// every place is drawn as often as any other.
fn places(all: usize, random: &mut StdRng) -> Vec<usize> {
    let length = stretch(all);
    let mut places = Vec::with_capacity(all + length);
    while places.len() < all {
        let from = random.random_range(0..all);
        places.extend(from..all.min(from + length));
        places.extend(0..(from + length).saturating_sub(all));
    }
    places.truncate(all);
    places
}

/// How much farther apart than drawn the ends have to lie: stretches that were drawn from a few differ less than runs do. It is about
/// what Student's t is to the normal distribution, for their standard error.
fn wider(all: usize) -> f64 {
    let others = (all as f64 / stretch(all) as f64 - 1.0).max(0.5);
    (1.0 + 1.0 / others).sqrt() * (1.0 + 1.2 / others)
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
            let counts = self.counts(places(self.parts.len(), random).into_iter());
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
    drawn_so_often(first, second, shares, seed, ROUNDS)
}

fn drawn_so_often(first: &Parts, second: &Parts, shares: &[f64], seed: u64, rounds: usize) -> Vec<Option<Ratio>> {
    let mut random = StdRng::seed_from_u64(seed);
    let ratios = |first: Vec<Option<f64>>, second: Vec<Option<f64>>| -> Vec<Option<f64>> {
        first.into_iter().zip(second).map(|(first, second)| Some(second? / first?)).collect()
    };
    let exact = ratios(first.quantiles(shares), second.quantiles(shares));
    let mut drawn = vec![Vec::with_capacity(rounds); shares.len()];
    for _ in 0..rounds {
        let round = ratios(first.drawn(shares, &mut random), second.drawn(shares, &mut random));
        for (list, ratio) in drawn.iter_mut().zip(round) {
            list.extend(ratio);
        }
    }
    let parts = first.parts.len().min(second.parts.len());
    let wider = if parts >= FEW { wider(parts) } else { 1.0 };
    let ratio = |(exact, drawn): (Option<f64>, _)| Some(Ratio::of(exact?, drawn, wider)?.of_buckets());
    exact.into_iter().zip(drawn).map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
    /// A minute whose windows each keep four fifths of the one before, as a machine that others use too makes them.
    fn wavering(random: &mut StdRng) -> Parts {
        let noise = |random: &mut StdRng| (0..6).map(|_| random.random_range(-1.0..1.0)).sum::<f64>() / 2.0_f64.sqrt();
        let mut at = noise(random);
        let windows: Vec<Window> = (0..60)
            .map(|_| {
                at = 0.8 * at + 0.6 * noise(random);
                let mut counts = BTreeMap::new();
                for _ in 0..10 {
                    let micros = 20_000.0 * (0.2 * at + 0.3 * noise(random)).exp();
                    *counts.entry(micros as u64 / 256 * 256).or_default() += 1;
                }
                Window { phases: BTreeMap::from([(Phase::E2e, counts)]) }
            })
            .collect();
        Parts::of(&windows, Phase::E2e)
    }

    #[test]
    fn windows_that_know_of_each_other_are_not_taken_for_independent_ones() {
        let mut random = StdRng::seed_from_u64(11);
        let pairs = 200;
        let alarms = (0..pairs).filter(|seed| {
            let (first, second) = (wavering(&mut random), wavering(&mut random));
            drawn_so_often(&first, &second, &[0.5], *seed, 200)[0].unwrap().differs()
        });
        // Drawn one by one it is more than twice as much.
        let alarms = alarms.count() as u64;
        assert!(alarms * 100 <= pairs * 15, "{alarms} of {pairs} equal pairs differ");
    }

    /// A run of one value.
    fn steady(micros: u64, windows: usize) -> Parts {
        let window = Window { phases: BTreeMap::from([(Phase::E2e, BTreeMap::from([(micros, 50)]))]) };
        Parts::of(&vec![window; windows], Phase::E2e)
    }

    #[test]
    fn an_interval_is_as_wide_as_a_bucket_and_contains_its_ratio() {
        for windows in [3, 60] {
            let (first, second) = (steady(3392, windows), steady(3648, windows));
            let ratio = of_quantiles(&first, &second, &[0.5], 1)[0].unwrap();
            // What is counted so were 3.42 ms and 3.66 ms.
            assert!(ratio.low < 3.66 / 3.42 && 3.66 / 3.42 < ratio.high, "{ratio:?}");
            assert!(ratio.high / ratio.low > 1.03 && ratio.differs(), "{ratio:?}");
            let next = of_quantiles(&first, &steady(3424, windows), &[0.5], 1)[0].unwrap();
            assert!(!next.differs(), "the next bucket may be the same value: {next:?}");
        }
        let outside = Ratio { ratio: 1.2, low: 1.1, high: 1.3 }.around(1.05);
        assert_eq!(outside, Ratio { ratio: 1.05, low: 1.05, high: 1.3 });
    }

    #[test]
    fn averages_of_too_few_values_have_no_interval() {
        assert_eq!(of_means(&[1.0, 2.0], &[3.0, 4.0, 5.0], 1), None);
        assert!(of_means(&[1.0, 2.0, 3.0], &[1.1, 2.1, 3.1], 1).is_some_and(|ratio| !ratio.differs()));
    }

    #[test]
    fn stretches_are_of_neighbours_and_take_every_place_equally_often() {
        let mut random = StdRng::seed_from_u64(3);
        let mut counts = [0_u32; 20];
        for _ in 0..2000 {
            let drawn = places(20, &mut random);
            assert_eq!(drawn.len(), 20);
            assert!(drawn.chunks(5).all(|part| part.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 20)), "{drawn:?}");
            drawn.iter().for_each(|place| counts[*place] += 1);
        }
        assert!(counts.iter().all(|count| (1700..2300).contains(count)), "{counts:?}");
        assert_eq!(places(0, &mut random), [0; 0]);
    }
}
