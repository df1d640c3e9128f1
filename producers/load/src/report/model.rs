//! What a report holds. It is written as JSON, and read again to be compared.

use std::collections::BTreeMap;

use sendoff_events::{EventId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Via,
    generator::Health,
    reconcile::{Account, Sending, Window},
    run::Sample,
    slo::Phase,
};

/// What came out of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this format: [`Report::FORMAT`].
    pub format: u32,
    /// The run.
    pub run: String,
    /// What was done.
    pub scenario: Summary,
    /// What it was done to, and where.
    pub place: Place,
    /// Whether it is good.
    pub verdict: Verdict,
    /// When it began.
    pub started: Timestamp,
    /// Seconds until the last parcel was handed over, or the sending was ended early.
    pub sending_s: f64,
    /// Seconds from there until the last delivery was at its end; `None` if that never came.
    pub drain_s: Option<f64>,
    /// How fast it was.
    pub rates: Rates,
    /// How good the generator was.
    pub generator: Health,
    /// How the sending went.
    pub sending: Sending,
    /// What became of everything, by consumer.
    pub accounts: Vec<Account>,
    /// The same, of all together.
    pub total: Account,
    /// Some deliveries that were lost.
    pub lost: Vec<Lost>,
    /// Why parcels were refused or weren't answered, the first reasons.
    pub troubles: Vec<String>,
    /// How long it took, by phase, type and consumer; first those of all together.
    pub latencies: Vec<Latency>,
    /// How long it took in each part of the run.
    pub windows: Windows,
    /// How things stood, at most 600 times, and at the end.
    pub samples: Vec<Sample>,
    /// Deliveries that were done in each of these stretches of the run.
    pub done: Done,
    /// What it used.
    pub usage: Used,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The scenario's name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// The way in.
    pub via: Via,
    /// How fast events came, as after `--rate`.
    pub rate: String,
    /// How long it was to send, in seconds.
    pub duration_s: f64,
    /// For how many of them latencies were left out.
    pub warm_up_s: f64,
    /// How long it was to wait for everything to come to its end; `None` in reports that were written before this was told.
    #[serde(default)]
    pub drain_s: Option<f64>,
    /// The mix: types with their weights and sizes.
    pub mix: Vec<String>,
    /// Who it was about.
    pub keys: String,
    /// What wasn't sent as it should be.
    pub shares: String,
    /// How large is what is larger than a message may be; `None` in reports that were written before this was told.
    #[serde(default)]
    pub oversize_bytes: Option<usize>,
}

/// What it was done to, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The system.
    pub target: String,
    /// How durable its commits are: `full` or `relaxed`; `None` where that is the system's own matter.
    pub durability: Option<String>,
    /// The commit of this project that was checked out where the run began; `None` where none was.
    pub commit: Option<String>,
    /// The version of the load test.
    pub version: String,
    /// How it was built: `debug` says nothing about the system.
    pub build: String,
    /// The processor.
    pub processor: String,
    /// How many processors there are.
    pub processors: usize,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// The operating system.
    pub system: String,
}

/// Whether a run is good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub word: Word,
    /// The exit code.
    pub exit: u8,
    /// What had to hold.
    pub checks: Vec<Check>,
    /// What a reader has to know.
    pub notes: Vec<String>,
}

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Everything holds.
    Ok,
    /// Something doesn't.
    Failed,
    /// The system couldn't be asked at the end.
    Unasked,
    /// The generator wasn't good enough: nothing is known of the system.
    Invalid,
    /// A guard ended it.
    Stopped,
    /// Of something nobody knows whether it happened.
    InDoubt,
    /// It was ended early, and everything holds so far.
    Partly,
}

impl Word {
    /// As a reader reads it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unasked => "the system couldn't be asked at the end",
            Self::Invalid => "invalid",
            Self::Stopped => "stopped by a guard",
            Self::InDoubt => "in doubt",
            Self::Partly => "ended early",
        }
    }
}

/// One thing that had to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What had to hold.
    pub slo: String,
    /// What was measured, in the limit's unit; `None` where nothing was.
    pub value: Option<f64>,
    /// The same, as a reader reads it.
    pub shown: String,
    /// Whether it holds. What nobody measured, and nobody asked for, doesn't stand against a run.
    pub holds: bool,
}

impl Check {
    /// Whether it holds, in a word: `-` where nobody can say.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match (self.holds, self.value) {
            (true, Some(_)) => "yes",
            (true, None) => "-",
            (false, _) => "no",
        }
    }
}

/// How fast it was, in events a second over the time of sending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// What the scenario asks for, on average.
    pub requested: f64,
    /// What was sent.
    pub offered: f64,
    /// What was accepted meanwhile.
    pub accepted: f64,
    /// Events that were done at all their consumers meanwhile.
    pub done: f64,
}

/// A delivery that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The event's number.
    pub number: u64,
    /// The event.
    pub event: EventId,
    /// The consumer.
    pub consumer: String,
}

/// How long a phase took, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Which phase.
    pub phase: Phase,
    /// Of which type; `None` for all together.
    pub kind: Option<String>,
    /// At which consumer; `None` for all together.
    pub consumer: Option<String>,
    /// How many were measured.
    pub count: u64,
    /// On average.
    pub mean_us: f64,
    /// Percentiles: half took this or less, and so on.
    pub p50_us: u64,
    /// 90 %.
    pub p90_us: u64,
    /// 99 %.
    pub p99_us: u64,
    /// 99.9 %.
    pub p999_us: u64,
    /// 99.99 %.
    pub p9999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// How long it took in each part of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// How long a part is, in seconds.
    pub width_s: f64,
    /// The parts, by intended moment.
    pub parts: Vec<Window>,
}

/// Deliveries that were done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// How long a stretch is, in seconds.
    pub width_s: u64,
    /// How many were done in each.
    pub counts: Vec<u64>,
}

/// What a run used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// The most resident bytes of memory.
    pub memory: Option<u64>,
    /// The most messages in all queues; `None` also in reports that were written before this was told.
    #[serde(default)]
    pub backlog: Option<u64>,
    /// Bytes on disk at the end.
    pub stored: Option<u64>,
    /// Dollars by list prices: for the load test's own calls, and for what a deployment does with its events.
    pub cost: Option<f64>,
    /// Dollars for a million events.
    pub cost_per_million: Option<f64>,
}

impl Report {
    /// The version of the format that is written, and the only one that is read. Figures of 1 were counted otherwise: rates over
    /// the time until the last answer, percentiles without what was never done.
    pub const FORMAT: u32 = 2;

    /// Everything of a phase together.
    #[must_use]
    pub fn overall(&self, phase: Phase) -> Option<&Latency> {
        self.latencies.iter().find(|l| l.phase == phase && l.kind.is_none() && l.consumer.is_none())
    }

    /// The counts of a phase over all windows.
    #[must_use]
    pub fn distribution(&self, phase: Phase) -> BTreeMap<u64, u64> {
        let mut all = BTreeMap::new();
        for (value, count) in self.windows.parts.iter().filter_map(|part| part.phases.get(&phase)).flatten() {
            *all.entry(*value).or_default() += count;
        }
        all
    }
}
