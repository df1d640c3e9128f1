//! Who gets what is sent to the topic: the letters' own consumer, and who else.

use std::collections::BTreeMap;

use sendoff_consumers::{DeadLetters, Destination, IdempotencyKey, Subscriber};
use sendoff_host::{Exit, Stopped};

use super::{
    OtherSubscriber,
    make::{Order, ledgers},
};
use crate::letter::{self, Letter};

/// The subscribers of the topic, and what each of the healthy ones would get again.
pub(super) struct Subscribers {
    /// Whose letters they are.
    own: Option<String>,
    is_topic: bool,
    subscribers: Vec<Subscriber>,
    found: BTreeMap<(String, String), (u64, u64)>,
}

impl Subscribers {
    /// Those of a plan's topic; nobody, when it goes to a queue.
    pub(super) async fn of(order: &Order<'_>) -> Result<Self, Stopped> {
        let mut subscribers = Vec::new();
        let is_topic = order.head.to.0 == Destination::Topic;
        if is_topic {
            subscribers = order.letters.subscribers().await.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
        }
        Ok(Self { own: order.snapshot.taken().target.clone(), is_topic, subscribers, found: BTreeMap::new() })
    }

    /// Why the topic wouldn't bring a letter to the consumer that it failed at; `None` when it would, or doesn't get it. What nobody has
    /// subscribed to, a topic takes, and it is gone.
    pub(super) fn misses(&self, letter: &Letter) -> Option<String> {
        if !self.is_topic {
            return None;
        }
        let original = letter::original(&letter.message, &letter.facts, letter.payload.as_ref()).ok()?;
        // A filter that can't be read may let everything through.
        let accepts = |subscriber: &Subscriber| {
            subscriber.filter.as_ref().is_none_or(|filter| filter.accepts(&original.attributes))
        };
        let Some(consumer) = letter.facts.consumer.as_ref().or(self.own.as_ref()) else {
            return (!self.subscribers.iter().any(accepts))
                .then(|| "no subscription to the topic lets them through".into());
        };
        match self.subscribers.iter().find(|subscriber| subscriber.queue == *consumer) {
            None => Some(format!("`{consumer}` has no subscription to the topic")),
            Some(own) => (!accepts(own)).then(|| format!("the subscription of `{consumer}` doesn't let them through")),
        }
    }

    /// Takes these letters into account.
    pub(super) async fn count(&mut self, letters: &[Letter], port: &dyn DeadLetters) -> Result<(), Stopped> {
        for subscriber in self.subscribers.iter().filter(|subscriber| Some(&subscriber.queue) != self.own.as_ref()) {
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
