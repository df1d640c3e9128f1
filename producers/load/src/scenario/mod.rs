//! A scenario: what is sent, how fast, on which way, and what has to hold. Read from TOML; everything that is wrong is told at once.

mod check;
mod kind;
mod overrides;
mod reference;
mod settings;
mod size;

use std::{fmt, fs, path::Path, time::Duration};

pub use kind::Kind;
pub use overrides::Overrides;
pub use reference::reference;
use sendoff_host::config::{Problem, TomlFile};
pub use size::{Size, SizeError};

use crate::{
    Via,
    arrivals::{Rate, Shape},
    slo::Slo,
};

/// What a load test does.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What all its randomness comes from.
    pub seed: u64,
    /// How long it sends.
    pub duration: Duration,
    /// How long, from the beginning, latencies are left out.
    pub warm_up: Duration,
    /// The way in.
    pub via: Via,
    /// How long it waits after the last send.
    pub drain: Duration,
    /// How fast events come.
    pub shape: Shape,
    /// What is sent, at least one.
    pub mix: Vec<Ingredient>,
    /// Who it is about.
    pub keys: Keys,
    /// What isn't sent as it should be.
    pub shares: Shares,
    /// What has to hold, beside what always has to.
    pub slo: Vec<Slo>,
    /// Where it ends before its end.
    pub guards: Guards,
    /// When the generator itself isn't good enough.
    pub generator: GeneratorLimits,
    /// Whether memory, the backlog and latency have to stay as they are: it is a soak test.
    pub soak: bool,
}

/// One kind of event of the mix.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingredient {
    /// Which kind.
    pub kind: Kind,
    /// How often it comes, against the others.
    pub weight: f64,
    /// How large its body is; as large as it has to be, where nothing is said.
    pub size: Option<Size>,
}

/// Who the events are about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keys {
    /// How many tenants there are.
    pub tenants: usize,
    /// How many apps each has.
    pub apps: usize,
    /// How many users there are in all.
    pub users: usize,
    /// How hot the hottest are: the exponent of Zipf's law, 0 for all alike.
    pub zipf: f64,
}

/// Which shares of what is sent aren't as they should be, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Sent once more.
    pub duplicate: f64,
    /// Can't be decoded.
    pub poison: f64,
    /// Larger than a message may be.
    pub oversize: f64,
    /// How large those are.
    pub oversize_bytes: usize,
}

/// Where a run ends before its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Guards {
    /// The most events.
    pub max_events: u64,
    /// The highest rate.
    pub max_rate: Rate,
    /// The most dollars.
    pub max_cost: f64,
    /// The most events on their way in at once.
    pub max_outstanding: usize,
    /// The accounts, queues and hosts that may be loaded.
    pub allow: Vec<String>,
}

/// When the generator itself isn't good enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeneratorLimits {
    /// How long after its intended moment a send is late.
    pub late_after: Duration,
    /// The largest share of late sends.
    pub late_share: f64,
    /// How far behind the sending the ledger is looked at.
    pub look_behind: Duration,
}

/// A scenario can't be used: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// Each problem, in the order of sources.
    pub problems: Vec<Problem>,
}

impl std::error::Error for ScenarioError {}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the scenario has a problem:")?,
            n => write!(f, "the scenario has {n} problems:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        f.write_str("\nEverything that a scenario can say is described in docs/LOAD.md.")
    }
}

impl Scenario {
    /// The scenario of a file, with what was said over it.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] with everything that is wrong.
    pub fn read(path: &Path, over: &Overrides) -> Result<Self, ScenarioError> {
        let text = fs::read_to_string(path).map_err(|error| ScenarioError {
            problems: vec![Problem {
                key: "(file)".into(),
                source: sendoff_host::config::Source::Flag(path.display().to_string()),
                value: None,
                rule: format!("it can't be read: {error}"),
                suggestion: None,
            }],
        })?;
        Self::parse(path, &text, over)
    }

    /// The scenario of a text that stands in `path`, with what was said over it.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] with everything that is wrong.
    pub fn parse(path: &Path, text: &str, over: &Overrides) -> Result<Self, ScenarioError> {
        let mut problems = Vec::new();
        let mut file = TomlFile::read(path, text, "event", true, &mut problems);
        over.apply(&mut file.values);
        let scenario = check::scenario(path, &file, &mut problems);
        match scenario {
            Some(scenario) if problems.is_empty() => Ok(scenario),
            _ => Err(ScenarioError { problems }),
        }
    }

    /// Moments of a trace that come after `duration`: they aren't sent.
    #[must_use]
    pub fn left_out(&self) -> usize {
        match &self.shape {
            Shape::Trace { moments, .. } => moments.len() - moments.partition_point(|moment| *moment < self.duration),
            _ => 0,
        }
    }

    /// How many events it sends; on average, where they come at random.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.shape.expected(self.duration)
    }
}
