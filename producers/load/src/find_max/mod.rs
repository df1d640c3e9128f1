//! The highest rate that still keeps what has to hold: doubled until it doesn't, then halved between, each rate in a run of its own.

mod backlog;
mod result;

use std::fmt;

pub use backlog::{Backlog, LIMIT, backlog, excess, settled};
pub use result::Found;
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
    /// Whether everything held. Of a run whose generator was too slow nobody knows.
    pub holds: Option<bool>,
    /// The verdict on its run.
    pub verdict: Word,
    /// What didn't, or how well it went.
    pub why: String,
    /// How many messages the queues held when it began.
    pub backlog: u64,
}

impl Step {
    /// What came of a rate.
    #[must_use]
    pub fn new(run: impl Into<String>, rate: f64, verdict: Word, why: String, backlog: u64) -> Self {
        let holds = (verdict != Word::Invalid).then_some(verdict == Word::Ok);
        Self { run: run.into(), rate, holds, verdict, why, backlog }
    }
}

/// What keeps a search from knowing more, where that isn't the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cap {
    /// The generator was too slow.
    Generator,
}

/// A rate for a reader: to three digits at least.
#[must_use]
pub fn shown(rate: f64) -> String {
    let decimals = (2.0 - rate.log10().floor()).clamp(1.0, 9.0) as usize;
    format!("{rate:.decimals$}/s")
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
    /// What the last rate has left in the queues wasn't gone in time: so many messages, where the queues could be asked.
    Backlog(Option<u64>),
    /// A step couldn't be done. Why is told apart.
    Broken,
}

impl Early {
    /// The exit code that it leads to.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Limit(_) | Self::Guard(_) => Exit::Refused,
            Self::Interrupted(_) | Self::Backlog(_) => Exit::Partly,
            Self::Broken => Exit::Failed,
        }
    }
}

impl fmt::Display for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(why) | Self::Guard(why) => write!(f, "{why}"),
            Self::Interrupted(why) => write!(f, "interrupted ({why})"),
            Self::Backlog(left) => {
                let minutes = LIMIT.as_secs() / 60;
                match left {
                    Some(left) => {
                        write!(f, "the backlog of the last rate is still there: {left} messages after {minutes} min")
                    }
                    None => {
                        write!(f, "whether the backlog of the last rate is gone couldn't be asked for {minutes} min")
                    }
                }
            }
            Self::Broken => f.write_str("the next step couldn't be done"),
        }
    }
}

/// The rates that were tried, and the one that comes next.
#[derive(Debug, Clone)]
pub struct Ladder {
    most: f64,
    least: f64,
    precision: f64,
    next: Option<f64>,
    good: Option<f64>,
    bad: Option<f64>,
    /// The rate at which the generator was too slow, twice.
    capped: Option<f64>,
    steps: Vec<Step>,
}

/// No search goes on for longer: 20 doublings are a factor of a million, and 10 halvings a thousandth.
const MOST_STEPS: usize = 40;

impl Ladder {
    /// Begins at `from`, never goes over `most`, looks no further down than `least`, and ends when the rate is known to a share of
    /// `precision`, each in events a second.
    #[must_use]
    pub fn new(from: f64, most: f64, precision: f64, least: f64) -> Self {
        Self {
            most,
            least,
            precision: precision.max(0.001),
            next: Some(from.min(most)),
            good: None,
            bad: None,
            capped: None,
            steps: Vec::new(),
        }
    }

