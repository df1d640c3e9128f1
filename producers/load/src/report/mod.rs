//! What came out of a run: the account of every event, how long everything took, and whether that is good.

mod build;
mod chart;
mod judge;
mod machine;
mod measured;
mod model;
mod page;
mod text;

use std::collections::BTreeMap;

pub use build::{bytes, micros, time};
pub use model::{Check, Done, Latency, Lost, Place, Rates, Report, Summary, Used, Verdict, Windows, Word};
pub(crate) use text::plain;
pub use text::sum;

/// The value below or at which this share of the counted values lies; `None` where there are none.
#[must_use]
pub fn quantile(counts: &BTreeMap<u64, u64>, share: f64) -> Option<u64> {
    let all: u64 = counts.values().sum();
    let rank = ((all as f64 * share).ceil() as u64).max(1);
    let mut seen = 0;
    counts.iter().find_map(|(value, count)| {
        seen += count;
        (seen >= rank.min(all)).then_some(*value)
    })
}
