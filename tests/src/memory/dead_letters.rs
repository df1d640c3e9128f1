use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{
    Backlog, DeadLetter, DeadLetterFacts, DeadLetterKind, DeadLetterQueue, DeadLetters, DeadLettersError, Destination,
    FAILURE_ATTRIBUTE, Failure, IdempotencyKey, InboxError, InboxRecord, NewMessage, OutgoingLetter, QueueError,
    Receipt, Subscriber, TakenLetter,
};
use sendoff_events::{BoxFuture, Clock, Timestamp, at_millis};

use super::{QueuesState, RecordsState, TopicState, lock, queue::later};

/// A dead-letter queue.
#[derive(Default)]
pub struct DeadState {
    /// How many were sent here, rather than moved; part of their ids.
    sent: u64,
    letters: BTreeMap<String, Held>,
}

struct Held {
    letter: DeadLetter,
    came_at: Timestamp,
    visible_at: Timestamp,
    /// How often it was leased; part of the receipt.
    leases: u32,
    leased: bool,
}

impl DeadState {
    /// Puts a letter in under its own id.
    pub fn put(&mut self, letter: DeadLetter, now: Timestamp) {
        let id = letter.message_id.clone();
        self.letters.insert(id, Held { letter, came_at: now, visible_at: now, leases: 0, leased: false });
    }

    /// All letters.
    pub fn letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.letters.values().map(|held| &held.letter)
    }

    /// All letters with the failures that their consumers have told.
    pub fn failures(&self) -> impl Iterator<Item = (&DeadLetter, Failure)> {
        self.letters().filter_map(|letter| {
            let failure = letter.attributes.get(FAILURE_ATTRIBUTE)?;
            Some((letter, serde_json::from_str(failure).ok()?))
        })
    }

    /// How many there are, leased ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    fn send(&mut self, letter: &OutgoingLetter, now: Timestamp) -> String {
        self.sent += 1;
        let OutgoingLetter { body, attributes, types, group, .. } = letter.clone();
        let message_id = format!("sent-{}", self.sent);
        let new = DeadLetter {
            message_id: message_id.clone(),
            body,
            attributes,
            types,
            receive_count: 0,
            enqueued_at: now,
            source: None,
            group,
        };
        self.put(new, now);
        message_id
    }

    fn take(&mut self, max: usize, wanted: impl Fn(&str) -> bool, hold: Duration, now: Timestamp) -> Vec<TakenLetter> {
        let free = self.letters.iter_mut().filter(|(id, held)| wanted(id) && held.visible_at <= now).take(max);
        free.map(|(id, held)| {
            held.leases += 1;
            held.leased = true;
            held.visible_at = later(now, hold);
            held.letter.receive_count += 1;
            TakenLetter { receipt: Receipt::new(format!("{id}#{}", held.leases)), letter: held.letter.clone() }
        })
        .collect()
    }

    /// The letter that is held under this receipt.
    fn held<'a>(&mut self, receipt: &'a Receipt) -> Result<(&'a str, &mut Held), QueueError> {
        let (id, lease) = receipt.as_str().rsplit_once('#').ok_or(QueueError::Stale)?;
        let held = self.letters.get_mut(id).filter(|held| held.leased && held.leases.to_string() == lease);
        held.map(|held| (id, held)).ok_or(QueueError::Stale)
    }

    fn facts(&self, since: Timestamp) -> DeadLetterFacts {
        let mut reasons: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for letter in self.letters() {
            let failure = letter.attributes.get(FAILURE_ATTRIBUTE);
            let failure = failure.and_then(|text| serde_json::from_str::<Failure>(text).ok());
            *reasons.entry(failure.map(|failure| failure.reason)).or_default() += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        DeadLetterFacts {
            oldest: self.letters().map(|letter| letter.enqueued_at).min(),
            arrived: self.letters.values().filter(|held| held.came_at >= since).count() as u64,
            reasons,
        }
    }
}