    /// The rate to try now; `None` when the search is over.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        self.next
    }

    /// What came of the rate that was tried. Where the generator was too slow it is tried once more: a busy moment of this machine isn't
    /// the end of the search.
    pub fn tried(&mut self, step: Step) {
        let is_again = self.steps.last().is_some_and(|last| last.holds.is_none() && last.rate == step.rate);
        match step.holds {
            Some(true) => self.good = Some(step.rate),
            Some(false) => self.bad = Some(step.rate),
            None if is_again => self.capped = Some(step.rate),
            None => {}
        }
        self.next = if step.holds.is_some() { self.following() } else { self.next.filter(|_| !is_again) };
        self.steps.push(step);
        self.next = self.next.filter(|_| self.steps.len() < MOST_STEPS);
    }

    fn following(&self) -> Option<f64> {
        match (self.good, self.bad) {
            (Some(good), None) if good >= self.most => None,
            (Some(good), None) => Some((good * 2.0).min(self.most)),
            // It begins too high: down, until one holds.
            (None, Some(bad)) => Some(bad / 2.0).filter(|rate| *rate >= self.least),
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

    /// The lowest rate that didn't; `None` where that isn't known of any.
    #[must_use]
    pub fn worst(&self) -> Option<f64> {
        self.bad
    }

    /// What keeps the search from knowing more, where that isn't the system.
    #[must_use]
    pub fn capped_by(&self) -> Option<Cap> {
        self.capped.map(|_| Cap::Generator)
    }

    /// What is known, in a line. `max_rate` is the rate that none may pass.
    #[must_use]
    pub fn verdict(&self, max_rate: &str, early: Option<&Early>) -> String {
        let known = match (self.good, self.bad) {
            (Some(good), Some(bad)) => format!("at least {}, less than {}", shown(good), shown(bad)),
            (Some(good), None) if early.is_none() && good >= self.most => {
                format!("at least {}: guards.max_rate is {max_rate}", shown(good))
            }
            (Some(good), None) => format!("at least {}", shown(good)),
            (None, Some(bad)) if early.is_some() || self.capped.is_some() => format!("less than {}", shown(bad)),
            (None, Some(_)) => "no rate held".into(),
            (None, None) => "nothing is known".into(),
        };
        let capped = self.capped.map_or_else(String::new, |rate| {
            let more = if self.bad.is_none() { ", so the system may do more" } else { "" };
            format!(": at {} the generator was too slow, twice{more}", shown(rate))
        });
        let ended = early.map_or_else(String::new, |early| format!("; the search ended early: {early}"));
        format!("{known}{capped}{ended}")
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
        Step::new("", rate, verdict, String::new(), 0)
    }

    fn search(from: f64, most: f64, limit: f64) -> Ladder {
        let mut ladder = Ladder::new(from, most, 0.05, 1.0);
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
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1, 1.0);
        ladder.tried(step(40.0, Word::Ok));
        assert_eq!(
            ladder.verdict("10000/s", Some(&interrupted)),
            "at least 40.0/s; the search ended early: interrupted (Ctrl-C)"
        );
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1, 1.0);
        ladder.tried(step(40.0, Word::Failed));
        let guard = Early::Guard("it is enough".into());
        assert_eq!(ladder.verdict("10000/s", Some(&guard)), "less than 40.0/s; the search ended early: it is enough");
    }
    #[test]
    fn a_rate_at_which_the_generator_was_too_slow_is_tried_once_more() {
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1, 1.0);
        ladder.tried(step(40.0, Word::Ok));
        ladder.tried(step(80.0, Word::Invalid));
        assert_eq!((ladder.next(), ladder.worst(), ladder.capped_by()), (Some(80.0), None, None));
        ladder.tried(step(80.0, Word::Ok));
        // What went well the second time counts, and a later rate has its second try too.
        assert_eq!((ladder.next(), ladder.best()), (Some(160.0), Some(80.0)));
        ladder.tried(step(160.0, Word::Invalid));
        assert_eq!(ladder.next(), Some(160.0));
    }

    #[test]
    fn a_generator_that_is_too_slow_twice_ends_the_search_and_says_nothing_about_the_system() {
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1, 1.0);
        for (rate, verdict) in [(40.0, Word::Ok), (80.0, Word::Invalid), (80.0, Word::Invalid)] {
            ladder.tried(step(rate, verdict));
        }
        assert_eq!((ladder.next(), ladder.best(), ladder.worst()), (None, Some(40.0), None));
        assert_eq!(ladder.capped_by(), Some(Cap::Generator));
        let told = "at least 40.0/s: at 80.0/s the generator was too slow, twice, so the system may do more";
        assert_eq!(ladder.verdict("10000/s", None), told);
    }

    #[test]
    fn nothing_is_known_where_the_generator_was_too_slow_from_the_beginning() {
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1, 1.0);
        let interrupted = Early::Interrupted("Ctrl-C".into());
        ladder.tried(step(40.0, Word::Invalid));
        let told = "nothing is known; the search ended early: interrupted (Ctrl-C)";
        assert_eq!(ladder.verdict("10000/s", Some(&interrupted)), told);
        ladder.tried(step(40.0, Word::Invalid));
        let told = "nothing is known: at 40.0/s the generator was too slow, twice, so the system may do more";
        assert_eq!((ladder.next(), ladder.verdict("10000/s", None).as_str()), (None, told));
    }

    #[test]
    fn a_rate_that_truly_didnt_hold_stays_known_where_the_generator_is_too_slow_below_it() {
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1, 1.0);
        let steps = [(40.0, Word::Ok), (80.0, Word::Failed), (60.0, Word::Invalid), (60.0, Word::Invalid)];
        for (rate, verdict) in steps {
            ladder.tried(step(rate, verdict));
        }
        assert_eq!((ladder.next(), ladder.best(), ladder.worst()), (None, Some(40.0), Some(80.0)));
        let told = "at least 40.0/s, less than 80.0/s: at 60.0/s the generator was too slow, twice";
        assert_eq!(ladder.verdict("10000/s", None), told);
    }

    #[test]
    fn it_goes_down_as_far_as_there_is_something_to_send() {
        let mut ladder = Ladder::new(2.0, 100.0, 0.1, 0.05);
        while let Some(rate) = ladder.next() {
            ladder.tried(step(rate, Word::Failed));
        }
        assert_eq!(ladder.steps().last().map(|step| step.rate), Some(0.0625));
    }

    #[test]
    fn rates_are_shown_to_three_digits() {
        let shown: Vec<String> = [1200.0, 40.0, 5.0 / 3.0, 1.0, 0.0625].into_iter().map(shown).collect();
        assert_eq!(shown, ["1200.0/s", "40.0/s", "1.67/s", "1.00/s", "0.0625/s"]);
    }
}
