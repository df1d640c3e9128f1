//! How fast events come over the time of a run.

use std::{fmt, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use super::Rate;

/// How fast events come.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One like the other, at equal distances.
    Constant(Rate),
    /// From one rate to another, as straight as can be.
    Ramp {
        /// At the beginning.
        from: Rate,
        /// At the end.
        to: Rate,
    },
    /// At one rate, but for a while at another.
    Spike {
        /// The rate before and after.
        base: Rate,
        /// The rate of the spike.
        peak: Rate,
        /// When it begins.
        at: Duration,
        /// How long it takes.
        lasting: Duration,
    },
    /// At random moments that don't know of each other, as those of many people.
    Poisson(Rate),
    /// At the moments that a file tells.
    Trace {
        /// The file.
        file: PathBuf,
        /// The moments after the beginning, in order.
        moments: Arc<[Duration]>,
    },
}

impl Shape {
    /// The highest rate that is intended over a second, in events a second.
    #[must_use]
    pub fn peak(&self) -> f64 {
        match self {
            Self::Constant(rate) | Self::Poisson(rate) => rate.a_second(),
            Self::Ramp { from, to } => from.a_second().max(to.a_second()),
            Self::Spike { base, peak, .. } => base.a_second().max(peak.a_second()),
            Self::Trace { moments, .. } => fullest_second(moments) as f64,
        }
    }

    /// How many events come in so much time; on average, where they come at random.
    #[must_use]
    pub fn expected(&self, duration: Duration) -> u64 {
        match self {
            Self::Constant(rate) => rate.count(duration.as_nanos()),
            Self::Ramp { from, to } => ramped(*from, *to, duration),
            Self::Spike { base, peak, at, lasting } => {
                let [before, meanwhile, after] = parts(*at, *lasting, duration).map(|part| part.end - part.start);
                base.count(before) + peak.count(meanwhile) + base.count(after)
            }
            Self::Poisson(rate) => (rate.a_second() * duration.as_secs_f64()).ceil() as u64,
            Self::Trace { moments, .. } => moments.partition_point(|moment| *moment < duration) as u64,
        }
    }
}

/// Before a spike, while it lasts, and after it, in nanoseconds from the beginning of a run.
pub(super) fn parts(at: Duration, lasting: Duration, duration: Duration) -> [Range<u128>; 3] {
    let end = duration.as_nanos();
    let (from, to) = (at.as_nanos().min(end), (at + lasting).as_nanos().min(end));
    [0..from, from..to, to..end]
}

/// How many events come on the straight line from one rate to another.
pub(super) fn ramped(from: Rate, to: Rate, duration: Duration) -> u64 {
    let average = f64::midpoint(from.a_second(), to.a_second());
    (average * duration.as_secs_f64() - 1e-9).ceil().max(0.0) as u64
}

/// The most moments that lie within one second.
fn fullest_second(moments: &[Duration]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, moment) in moments.iter().enumerate() {
        while *moment - moments[first] >= Duration::from_secs(1) {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}

/// As it is written after `--rate`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(rate) => rate.fmt(f),
            Self::Ramp { from, to } => write!(f, "ramp:{from}..{to}"),
            Self::Spike { base, peak, at, lasting } => {
                write!(f, "spike:{base}..{peak}@{}+{}", seconds(*at), seconds(*lasting))
            }
            Self::Poisson(rate) => write!(f, "poisson:{rate}"),
            Self::Trace { file, .. } => write!(f, "trace:{}", file.display()),
        }
    }
}

fn seconds(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}
