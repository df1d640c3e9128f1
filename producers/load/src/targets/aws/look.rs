//! Looking events up. SQS doesn't tell what stands in a queue: an event that the ledger doesn't know is believed to be on its way
//! until its queue has been empty for a while, and for as long nothing has happened to it. Nor is one lost that the relay hasn't
//! published yet, however late it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sendoff_consumers::{IdempotencyKey, InboxRecord, Status};
use sendoff_events::{EventId, Timestamp};

use super::{OnAws, letters::Letter};
use crate::target::{Fate, Seen, TargetError, made_at};

/// For how long a queue has to say that it is empty before that is believed. Its numbers are approximate, and get there within
/// a minute after the last message came
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>).
pub(super) const BELIEVED: Duration = Duration::from_secs(70);

/// How many events that aren't published yet are looked at.
const MOST_WAITING: usize = 1000;

/// Since when each consumer's queue has been empty.
#[derive(Default)]
pub(super) struct Emptiness(Mutex<BTreeMap<String, Timestamp>>);

impl Emptiness {
    /// Takes note of how a queue stands now; gives whether it is believed to be empty.
    fn note(&self, consumer: &str, is_empty: bool, now: Timestamp) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_empty {
            since.remove(consumer);
            return false;
        }
        let since = *since.entry(consumer.to_owned()).or_insert(now);
        Duration::try_from(now.duration_since(since)).is_ok_and(|empty| empty >= BELIEVED)
    }
}

/// When events were last seen in the outbox, of those that no queue and no record knew.
#[derive(Default)]
pub(super) struct Unpublished(Mutex<BTreeMap<EventId, Timestamp>>);

impl Unpublished {
    fn note(&self, events: impl IntoIterator<Item = EventId>, now: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(events.into_iter().map(|event| (event, now)));
    }

    /// Whether it waits to be published, or was so lately that its queue's numbers may not tell of it yet.
    fn has(&self, event: EventId, now: Timestamp) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&event).is_some_and(|last| !is_old(*last, now))
    }
}

impl OnAws {
    pub(super) async fn seen(&self, pairs: &[(EventId, String)]) -> Result<Vec<Seen>, TargetError> {
        let keys: Vec<_> = pairs.iter().map(|(event, consumer)| IdempotencyKey::new(consumer, *event)).collect();
        let empty = self.empty_queues(pairs).await?;
        self.meter.reads(keys.len() as u64);
        let records = self.ways.letters.ledger(&keys).await;
        let records = records.map_err(|e| TargetError::unreachable("looking events up", e))?;
        let is_unsettled = |consumer: &String| {
            pairs.iter().zip(&records).any(|(pair, record)| pair.1 == *consumer && !is_settled(record))
        };
        let events = |letters: Vec<Letter>| letters.into_iter().filter_map(|letter| letter.event).collect();
        let dead: BTreeMap<String, BTreeSet<EventId>> =
            self.of_letters(empty.into_iter().filter(is_unsettled), events).await?;
        let now = self.ways.clock.now();
        let seen = pairs.iter().zip(&records).map(|((event, consumer), record)| Seen {
            event: *event,
            consumer: consumer.clone(),
            fate: fate(*event, record.as_ref(), dead.get(consumer), now),
            attempts: record.as_ref().map_or(0, |record| record.attempts),
            claimed_at: record.as_ref().map(|record| record.first_at),
            updated_at: record.as_ref().map(|record| record.updated_at),
        });
        let mut seen: Vec<Seen> = seen.collect();
        if seen.iter().any(|seen| seen.fate == Fate::Missing) {
            let is_all = self.ask_outbox(now).await?;
            for missing in seen.iter_mut().filter(|seen| seen.fate == Fate::Missing) {
                if !is_all || self.unpublished.has(missing.event, now) {
                    missing.fate = Fate::InFlight;
                }
            }
        }
        Ok(seen)
    }

