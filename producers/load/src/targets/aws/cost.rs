//! What a run costs: its own calls, and what the deployment does with its events, as `docs/DEPLOY.md` has it.

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

/// What a deployment asks for a million events, from the request to the end, by the model of `docs/DEPLOY.md`. Events that the
/// model doesn't know count as the dearest that it does, with a run of a workflow each; and those that don't come by the API as
/// if they did: the guard on cost would rather stop too early.
mod deployment {
    pub(super) const ASSIGNMENTS: f64 = 15.78;
    pub(super) const OTHERS: f64 = 209.71;
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
    assignments: AtomicU64,
    others: AtomicU64,
}

impl Meter {
    /// Parcels are sent.
    pub(super) fn sent(&self, via: Via, parcels: &[Parcel], consumers: usize) {
        let chunks: usize = parcels.iter().map(|parcel| size(parcel).div_ceil(CHUNK).max(1)).sum();
        let (count, chunks) = (parcels.len() as u64, chunks as u64);
        let assignments = parcels.iter().filter(|parcel| is_assignment(parcel)).count() as u64;
        self.assignments.fetch_add(assignments, Relaxed);
        self.others.fetch_add(count - assignments, Relaxed);
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
            + cost(&self.assignments, deployment::ASSIGNMENTS)
            + cost(&self.others, deployment::OTHERS)
    }
}

/// Whether it is about somebody's app, which no workflow runs for.
fn is_assignment(parcel: &Parcel) -> bool {
    let of_app = |event_type: &str| event_type.starts_with("app.");
    match parcel {
        Parcel::Event(event) | Parcel::Again(event) => of_app(event.event_type().name()),
        Parcel::Poison { attributes, .. } => attributes.get("type").is_some_and(|text| of_app(text)),
        Parcel::Request(_) => false,
    }
}

fn size(parcel: &Parcel) -> usize {
    match parcel {
        Parcel::Event(event) | Parcel::Again(event) => event.body().len(),
        Parcel::Poison { body, .. } => body.len(),
        Parcel::Request(request) => {
            request.fields.iter().map(|(name, value)| name.len() + value.to_string().len()).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use sendoff_tests::cost::{EVENTS, Prices};

    use super::*;

    fn poison(event_type: &str, bytes: usize) -> Parcel {
        let attributes = [("type".to_owned(), event_type.to_owned())].into();
        Parcel::Poison { number: 0, body: vec![b'x'; bytes].into(), attributes }
    }

    fn assignment(bytes: usize) -> Parcel {
        poison("app.assigned.v1", bytes)
    }

    #[test]
    fn a_million_publishes_cost_half_a_dollar_and_large_ones_count_in_chunks_beside_what_the_deployment_does() {
        let meter = Meter::default();
        let costs = |millionths: f64| {
            let dollars = meter.dollars() * 1e6;
            assert!((dollars - millionths).abs() < 1e-6, "{dollars} instead of {millionths}");
        };
        meter.sent(Via::Topic, &[assignment(1), assignment(CHUNK), assignment(CHUNK + 1)], 5);
        costs(4.0 * 0.5 + 3.0 * 15.78);
        meter.reads(8);
        costs(3.0 + 3.0 * 15.78);
        meter.sent(Via::Queue, &[poison("submission.updated.v1", 1)], 5);
        costs(5.0 + 3.0 * 15.78 + 209.71);
    }

    #[test]
    fn a_deployment_costs_what_the_model_says() {
        let priced: Vec<(&str, f64)> = EVENTS.iter().map(|e| (e.event_type, e.dollars(&Prices::US_EAST_1))).collect();
        let dearest = priced.iter().map(|(_, dollars)| *dollars).fold(0.0, f64::max);
        for (event_type, dollars) in priced {
            let taken = if event_type.starts_with("app.") { deployment::ASSIGNMENTS } else { deployment::OTHERS };
            assert!((taken - dollars).abs() < 0.005, "{event_type}: {dollars}, and {taken} is taken");
        }
        assert!((deployment::OTHERS - dearest).abs() < 0.005, "{dearest} is the dearest");
    }
}
