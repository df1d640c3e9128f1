//! The highest rate that still keeps what has to hold: doubled until it doesn't, then halved between, each rate in a run of its own.

use std::fmt;

use sendoff_host::Exit;
use serde::Serialize;

use crate::report::Word;

/// One rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The run.
    pub run: String,
    /// Events a second.
    pub rate: f64,
    /// Whether everything held.
    pub holds: bool,
    /// The verdict on its run: of an invalid one nobody knows whether the system would have held.
    pub verdict: Word,
    /// What didn't, or how well it went.
    pub why: String,
}

/// Why a search ended before the rate was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Early {
    /// The next rate would be more than may be sent.
    Limit(String),
    /// A guard ended it.
    Guard(String),
    /// A person ended it, or the system that the process runs on.
    Interrupted(String),
    /// A step couldn't be done. Why is told apart.
    Broken,
}

impl Early {
    /// The exit code that it leads to.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Limit(_) | Self::Guard(_) => Exit::Refused,
            Self::Interrupted(_) => Exit::Partly,
            Self::Broken => Exit::Failed,
        }
    }
}

impl fmt::Display for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(why) | Self::Guard(why) => write!(f, "{why}"),
            Self::Interrupted(why) => write!(f, "interrupted ({why})"),
            Self::Broken => f.write_str("the next step couldn't be done"),
        }
    }
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

    /// What is known, in a line. `max_rate` is the rate that none may pass.
    #[must_use]
    pub fn verdict(&self, max_rate: &str, early: Option<&Early>) -> String {
        let known = match (self.good, self.bad) {
            (Some(good), Some(bad)) if self.is_invalid(bad) => {
                format!("at least {good:.1}/s: at {bad:.1}/s the generator was too slow, so the system may do more")
            }
            (Some(good), Some(bad)) => format!("at least {good:.1}/s, less than {bad:.1}/s"),
            (Some(good), None) if early.is_none() && good >= self.most => {
                format!("at least {good:.1}/s: guards.max_rate is {max_rate}")
            }
            (Some(good), None) => format!("at least {good:.1}/s"),
            (None, Some(bad)) if self.is_invalid(bad) => {
                format!("nothing is known: even at {bad:.1}/s the generator was too slow")
            }
            (None, Some(bad)) if early.is_some() => format!("less than {bad:.1}/s"),
            (None, _) => "no rate held".into(),
        };
        early.map_or(known.clone(), |early| format!("{known}; the search ended early: {early}"))
    }

    /// Whether the run at this rate says nothing about the system.
    fn is_invalid(&self, rate: f64) -> bool {
        self.steps.iter().any(|step| step.rate == rate && step.verdict == Word::Invalid)
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

    fn step(rate: f64, verdict: Word) -> Step {
        Step { run: String::new(), rate, holds: verdict == Word::Ok, verdict, why: String::new() }
    }

    fn search(from: f64, most: f64, limit: f64) -> Ladder {
        let mut ladder = Ladder::new(from, most, 0.05);
        while let Some(rate) = ladder.next() {
            ladder.tried(step(rate, if rate <= limit { Word::Ok } else { Word::Failed }));
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

    #[test]
    fn what_is_said_is_what_is_known() {
        assert_eq!(
            search(100.0, 1000.0, f64::MAX).verdict("1000/s", None),
            "at least 1000.0/s: guards.max_rate is 1000/s"
        );
        let interrupted = Early::Interrupted("Ctrl-C".into());
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1);
        ladder.tried(step(40.0, Word::Ok));
        assert_eq!(
            ladder.verdict("10000/s", Some(&interrupted)),
            "at least 40.0/s; the search ended early: interrupted (Ctrl-C)"
        );
        ladder.tried(step(80.0, Word::Invalid));
        let told = ladder.verdict("10000/s", None);
        assert_eq!(told, "at least 40.0/s: at 80.0/s the generator was too slow, so the system may do more");
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1);
        ladder.tried(step(40.0, Word::Failed));
        let guard = Early::Guard("it is enough".into());
        assert_eq!(ladder.verdict("10000/s", Some(&guard)), "less than 40.0/s; the search ended early: it is enough");
    }
}