    /// Takes note of what the relay hasn't published yet. Gives whether that is all of it: behind so much, nobody knows who waits.
    async fn ask_outbox(&self, now: Timestamp) -> Result<bool, TargetError> {
        let pending = self.store.outbox().pending(now, MOST_WAITING).await;
        let pending = pending.map_err(|e| TargetError::unreachable("asking the outbox what isn't published yet", e))?;
        let waiting = pending.events.len();
        self.meter.reads(1 + waiting as u64);
        let stuck = pending.stuck.iter().filter_map(|stuck| stuck.event.parse().ok());
        self.unpublished.note(pending.events.iter().map(|event| event.id()).chain(stuck), now);
        Ok(waiting < MOST_WAITING)
    }

    /// The consumers whose queues are believed to be empty. Asked before the ledger is read: what leaves a queue is settled before.
    async fn empty_queues(&self, pairs: &[(EventId, String)]) -> Result<Vec<String>, TargetError> {
        let mut empty = Vec::new();
        for consumer in super::distinct(pairs.iter().map(|(_, consumer)| consumer.clone())) {
            let depth = self.depth(&consumer).await?;
            let is_empty = depth.visible + depth.in_flight + depth.delayed == 0;
            if self.emptiness.note(&consumer, is_empty, self.ways.clock.now()) {
                empty.push(consumer);
            }
        }
        Ok(empty)
    }
}

/// What became of an event, by its record and the dead letters of its consumer, which are looked at only once the queue is believed
/// to be empty. That the queue has said so for long tells nothing of what came or was tried since: its numbers may not have got
/// there yet.
fn fate(event: EventId, record: Option<&InboxRecord>, dead: Option<&BTreeSet<EventId>>, now: Timestamp) -> Fate {
    match (record.map(|record| record.status), dead) {
        (Some(Status::Done), _) => Fate::Done,
        (Some(Status::InDoubt), _) => Fate::InDoubt,
        (Some(Status::Failed), _) => Fate::DeadLettered,
        (Some(Status::Claimed) | None, None) => Fate::InFlight,
        (Some(Status::Claimed) | None, Some(dead)) if dead.contains(&event) => Fate::DeadLettered,
        (Some(Status::Claimed) | None, Some(_)) => {
            let last = record.map_or(made_at(event), |record| record.updated_at.max(made_at(event)));
            if is_old(last, now) { Fate::Missing } else { Fate::InFlight }
        }
    }
}

/// Whether so much time has passed since then that the numbers of queues tell of it.
fn is_old(then: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(then)).is_ok_and(|age| age >= BELIEVED)
}

fn is_settled(record: &Option<InboxRecord>) -> bool {
    record.as_ref().is_some_and(|record| record.status != Status::Claimed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{Overrides, Scenario};

    #[test]
    fn a_run_waits_by_default_until_it_is_known_what_was_lost() {
        let text = "[rate]\nrate = \"1/s\"\n[[event]]\ntype = \"app.assigned\"\n";
        let scenario = Scenario::parse(Path::new("x.toml"), text, &Overrides::default()).unwrap();
        assert!(scenario.drain > BELIEVED, "{:?}", scenario.drain);
    }

    #[test]
    fn what_came_or_was_tried_within_the_time_that_numbers_take_is_not_missing() {
        let event: EventId = "01900000-0000-7000-8000-000000000000".parse().unwrap();
        let made = made_at(event);
        let after = |seconds| made + Duration::from_secs(seconds);
        let record = |updated_at| InboxRecord {
            key: IdempotencyKey::new("email", event),
            status: Status::Claimed,
            fence: 1,
            revision: 1,
            lease_until: updated_at,
            attempts: 1,
            replay: 0,
            payload_hash: [0; 32],
            steps: BTreeMap::new(),
            history: Vec::new(),
            first_at: made,
            updated_at,
            expires_at: None,
        };
        let empty = BTreeSet::new();
        let told = |record: Option<&InboxRecord>, now| fate(event, record, Some(&empty), now);
        assert_eq!(told(None, after(69)), Fate::InFlight);
        assert_eq!(told(None, after(70)), Fate::Missing);
        // Its next attempt may be under way.
        let retried = record(after(200));
        assert_eq!(told(Some(&retried), after(269)), Fate::InFlight);
        assert_eq!(told(Some(&retried), after(270)), Fate::Missing);
        assert_eq!(fate(event, None, None, after(1000)), Fate::InFlight, "its queue isn't empty");
        assert_eq!(fate(event, None, Some(&BTreeSet::from([event])), after(1)), Fate::DeadLettered);
    }
}
