//! Moments that don't know of each other.

use std::time::Duration;

use rand::{SeedableRng as _, rngs::StdRng};
use rand_distr::{Distribution as _, Exp};

/// A Poisson process: the distances between its moments are exponentially distributed.
pub(super) struct Poisson {
    /// None where the rate is no rate: no moments then.
    distances: Option<Exp<f64>>,
    random: StdRng,
    at: f64,
    end: f64,
}

impl Poisson {
    pub(super) fn new(a_second: f64, duration: Duration, seed: u64) -> Self {
        Self {
            distances: Exp::new(a_second).ok(),
            random: StdRng::seed_from_u64(seed),
            at: 0.0,
            end: duration.as_secs_f64(),
        }
    }
}

impl Iterator for Poisson {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.at += self.distances?.sample(&mut self.random);
        (self.at < self.end).then(|| Duration::from_secs_f64(self.at))
    }
}
