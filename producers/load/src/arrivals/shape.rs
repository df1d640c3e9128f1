//! How fast events come over the time of a run.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

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
            Self::Poisson(rate) => (rate.a_second() * duration.as_secs_f64()).ceil() as u64,
            _ => self.arrivals(duration, 0).count() as u64,
        }
    }
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
