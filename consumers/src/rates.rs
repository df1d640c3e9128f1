//! How fast a provider may be used, together with everybody who uses it.

use std::time::Duration;

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
}

/// The limits can't be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rate limits can't be reached: {0}")]
pub struct RatesError(pub String);

/// Counts what goes out, by bucket: a provider, or one of its senders. All who share a store share the buckets.
pub trait Rates: Send + Sync {
    /// Takes one message from `bucket`, or says how long to wait for it, and takes nothing.
    fn take<'a>(
        &'a self,
        bucket: &'a str,
        rate: Rate,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Duration>, RatesError>>;
}
