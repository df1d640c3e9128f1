//! How fast a provider may be used, together with everybody who uses it.

mod gcra;
mod memory;

use std::time::Duration;

pub use gcra::gcra;
pub use memory::MemoryRates;
pub(crate) use memory::Moments;
use sendoff_events::{BoxFuture, Timestamp};

/// So many messages in so much time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How much time there is between two messages on average.
    pub interval: Duration,
    /// How many may go at once after a quiet time, at least 1.
    pub burst: u32,
}

impl Rate {
    /// `count` messages a second, as many at once.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        let count = count.max(1);
        Self { interval: Duration::from_secs(1) / count, burst: count }
    }

    /// The interval in whole microseconds, the unit of [`gcra`], rounded up: a rate is never exceeded by rounding.
    #[must_use]
    pub fn step(&self) -> Duration {
        let micros = self.interval.as_nanos().div_ceil(1000).max(1);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// How far ahead of the present moment a bucket may be while it still gives: one step for each message of the burst but one.
    #[must_use]
    pub fn tolerance(&self) -> Duration {
        self.step().saturating_mul(self.burst.max(1) - 1)
    }
}

/// The limits can't be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rate limits can't be reached: {0}")]
pub struct RatesError(pub String);

/// Counts what goes out, by bucket: a provider, or one of its senders. All who share a store share the buckets.
pub trait Rates: Send + Sync {
    /// Takes one message from `bucket`, or says how long to wait for it, and takes nothing. See [`gcra`] for how.
    fn take<'a>(
        &'a self,
        bucket: &'a str,
        rate: Rate,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Duration>, RatesError>>;
}