/// All dead-letter queues in memory: those of the queues, those of the reactions, and those for what was put aside.
pub struct MemoryDeadLetters {
    /// The queues.
    pub queues: Arc<Mutex<QueuesState>>,
    /// The topic.
    pub topic: Arc<Mutex<TopicState>>,
    /// The records, whose changes reactions have parked.
    pub records: Arc<Mutex<RecordsState>>,
    /// What was put aside, by the queue's name.
    pub aside: Arc<Mutex<BTreeMap<String, DeadState>>>,
    /// What was handled.
    pub inbox: Arc<Mutex<BTreeMap<IdempotencyKey, InboxRecord>>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl MemoryDeadLetters {
    fn now(&self) -> Timestamp {
        at_millis(self.clock.now())
    }

    /// What `work` makes of the dead-letter queue of this name.
    fn on<T>(&self, name: &str, work: impl FnOnce(&mut DeadState, Timestamp) -> T) -> Result<T, DeadLettersError> {
        let now = self.now();
        let missing = || DeadLettersError::NoSuchQueue(name.to_owned());
        let Some(source) = name.strip_suffix("-dlq") else {
            return lock(&self.aside).get_mut(name).map(|state| work(state, now)).ok_or_else(missing);
        };
        if let Some(queue) = lock(&self.queues).get(source).cloned() {
            return Ok(work(&mut lock(&queue).dead, now));
        }
        lock(&self.records).parked(source).map(|state| work(state, now)).ok_or_else(missing)
    }

    fn each(
        &self,
        queue: &str,
        receipts: &[Receipt],
        work: impl Fn(&mut DeadState, Timestamp, &Receipt) -> Result<(), QueueError>,
    ) -> Vec<Result<(), QueueError>> {
        let done =
            self.on(queue, |state, now| receipts.iter().map(|receipt| work(state, now, receipt)).collect::<Vec<_>>());
        done.unwrap_or_else(|error| vec![Err(QueueError::Refused(error.to_string())); receipts.len()])
    }

    fn send_one(&self, to: &Destination, letter: &OutgoingLetter) -> Result<String, QueueError> {
        let now = self.now();
        let message = || {
            let (body, attributes) = (letter.body.clone(), letter.attributes.clone());
            NewMessage { body, attributes, ..NewMessage::default() }
        };
        let Destination::Queue(name) = to else {
            let topic = lock(&self.topic);
            let wanting = topic.subscriptions.iter().filter(|(filter, _)| filter.accepts(&letter.attributes));
            let sent: Vec<_> = wanting.map(|(_, queue)| lock(queue).push(message(), now)).collect();
            return sent.into_iter().next().ok_or_else(|| QueueError::Refused("nobody wants it".into()));
        };
        if let Some(queue) = lock(&self.queues).get(name).cloned() {
            return Ok(lock(&queue).push(message(), now));
        }
        self.on(name, |state, now| state.send(letter, now)).map_err(|error| QueueError::Refused(error.to_string()))
    }

    fn names(&self) -> BTreeMap<String, DeadLetterKind> {
        let consumers = lock(&self.queues).keys().cloned().collect::<Vec<_>>();
        let consumers = consumers.into_iter().map(|name| (format!("{name}-dlq"), DeadLetterKind::Consumer(name)));
        let reactions = lock(&self.records).reactions();
        let reactions = reactions.into_iter().map(|name| (format!("{name}-dlq"), DeadLetterKind::Reaction(name)));
        let aside = lock(&self.aside).keys().cloned().collect::<Vec<_>>();
        let aside = aside.into_iter().filter_map(|name| {
            let consumer = name.strip_suffix(DeadLetterKind::QUARANTINE)?.to_owned();
            Some((name, DeadLetterKind::Quarantine(consumer)))
        });
        reactions.chain(consumers).chain(aside).collect()
    }
}

impl DeadLetters for MemoryDeadLetters {
    fn deployment(&self) -> String {
        "memory".into()
    }

