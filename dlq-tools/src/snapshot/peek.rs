//! A short look at some letters, where every look is a lease.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sendoff_consumers::{DeadLetterFacts, DeadLetterQueue, DeadLetters, DeadLettersError};
use sendoff_events::{Clock, Timestamp};

use crate::letter;

/// For how long they are leased, should they not be given back.
const HOLD: Duration = Duration::from_secs(30);
/// How many are given back in one call of the port.
const PAGE: usize = 1000;

/// What is known of a queue's letters, and from how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// What is known.
    pub facts: DeadLetterFacts,
    /// How many were looked at; `None` when all were counted.
    pub sampled: Option<u64>,
}

/// What is known of a queue's letters: from the backend, or from a look at up to `max` of them. `None` when nothing is: there are
/// none, none are to be touched, or a look would do harm. What was leased is given back at once.
///
/// Arrivals since `since` and the age of the oldest are of those that were looked at: at least so many, at least so old.
///
/// # Errors
///
/// When none could be looked at.
pub async fn peek(
    letters: &dyn DeadLetters,
    clock: &dyn Clock,
    queue: &DeadLetterQueue,
    max: usize,
    since: Timestamp,
) -> Result<Option<Peeked>, DeadLettersError> {
    if let Some(facts) = queue.facts.clone() {
        return Ok(Some(Peeked { facts, sampled: None }));
    }
    if queue.untouchable.is_some() || queue.waiting == 0 {
        return Ok(None);
    }
    let mut sample = Sample::default();
    let mut receipts = Vec::new();
    let mut seen = BTreeSet::new();
    let mut failed = None;
    while seen.len() < max {
        let taken = match letters.take(&queue.name, PAGE.min(max - seen.len()), HOLD).await {
            Ok(taken) if taken.is_empty() => break,
            Ok(taken) => taken,
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        let before = seen.len();
        for taken in taken {
            receipts.push(taken.receipt);
            if seen.insert(taken.letter.message_id.clone()) {
                sample.add(&letter::decode(&taken.letter, queue), taken.letter.enqueued_at, since);
            }
        }
        if seen.len() == before {
            break;
        }
    }
    for receipts in receipts.chunks(PAGE) {
        let results = letters.hold(&queue.name, receipts, Duration::ZERO).await;
        // Once more for those that weren't answered for; after that their leases end by themselves.
        let again: Vec<_> = receipts
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_err())
            .map(|(receipt, _)| receipt.clone())
            .collect();
        if !again.is_empty() {
            clock.sleep(Duration::from_millis(200)).await;
            letters.hold(&queue.name, &again, Duration::ZERO).await;
        }
    }
    match failed {
        Some(error) if seen.is_empty() => Err(error),
        _ if seen.is_empty() => Ok(None),
        _ => Ok(Some(Peeked { facts: sample.facts(), sampled: Some(seen.len() as u64) })),
    }
}

#[derive(Default)]
struct Sample {
    oldest: Option<Timestamp>,
    arrived: u64,
    reasons: BTreeMap<Option<String>, u64>,
}

impl Sample {
    fn add(&mut self, facts: &letter::Facts, enqueued_at: Timestamp, since: Timestamp) {
        self.oldest = Some(self.oldest.map_or(enqueued_at, |oldest| oldest.min(enqueued_at)));
        self.arrived += u64::from(enqueued_at >= since);
        *self.reasons.entry(facts.failure.as_ref().map(|failure| failure.reason.clone())).or_default() += 1;
    }

    fn facts(self) -> DeadLetterFacts {
        let mut reasons: Vec<_> = self.reasons.into_iter().collect();
        reasons.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
        DeadLetterFacts { oldest: self.oldest, arrived: self.arrived, reasons }
    }
}
