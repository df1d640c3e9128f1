//! What a run's own calls cost. What the deployment does with the events it costs besides: `docs/DEPLOY.md` says how much.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::target::{Parcel, Via};

/// List prices in US dollars for a million, without free tiers, in us-east-1 as published in 2025: table units on demand
/// <https://aws.amazon.com/dynamodb/pricing/on-demand/>, publishes <https://aws.amazon.com/sns/pricing/>, requests to standard
/// queues <https://aws.amazon.com/sqs/pricing/>, requests to an HTTP API <https://aws.amazon.com/api-gateway/pricing/>.
mod dollars_per_million {
    pub(super) const TABLE_WRITES: f64 = 0.625;
    pub(super) const TABLE_READS: f64 = 0.125;
    pub(super) const PUBLISHES: f64 = 0.50;
    pub(super) const QUEUE_REQUESTS: f64 = 0.40;
    pub(super) const API_REQUESTS: f64 = 1.00;
}

/// SNS and SQS count every begun 64 KB as one.
const CHUNK: usize = 64 * 1024;

/// Counts what is paid for.
#[derive(Default)]
pub(super) struct Meter {
    publishes: AtomicU64,
    queue_requests: AtomicU64,
    writes: AtomicU64,
    reads: AtomicU64,
    api_requests: AtomicU64,
}

impl Meter {
    /// Parcels are sent.
    pub(super) fn sent(&self, via: Via, parcels: &[Parcel], consumers: usize) {
        let chunks: usize = parcels.iter().map(|parcel| size(parcel).div_ceil(CHUNK).max(1)).sum();
        let (count, chunks) = (parcels.len() as u64, chunks as u64);
        match via {
            Via::Topic => self.publishes.fetch_add(chunks, Relaxed),
            // Ten messages share a request where they are small; it isn't known here which do.
            Via::Queue => self.queue_requests.fetch_add(chunks * consumers as u64, Relaxed),
            // A record and an event, in a transaction, which takes two units for each kilobyte.
            Via::Table => self
                .writes
                .fetch_add(parcels.iter().map(|parcel| 2 * (1 + size(parcel).div_ceil(1024) as u64)).sum(), Relaxed),
            Via::Api => self.api_requests.fetch_add(count, Relaxed),
        };
    }

    /// The table is written to, in transactions.
    pub(super) fn writes(&self, items: u64) {
        self.writes.fetch_add(2 * items, Relaxed);
    }

    /// Items are read, each of up to 4 KB.
    pub(super) fn reads(&self, items: u64) {
        self.reads.fetch_add(items, Relaxed);
    }

    /// A queue is asked.
    pub(super) fn queue_requests(&self, requests: u64) {
        self.queue_requests.fetch_add(requests, Relaxed);
    }

    /// What all of it costs.
    pub(super) fn dollars(&self) -> f64 {
        use dollars_per_million as price;
        let cost = |counter: &AtomicU64, price: f64| counter.load(Relaxed) as f64 * price / 1e6;
        cost(&self.publishes, price::PUBLISHES)
            + cost(&self.queue_requests, price::QUEUE_REQUESTS)
            + cost(&self.writes, price::TABLE_WRITES)
            + cost(&self.reads, price::TABLE_READS)
            + cost(&self.api_requests, price::API_REQUESTS)
    }
}

fn size(parcel: &Parcel) -> usize {
    match parcel {
        Parcel::Event(event) | Parcel::Again(event) => event.body.len(),
        Parcel::Poison { body, .. } => body.len(),
        Parcel::Request(request) => {
            request.fields.iter().map(|(name, value)| name.len() + value.to_string().len()).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poison(bytes: usize) -> Parcel {
        Parcel::Poison { number: 0, body: vec![b'x'; bytes].into(), attributes: Default::default() }
    }

    #[test]
    fn a_million_publishes_cost_half_a_dollar_and_large_ones_count_in_chunks() {
        let meter = Meter::default();
        meter.sent(Via::Topic, &[poison(1), poison(CHUNK), poison(CHUNK + 1)], 5);
        assert!((meter.dollars() - 4.0 * 0.5e-6).abs() < 1e-12, "{}", meter.dollars());
        meter.reads(8);
        assert!((meter.dollars() - 3e-6).abs() < 1e-12, "{}", meter.dollars());
        meter.sent(Via::Queue, &[poison(1)], 5);
        assert!((meter.dollars() - 5e-6).abs() < 1e-12, "{}", meter.dollars());
    }
}
