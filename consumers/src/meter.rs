//! The port for metrics: what is counted and timed, by names that every host and dashboard shares.

use std::time::Duration;

use crate::{Class, Verdict};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    /// Events that the topic took.
    Published,
    /// Messages that were handled; of a reaction, changes that it has dealt with.
    Handled,
    /// Attempts that failed, whether they are repeated or were the last. A message that can't be read isn't attempted.
    Failed,
    /// Attempts that failed and will be repeated. They are among [`Count::Failed`] too.
    Retried,
    /// Messages, or changes, that were moved to the dead-letter queue.
    DeadLettered,
    /// Messages that had been handled before; nothing ran.
    Duplicates,
    /// Dead letters whose effect may or may not have happened. They are among [`Count::DeadLettered`] too.
    InDoubt,
    /// Messages that were put off without an attempt: throttling, an outage, somebody else's lease.
    Deferred,
    /// Look-ups that the process's own memory answered.
    CacheHits,
    /// Look-ups that the shared cache answered.
    SharedCacheHits,
    /// Look-ups that the table had to answer.
    CacheMisses,
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// From the delivery to the verdict; of a reaction, how long an attempt took.
    HandlerLatency,
    /// From the event's first publication to the end of its handling.
    Age,
}

impl Count {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Published,
        Self::Handled,
        Self::Failed,
        Self::Retried,
        Self::DeadLettered,
        Self::Duplicates,
        Self::InDoubt,
        Self::Deferred,
        Self::CacheHits,
        Self::SharedCacheHits,
        Self::CacheMisses,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "Published",
            Self::Handled => "Handled",
            Self::Failed => "Failed",
            Self::Retried => "Retried",
            Self::DeadLettered => "DeadLettered",
            Self::Duplicates => "Duplicates",
            Self::InDoubt => "InDoubt",
            Self::Deferred => "Deferred",
            Self::CacheHits => "CacheHits",
            Self::SharedCacheHits => "SharedCacheHits",
            Self::CacheMisses => "CacheMisses",
        }
    }
}

impl Span {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::HandlerLatency, Self::Age];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HandlerLatency => "HandlerLatency",
            Self::Age => "Age",
        }
    }
}

/// Takes measurements. `consumer` is the name of the consumer, reaction or function that they belong to.
pub trait Meter: Send + Sync {
    /// Counts `n` more.
    fn count(&self, what: Count, consumer: &str, n: u64);
    /// Records one duration.
    fn time(&self, what: Span, consumer: &str, took: Duration);
    /// An effect of a load test that may happen once went to the sink, under this idempotency key (`consumer/event-id/step`).
    /// The same key twice is an effect that happened twice.
    fn sunk(&self, consumer: &str, key: &str) {
        let _ = (consumer, key);
    }
}

/// Measures nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn count(&self, _: Count, _: &str, _: u64) {}
    fn time(&self, _: Span, _: &str, _: Duration) {}
}

/// Counts what became of a message, or of an attempt at a change.
pub(crate) fn measure(meter: &dyn Meter, consumer: &str, verdict: &Verdict) {
    if is_failed_attempt(verdict) {
        meter.count(Count::Failed, consumer, 1);
    }
    let counted = match verdict {
        Verdict::Ack { duplicate: false } => Count::Handled,
        Verdict::Ack { duplicate: true } => Count::Duplicates,
        Verdict::Retry { .. } => Count::Retried,
        Verdict::Snooze { .. } => Count::Deferred,
        Verdict::DeadLetter(failure) => {
            if failure.class == Class::InDoubt {
                meter.count(Count::InDoubt, consumer, 1);
            }
            Count::DeadLettered
        }
        // Whoever has taken over counts it.
        Verdict::Superseded => return,
    };
    meter.count(counted, consumer, 1);
}

/// A message that can't be read, or is too old to be, was dead-lettered without one.
fn is_failed_attempt(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Retry { .. } => true,
        Verdict::DeadLetter(failure) => failure.class != Class::Undecodable,
        Verdict::Ack { .. } | Verdict::Snooze { .. } | Verdict::Superseded => false,
    }
}