    fn queues(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<DeadLetterQueue>, DeadLettersError>> {
        let describe = |(name, kind): (String, _)| {
            self.on(&name, |state, now| DeadLetterQueue {
                name: name.clone(),
                kind,
                waiting: state.letters.values().filter(|held| held.visible_at <= now).count() as u64,
                in_flight: state.letters.values().filter(|held| held.visible_at > now).count() as u64,
                retention: None,
                fifo: false,
                untouchable: None,
                facts: Some(state.facts(since)),
            })
        };
        let all = self.names().into_iter().map(describe).collect();
        Box::pin(async { all })
    }

    fn read<'a>(
        &'a self,
        queue: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<DeadLetter>>, DeadLettersError>> {
        let rest = |state: &mut DeadState, _| {
            let rest = state.letters().filter(|letter| after.is_none_or(|after| letter.message_id.as_str() > after));
            Some(rest.take(max).cloned().collect())
        };
        let found = self.on(queue, rest);
        Box::pin(async { found })
    }

    fn take<'a>(
        &'a self,
        queue: &'a str,
        max: usize,
        hold: Duration,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, DeadLettersError>> {
        let taken = self.on(queue, |state, now| state.take(max, |_| true, hold, now));
        Box::pin(async { taken })
    }

    fn take_these<'a>(
        &'a self,
        queue: &'a str,
        message_ids: &'a [String],
        hold: Duration,
    ) -> BoxFuture<'a, Result<Option<Vec<TakenLetter>>, DeadLettersError>> {
        let ids: BTreeSet<&str> = message_ids.iter().map(String::as_str).collect();
        let taken = self.on(queue, |state, now| Some(state.take(usize::MAX, |id| ids.contains(id), hold, now)));
        Box::pin(async { taken })
    }

    fn hold<'a>(
        &'a self,
        queue: &'a str,
        receipts: &'a [Receipt],
        hold: Duration,
    ) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let done = self.each(queue, receipts, |state, now, receipt| {
            let (_, held) = state.held(receipt)?;
            (held.visible_at, held.leased) = (later(now, hold), !hold.is_zero());
            Ok(())
        });
        Box::pin(async { done })
    }

    fn delete<'a>(&'a self, queue: &'a str, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let done = self.each(queue, receipts, |state, _, receipt| {
            let id = state.held(receipt)?.0.to_owned();
            state.letters.remove(&id);
            Ok(())
        });
        Box::pin(async { done })
    }

    fn send<'a>(
        &'a self,
        to: &'a Destination,
        letters: &'a [OutgoingLetter],
    ) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        let sent = letters.iter().map(|letter| self.send_one(to, letter)).collect();
        Box::pin(async { sent })
    }

    fn create<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<(), DeadLettersError>> {
        let is_one = queue.ends_with(DeadLetterKind::QUARANTINE);
        if is_one {
            lock(&self.aside).entry(queue.to_owned()).or_default();
        }
        let made = if is_one { Ok(()) } else { Err(DeadLettersError::Refused(format!("`{queue}` is no quarantine"))) };
        Box::pin(async { made })
    }

    fn backlog<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Backlog, DeadLettersError>> {
        let found = lock(&self.queues).get(queue).cloned();
        let backlog = found.map(|queue| {
            let depth = lock(&queue).depth(self.now());
            Backlog { waiting: depth.visible, in_flight: depth.in_flight, oldest: None }
        });
        Box::pin(async move { backlog.ok_or_else(|| DeadLettersError::NoSuchQueue(queue.to_owned())) })
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, DeadLettersError>> {
        let (topic, queues) = (lock(&self.topic), lock(&self.queues));
        let subscribers = queues.iter().filter_map(|(name, queue)| {
            let (filter, _) = topic.subscriptions.iter().find(|(_, subscribed)| Arc::ptr_eq(subscribed, queue))?;
            Some(Subscriber { queue: name.clone(), filter: Some(filter.clone()) })
        });
        let subscribers = Ok(subscribers.collect());
        Box::pin(async { subscribers })
    }

    fn ledger<'a>(&'a self, keys: &'a [IdempotencyKey]) -> BoxFuture<'a, Result<Vec<Option<InboxRecord>>, InboxError>> {
        let records = lock(&self.inbox);
        let found = Ok(keys.iter().map(|key| records.get(key).cloned()).collect());
        Box::pin(async { found })
    }
}
