//! What a run has to keep: `e2e p99<5s`, `lost=0`.

mod names;
mod parse;

use std::fmt;

pub use parse::SloError;

/// One thing that a run has to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// What is measured.
    pub metric: Metric,
    /// How it compares.
    pub op: Op,
    /// With what: seconds, a number, a share (0.01 is 1 %), events a second or bytes, as the metric has it.
    pub limit: f64,
    /// As it was written.
    pub text: String,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// How long a phase took.
    Latency {
        /// Which phase.
        phase: Phase,
        /// Where in its distribution.
        point: Point,
        /// Of which type of event, or at which consumer; `None` for all together.
        of: Option<String>,
    },
    /// How many of the deliveries became what they should not.
    Count {
        /// What.
        what: What,
        /// As a share of what was sent.
        share: bool,
    },
    /// Events that were done at all their consumers in each second of the sending, on average.
    Throughput,
    /// Events that were accepted in each second of the sending, on average.
    Accepted,
    /// Seconds from the last send until the last delivery was at its end.
    Drain,
    /// The most bytes of memory that were resident.
    Memory,
}

/// A part of an event's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// From the intended moment until it was accepted.
    Publish,
    /// From there until a consumer claimed it.
    Queue,
    /// From there until it was done.
    Handler,
    /// From the intended moment until it was done.
    E2e,
}

impl Phase {
    /// All, in the order in which an event goes through them.
    pub const ALL: [Self; 4] = [Self::Publish, Self::Queue, Self::Handler, Self::E2e];

    /// Its word in an SLO.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Queue => "queue",
            Self::Handler => "handler",
            Self::E2e => "e2e",
        }
    }

    /// What a reader calls it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Publish => "publish ack",
            Self::Queue => "queue wait",
            Self::Handler => "handler",
            Self::E2e => "end to end",
        }
    }
}

/// Where in a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Point {
    /// So many of a hundred were faster.
    Percentile(f64),
    /// The slowest.
    Max,
    /// The average.
    Mean,
}

/// What a delivery should not become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Nobody knows of it.
    Lost,
    /// Its effect happened more than once.
    Doubled,
    /// It stands among the dead letters, and isn't poison.
    DeadLettered,
    /// Nobody knows whether its effect happened.
    InDoubt,
    /// It wasn't finished when the run ended.
    InFlight,
    /// It was sent and isn't there: it was refused, or wasn't confirmed and isn't found.
    Refused,
    /// Attempts after the first one.
    Retries,
    /// It was done after one that was sent later.
    Reordered,
}

impl What {
    pub(crate) const ALL: [Self; 8] = [
        Self::Lost,
        Self::Doubled,
        Self::DeadLettered,
        Self::InDoubt,
        Self::InFlight,
        Self::Refused,
        Self::Retries,
        Self::Reordered,
    ];

    /// Its word in an SLO.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::DeadLettered => "dead-lettered",
            Self::InDoubt => "in-doubt",
            Self::InFlight => "in-flight",
            Self::Refused => "refused",
            Self::Retries => "retries",
            Self::Reordered => "reordered",
        }
    }
}

/// How what is measured compares with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Less.
    Below,
    /// Less or the same.
    AtMost,
    /// The same.
    Equal,
    /// More or the same.
    AtLeast,
    /// More.
    Above,
}

impl Slo {
    /// What every run has to keep, whatever else it says: everything is accepted, nothing is lost, nothing happens twice, nothing
    /// but poison is dead-lettered, and everything comes to its end. A run that speaks of one of them itself replaces it, but
    /// `lost=0` stays.
    #[must_use]
    pub fn with_defaults(said: &[Self]) -> Vec<Self> {
        let count = |what, limit| Self {
            metric: Metric::Count { what, share: false },
            op: Op::Equal,
            limit,
            text: format!("{}={limit}", What::word(what)),
        };
        let speaks = |what: What| {
            said.iter()
                .any(|slo| matches!(slo.metric, Metric::Count { what: of, .. } if of == what && of != What::Lost))
        };
        let always = [What::Lost, What::Refused, What::Doubled, What::DeadLettered, What::InFlight];
        let mut all: Vec<Self> =
            always.into_iter().filter(|what| !speaks(*what)).map(|what| count(what, 0.0)).collect();
        all.extend(said.iter().filter(|slo| slo.text != "lost=0").cloned());
        all
    }

    /// Whether this value keeps it.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        match self.op {
            Op::Below => value < self.limit,
            Op::AtMost => value <= self.limit,
            Op::Equal => (value - self.limit).abs() < f64::EPSILON,
            Op::AtLeast => value >= self.limit,
            Op::Above => value > self.limit,
        }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
