//! A provider that doesn't deduplicate, like an SMS gateway: what it accepts it sends, each time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sendoff_consumers::{NotSent, SendOutcome};

use super::Network;
use crate::memory::lock;

/// A provider behind the network.
#[derive(Clone)]
pub struct Provider {
    network: Arc<Network>,
    accepted: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Provider {
    /// A provider at the far end of `network`.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        Self { network, accepted: Arc::default() }
    }

    /// How often each key's message was really sent.
    #[must_use]
    pub fn accepted(&self) -> BTreeMap<String, u32> {
        lock(&self.accepted).clone()
    }

    /// Sends the message of `key`.
    pub async fn send(&self, key: String) -> SendOutcome {
        let (busy, broken, refused) = (self.network.happens(60), self.network.happens(60), self.network.happens(20));
        let accepted = self.accepted.clone();
        let answer = self.network.call(move || {
            if busy {
                return SendOutcome::NotSent(NotSent::Throttled { after: None, reason: "429".into() });
            }
            if refused {
                return SendOutcome::NotSent(NotSent::Permanent { reason: "550 no such user".into() });
            }
            if broken {
                return SendOutcome::NotSent(NotSent::Transient { reason: "451 try later".into() });
            }
            *lock(&accepted).entry(key).or_insert(0) += 1;
            SendOutcome::Sent { provider: None, provider_id: None }
        });
        answer.await.unwrap_or_else(|_| SendOutcome::Unknown { provider: None, reason: "no answer".into() })
    }
}
