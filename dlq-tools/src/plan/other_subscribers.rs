//! Who else gets what is sent to the topic.

use std::collections::BTreeMap;

use sendoff_consumers::{DeadLetters, Destination, IdempotencyKey, Subscriber};
use sendoff_host::{Exit, Stopped};

use super::{
    OtherSubscriber,
    make::{Order, ledgers},
};
use crate::letter::{self, Letter};

/// The healthy subscribers of the topic, and what each would get again.
pub(super) struct OtherSubscribers {
    subscribers: Vec<Subscriber>,
    found: BTreeMap<(String, String), (u64, u64)>,
}

impl OtherSubscribers {
    /// Those of a plan's topic; nobody, when it goes to a queue.
    pub(super) async fn of(order: &Order<'_>) -> Result<Self, Stopped> {
        let mut subscribers = Vec::new();
        if order.head.to.0 == Destination::Topic {
            subscribers = order.letters.subscribers().await.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
            subscribers.retain(|subscriber| Some(&subscriber.queue) != order.snapshot.taken().target.as_ref());
        }
        Ok(Self { subscribers, found: BTreeMap::new() })
    }

    /// Takes these letters into account.
    pub(super) async fn count(&mut self, letters: &[Letter], port: &dyn DeadLetters) -> Result<(), Stopped> {
        for subscriber in &self.subscribers {
            let (mut types, mut keys) = (Vec::new(), Vec::new());
            for letter in letters {
                let Some(event) = &letter.facts.event else { continue };
                let Ok(original) = letter::original(&letter.message, &letter.facts, letter.payload.as_ref()) else {
                    continue;
                };
                // A filter that can't be read may let everything through.
                if subscriber.filter.as_ref().is_none_or(|filter| filter.accepts(&original.attributes)) {
                    types.push(event.r#type.clone());
                    // Nobody has done an edited one: to all of them it is new.
                    let id = letter.edit.as_ref().map_or(event.id, |edit| edit.event);
                    keys.push(Some(IdempotencyKey::new(&subscriber.queue, id)));
                }
            }
            for (r#type, ledger) in types.into_iter().zip(ledgers(port, &keys).await?) {
                let (count, done) = self.found.entry((subscriber.queue.clone(), r#type)).or_default();
                *count += 1;
                *done += u64::from(ledger.is_some_and(|ledger| ledger.is_done()));
            }
        }
        Ok(())
    }

    pub(super) fn found(self) -> Vec<OtherSubscriber> {
        let found = self.found.into_iter();
        found.map(|((queue, r#type), (letters, done))| OtherSubscriber { queue, r#type, letters, done }).collect()
    }
}
