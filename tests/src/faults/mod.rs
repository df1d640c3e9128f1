//! A connection to AWS that fails as the services do: it throttles, breaks before and after a request was carried out, answers
//! late, and fails parts of batches. Which request fails how is drawn from a seed.
#![expect(clippy::expect_used, reason = "a test can't go on without it, and the message says what is wrong")]

mod batch;
mod http;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sendoff_events::Rng;

use crate::simulation::WorldRng;

pub use http::FaultyHttp;

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The service asks to slow down, and does nothing.
    Throttled,
    /// The connection can't be made.
    NotConnected,
    /// The service fails and says so, before it did anything.
    FailedBefore,
    /// The service did it, and says that it failed.
    FailedAfter,
    /// The service did it, and its answer never arrives.
    AnswerLost,
    /// One entry of a batch is not carried out, and told as failed; any other request is slow.
    PartlyFailed,
    /// The answer takes its time.
    Slow,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Throttled,
        Self::NotConnected,
        Self::FailedBefore,
        Self::FailedAfter,
        Self::AnswerLost,
        Self::PartlyFailed,
        Self::Slow,
    ];
}

/// How late a slow answer is.
const SLOW: Duration = Duration::from_millis(300);

/// How often requests fail, and what has failed by now.
pub struct Weather {
    rng: WorldRng,
    /// Of a thousand requests, so many fail.
    per_mille: Mutex<u64>,
    tally: Mutex<BTreeMap<(String, Fault), u32>>,
}

impl Weather {
    /// Weather in which so many of a thousand requests fail, each kind as often as any other.
    #[must_use]
    pub fn new(rng: WorldRng, per_mille: u64) -> Self {
        Self { rng, per_mille: Mutex::new(per_mille), tally: Mutex::default() }
    }

    /// From now on nothing fails.
    pub fn clear(&self) {
        *self.per_mille.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    /// What becomes of the next request for `call`.
    fn draw(&self, call: &str) -> Option<Fault> {
        let per_mille = *self.per_mille.lock().unwrap_or_else(PoisonError::into_inner);
        if self.rng.next_u64() % 1000 >= per_mille {
            return None;
        }
        let kind = usize::try_from(self.rng.next_u64() % 7).unwrap_or_default();
        let fault = Fault::ALL[kind];
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        *tally.entry((call.to_owned(), fault)).or_default() += 1;
        Some(fault)
    }

    /// How many requests have failed in which way, over all calls.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Fault, u32> {
        let mut counts = BTreeMap::new();
        for ((_, fault), n) in &*self.tally.lock().unwrap_or_else(PoisonError::into_inner) {
            *counts.entry(*fault).or_default() += n;
        }
        counts
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((call, fault), n) in &*self.tally.lock().unwrap_or_else(PoisonError::into_inner) {
            writeln!(f, "{call:<45} {fault:?} × {n}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Weather")
    }
}
