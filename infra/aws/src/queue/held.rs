//! The messages that a queue has handed out, for those that come back after longer than SQS can hide them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use sendoff_consumers::{Delivery, Receipt};

/// The most messages that are remembered.
const MESSAGES: usize = 1000;
/// The most bytes that they have in all. While a consumer works on a message, remembering it costs nothing: both share it.
const BYTES: usize = 32 << 20;

/// The messages that were handed out last and aren't finished. What is forgotten is only put off for less long.
#[derive(Default)]
pub(super) struct Held(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    all: HashMap<Receipt, Delivery>,
    order: VecDeque<Receipt>,
    bytes: usize,
}

impl Held {
    /// Remembers a message, and forgets the oldest ones that there is no room for.
    pub(super) fn remember(&self, delivery: &Delivery) {
        let mut held = self.lock();
        held.bytes += delivery.body.len();
        held.all.insert(delivery.receipt.clone(), delivery.clone());
        held.order.push_back(delivery.receipt.clone());
        while held.all.len() > MESSAGES || held.bytes > BYTES || held.order.len() > 2 * MESSAGES {
            let Some(oldest) = held.order.pop_front() else { break };
            held.forget(&oldest);
        }
    }

    /// Forgets a message that is finished.
    pub(super) fn forget(&self, receipt: &Receipt) {
        self.lock().forget(receipt);
    }

    /// The message of this receipt.
    pub(super) fn get(&self, receipt: &Receipt) -> Option<Delivery> {
        self.lock().all.get(receipt).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, receipt: &Receipt) {
        if let Some(delivery) = self.all.remove(receipt) {
            self.bytes -= delivery.body.len();
        }
        if self.all.is_empty() {
            self.order.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::Attributes;
    use sendoff_events::Timestamp;

    use super::*;

    fn delivery(receipt: usize, bytes: usize) -> Delivery {
        Delivery {
            receipt: Receipt::new(receipt.to_string()),
            message_id: "m".into(),
            body: vec![b'x'; bytes].into(),
            attributes: Attributes::new(),
            receive_count: 1,
            sent_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn knows(held: &Held, receipt: usize) -> bool {
        held.get(&Receipt::new(receipt.to_string())).is_some()
    }

    #[test]
    fn a_message_is_remembered_until_it_is_finished() {
        let held = Held::default();
        held.remember(&delivery(1, 1));
        held.remember(&delivery(2, 1));
        held.forget(&Receipt::new("1"));
        assert!(!knows(&held, 1) && knows(&held, 2));
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many_or_they_are_too_large() {
        let held = Held::default();
        (0..=MESSAGES).for_each(|n| held.remember(&delivery(n, 1)));
        assert!(!knows(&held, 0) && knows(&held, 1) && knows(&held, MESSAGES));
        held.remember(&delivery(5000, BYTES - 1));
        assert!(!knows(&held, MESSAGES - 1) && knows(&held, MESSAGES) && knows(&held, 5000));
        assert_eq!(held.lock().bytes, BYTES);
    }

    #[test]
    fn what_is_finished_leaves_nothing_behind() {
        let held = Held::default();
        held.remember(&delivery(0, 1));
        for n in 1..10 * MESSAGES {
            held.remember(&delivery(n, 1));
            held.forget(&Receipt::new(n.to_string()));
        }
        assert!(held.lock().order.len() <= 2 * MESSAGES);
    }
}
