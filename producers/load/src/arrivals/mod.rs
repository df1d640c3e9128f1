//! When events are due. Nothing here looks at a clock: a moment is a distance from the beginning of the run, and each is there
//! however slow the system is.

mod poisson;
mod rate;
mod shape;
mod trace;

use std::{ops::Range, time::Duration};

pub use rate::{Rate, RateError};
pub use shape::Shape;
pub use trace::{TraceError, read_trace};

use poisson::Poisson;
use shape::{parts, ramped};

/// The moments of a run, in order.
pub type Arrivals = Box<dyn Iterator<Item = Duration> + Send>;

impl Shape {
    /// The moments of events in so much time, in order. The same seed gives the same moments.
    #[must_use]
    pub fn arrivals(&self, duration: Duration, seed: u64) -> Arrivals {
        match self {
            Self::Constant(rate) => Box::new(steady(*rate, 0..duration.as_nanos())),
            Self::Ramp { from, to } => Box::new(ramp(*from, *to, duration)),
            Self::Spike { base, peak, at, lasting } => {
                let [before, meanwhile, after] = parts(*at, *lasting, duration);
                Box::new(steady(*base, before).chain(steady(*peak, meanwhile)).chain(steady(*base, after)))
            }
            Self::Poisson(rate) => Box::new(Poisson::new(rate.a_second(), duration, seed)),
            Self::Trace { moments, .. } => {
                let moments = moments.clone();
                let due = (0..moments.len()).map(move |at| moments[at]);
                Box::new(due.take_while(move |moment| *moment < duration))
            }
        }
    }
}

/// Equal distances within a part of the run, in nanoseconds.
fn steady(rate: Rate, part: Range<u128>) -> impl Iterator<Item = Duration> + Send {
    (0..rate.count(part.end - part.start)).map(move |number| nanos(part.start + rate.due(number)))
}

/// The rate grows or falls in a straight line. After `t` of `T` seconds `a·t + (b − a)·t² / 2T` events have come; the moment of
/// each is where that passes its number.
fn ramp(from: Rate, to: Rate, duration: Duration) -> impl Iterator<Item = Duration> + Send {
    let (a, b, all) = (from.a_second(), to.a_second(), duration.as_secs_f64());
    let slope = (b - a) / all;
    let moment = move |number: u64| {
        let number = number as f64;
        // The root in the form that loses nothing where the slope is small.
        let root = (a * a + 2.0 * slope * number).max(0.0).sqrt();
        Duration::from_secs_f64(2.0 * number / (a + root))
    };
    (0..ramped(from, to, duration)).map(moment)
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
