//! Whether the generator itself was good enough.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// How well the generator kept to its moments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Parcels that were handed over.
    pub sent: u64,
    /// Those that were handed over late.
    pub late: u64,
    /// After how many microseconds a parcel is late.
    pub late_after_us: u64,
    /// The largest share of late parcels that says something about the system.
    pub late_share: f64,
    /// How late half of them were at most, in microseconds.
    pub p50_us: u64,
    /// How late 99 % of them were at most, in microseconds.
    pub p99_us: u64,
    /// How late the latest was, in microseconds.
    pub max_us: u64,
    /// The most parcels that were on their way in at once.
    pub most_outstanding: usize,
    /// Parcels in one call, on average.
    pub batch: f64,
    /// Why it broke off, where it did: a mistake of the load test itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke_off: Option<String>,
}

impl Health {
    /// That of a generator that broke off: how well it kept to its moments went with it.
    #[must_use]
    pub fn broken(why: impl Into<String>) -> Self {
        Self { broke_off: Some(why.into()), ..Self::default() }
    }

    /// Whether what was measured says something about the system, and not about the generator.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.broke_off.is_none() && self.late as f64 <= self.late_share * self.sent as f64
    }
}

/// Watches how well it keeps to its moments.
pub(super) struct Lateness {
    histogram: Histogram<u64>,
    late: u64,
    late_after: Duration,
    late_share: f64,
    calls: u64,
    most_outstanding: usize,
}

impl Lateness {
    #[expect(clippy::expect_used, reason = "three digits are within what hdrhistogram allows: 0 to 5")]
    pub(super) fn new(late_after: Duration, late_share: f64) -> Self {
        let histogram = Histogram::new(3).expect("three digits are allowed");
        Self { histogram, late: 0, late_after, late_share, calls: 0, most_outstanding: 0 }
    }

    pub(super) fn handed_over(&mut self, after: Duration) {
        self.late += u64::from(after > self.late_after);
        // It resizes itself: nothing is refused.
        let _ = self.histogram.record(micros(after));
    }

    pub(super) fn called(&mut self, outstanding: usize) {
        self.calls += 1;
        self.most_outstanding = self.most_outstanding.max(outstanding);
    }

    pub(super) fn health(&self) -> Health {
        let sent = self.histogram.len();
        Health {
            sent,
            late: self.late,
            late_after_us: micros(self.late_after),
            late_share: self.late_share,
            p50_us: self.histogram.value_at_quantile(0.5),
            p99_us: self.histogram.value_at_quantile(0.99),
            max_us: self.histogram.max(),
            most_outstanding: self.most_outstanding,
            batch: if self.calls == 0 { 0.0 } else { sent as f64 / self.calls as f64 },
            broke_off: None,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
