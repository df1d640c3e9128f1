//! Events about the same, done in another order than they were sent.

use std::collections::HashMap;

use super::{ledger::Ledger, record::NONE};

/// How many deliveries of a consumer had an order to keep, and how many didn't keep it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// Deliveries of events that others are about the same as.
    pub(super) ordered: u64,
    /// Done before one that was sent earlier.
    pub(super) reordered: u64,
}

impl Ledger {
    /// By consumer's number.
    pub(super) fn order(&self) -> Vec<Order> {
        let mut orders = vec![Order::default(); self.consumers.len()];
        let mut latest: HashMap<(u32, usize), u32> = HashMap::new();
        for record in self.records.iter().filter(|record| record.slots != NONE) {
            let consumers = self.by_kind.get(&record.kind).map(Vec::as_slice).unwrap_or_default();
            for (at, consumer) in consumers.iter().enumerate() {
                let Some(done) = self.done_at.get(record.slots as usize + at).copied().filter(|done| *done != NONE)
                else {
                    continue;
                };
                let latest = latest.entry((record.other, *consumer)).or_insert(done);
                orders[*consumer].ordered += 1;
                orders[*consumer].reordered += u64::from(done < *latest);
                *latest = done.max(*latest);
            }
        }
        orders
    }
}
