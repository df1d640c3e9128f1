//! The highest rate that still keeps what has to hold: doubled until it doesn't, then halved between, each rate in a run of its own.

use serde::Serialize;

/// One rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The run.
    pub run: String,
    /// Events a second.
    pub rate: f64,
    /// Whether everything held.
    pub holds: bool,
    /// What didn't, or how well it went.
    pub why: String,
}

/// The rates that were tried, and the one that comes next.
#[derive(Debug, Clone)]
pub struct Ladder {
    most: f64,
    precision: f64,
    next: Option<f64>,
    good: Option<f64>,
    bad: Option<f64>,
    steps: Vec<Step>,
}

/// No search goes on for longer: 20 doublings are a factor of a million, and 10 halvings a thousandth.
const MOST_STEPS: usize = 40;

impl Ladder {
    /// Begins at `from`, never goes over `most`, and ends when the rate is known to a share of `precision`, each in events a second.
    #[must_use]
    pub fn new(from: f64, most: f64, precision: f64) -> Self {
        let from = from.min(most);
        Self { most, precision: precision.max(0.001), next: Some(from), good: None, bad: None, steps: Vec::new() }
    }

    /// The rate to try now; `None` when the search is over.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        self.next
    }

    /// What came of the rate that was tried.
    pub fn tried(&mut self, step: Step) {
        let slot = if step.holds { &mut self.good } else { &mut self.bad };
        *slot = Some(step.rate);
        self.steps.push(step);
        self.next = self.following().filter(|_| self.steps.len() < MOST_STEPS);
    }

    fn following(&self) -> Option<f64> {
        match (self.good, self.bad) {
            (Some(good), None) if good >= self.most => None,
            (Some(good), None) => Some((good * 2.0).min(self.most)),
            // It begins too high: down, until one holds.
            (None, Some(bad)) => Some(bad / 2.0).filter(|rate| *rate >= 1.0),
            (Some(good), Some(bad)) if (bad - good) / good <= self.precision => None,
            (Some(good), Some(bad)) => Some(f64::midpoint(good, bad)),
            (None, None) => self.next,
        }
    }

    /// The highest rate that held; `None` where none did.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.good
    }

    /// The lowest rate that didn't; `None` where all did.
    #[must_use]
    pub fn worst(&self) -> Option<f64> {
        self.bad
    }

    /// Everything that was tried, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(from: f64, most: f64, limit: f64) -> Ladder {
        let mut ladder = Ladder::new(from, most, 0.05);
        while let Some(rate) = ladder.next() {
            ladder.tried(Step { run: String::new(), rate, holds: rate <= limit, why: String::new() });
        }
        ladder
    }

    #[test]
    fn the_limit_is_found_to_the_precision() {
        for limit in [130.0, 777.0, 5000.0, 9_999.0] {
            let best = search(100.0, 100_000.0, limit).best().unwrap();
            assert!(best <= limit && best >= limit / 1.06, "{limit}: {best}");
        }
    }

    #[test]
    fn a_beginning_that_is_too_high_goes_down_first() {
        let ladder = search(1000.0, 100_000.0, 90.0);
        let rates: Vec<f64> = ladder.steps().iter().take(4).map(|step| step.rate).collect();
        assert_eq!(rates, [1000.0, 500.0, 250.0, 125.0]);
        assert!(ladder.best().unwrap() <= 90.0);
    }

    #[test]
    fn what_holds_everywhere_ends_at_the_most_and_what_holds_nowhere_ends_too() {
        let ladder = search(100.0, 1000.0, f64::MAX);
        assert_eq!((ladder.best(), ladder.worst()), (Some(1000.0), None));
        assert_eq!(search(100.0, 1000.0, 0.0).best(), None);
    }
}
