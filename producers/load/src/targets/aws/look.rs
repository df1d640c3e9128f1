//! Looking events up. SQS doesn't tell what stands in a queue: an event that the ledger doesn't know is believed to be on its way
//! until its queue has been empty for a while.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sendoff_consumers::{IdempotencyKey, InboxRecord, Status};
use sendoff_events::{EventId, Timestamp};

use super::OnAws;
use crate::target::{Fate, Seen, TargetError};

/// For how long a queue has to say that it is empty before that is believed. Its numbers are approximate, and get there within
/// a minute after the last message came
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>).
pub(super) const BELIEVED: Duration = Duration::from_secs(70);

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

impl OnAws {
    pub(super) async fn seen(&self, pairs: &[(EventId, String)]) -> Result<Vec<Seen>, TargetError> {
        let keys: Vec<_> = pairs.iter().map(|(event, consumer)| IdempotencyKey::new(consumer, *event)).collect();
        let empty = self.empty_queues(pairs).await?;
        self.meter.reads(keys.len() as u64);
        let records = self.ways.letters.ledger(&keys).await;
        let records = records.map_err(|e| TargetError::unreachable("looking events up", e))?;
        let mut dead: BTreeMap<&str, BTreeSet<EventId>> = BTreeMap::new();
        for consumer in &empty {
            let is_unsettled =
                pairs.iter().zip(&records).any(|(pair, record)| pair.1 == *consumer && !is_settled(record));
            if is_unsettled {
                let letters = self.letters(consumer).await?;
                dead.insert(consumer, letters.into_iter().filter_map(|letter| letter.event).collect());
            }
        }
        let fate =
            |event: EventId, consumer: &str, record: &Option<InboxRecord>| match record.as_ref().map(|r| r.status) {
                Some(Status::Done) => Fate::Done,
                Some(Status::InDoubt) => Fate::InDoubt,
                Some(Status::Failed) => Fate::DeadLettered,
                Some(Status::Claimed) | None => match dead.get(consumer) {
                    None => Fate::InFlight,
                    Some(dead) if dead.contains(&event) => Fate::DeadLettered,
                    Some(_) => Fate::Missing,
                },
            };
        let seen = pairs.iter().zip(&records).map(|((event, consumer), record)| Seen {
            event: *event,
            consumer: consumer.clone(),
            fate: fate(*event, consumer, record),
            attempts: record.as_ref().map_or(0, |record| record.attempts),
            claimed_at: record.as_ref().map(|record| record.first_at),
            updated_at: record.as_ref().map(|record| record.updated_at),
        });
        Ok(seen.collect())
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

fn is_settled(record: &Option<InboxRecord>) -> bool {
    record.as_ref().is_some_and(|record| record.status != Status::Claimed)
}
