//! Looking up what isn't at its end yet, in batches.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sendoff_events::{EventId, Timestamp};

use super::{
    ledger::Ledger,
    record::{Record, Sort, State},
};
use crate::{
    scenario::Kind,
    target::{Fate, Seen, Target, TargetError},
};

/// How many deliveries are asked for in one call.
pub(super) const BATCH: usize = 500;

/// How many records are looked through before the sending may go on.
const STRETCH: usize = 20_000;

/// How those stand that aren't at their end, as one pass has seen them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// By kind and consumer.
    pub standing: BTreeMap<(Kind, usize), Standing>,
    /// Some of those that nobody knows of: number, event, consumer.
    pub missing: Vec<(u64, EventId, usize)>,
    /// When those were first claimed that are being handled, or in doubt: the event's number, the consumer, the moment.
    pub claimed: Vec<(u64, usize, Timestamp)>,
    /// Of which it isn't known either whether they were accepted for this consumer: the event's number, the consumer.
    pub absent: Vec<(u64, usize)>,
    /// Whether it went to its end.
    pub is_complete: bool,
}

/// How deliveries stand that aren't at their end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Nobody knows whether the effect happened.
    pub in_doubt: u64,
    /// Waiting, or being handled.
    pub in_flight: u64,
    /// Neither the ledger nor a queue knows of it, although it was accepted.
    pub missing: u64,
    /// The same, where it isn't known either whether it was accepted for this consumer.
    pub absent: u64,
}

impl Census {
    /// How many wait for something that still can happen.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.standing.values().map(|s| s.in_flight + s.missing).sum()
    }
}

/// How many examples of missing deliveries are kept.
const EXAMPLES: usize = 20;

/// A delivery: the record's place, and the consumer's number.
type Pair = (usize, usize);

/// One look at everything that was due before `before` and isn't at its end, from the record `first` on, which moves on. A pass that
/// isn't `thorough` ends where most of what it sees isn't at its end yet: what was sent later won't be either.
///
/// # Errors
///
/// [`TargetError`] when the system can't be asked.
pub(super) async fn pass(
    target: &dyn Target,
    ledger: &Mutex<Ledger>,
    first: &mut usize,
    before: Duration,
    thorough: bool,
    apart: bool,
) -> Result<Census, TargetError> {
    let mut census = Census::default();
    *first = lock(ledger).first_open(*first);
    let mut next = *first;
    loop {
        let (pairs, asked, end) = lock(ledger).collect(&mut next, before);
        if !pairs.is_empty() {
            let seen = target.look(&asked).await?;
            let open = lock(ledger).take_in(&pairs, &asked, &seen, apart, &mut census);
            if !thorough && open * 2 > pairs.len() {
                return Ok(census);
            }
        }
        if end {
            census.is_complete = true;
            return Ok(census);
        }
    }
}

pub(super) fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    fn first_open(&self, from: usize) -> usize {
        let stretch = self.records.iter().skip(from).take(STRETCH);
        from + stretch.take_while(|record| record.is_settled()).count()
    }

    /// The next deliveries that aren't at their end, and whether those were all.
    fn collect(&self, next: &mut usize, before: Duration) -> (Vec<Pair>, Vec<(EventId, String)>, bool) {
        let (mut pairs, mut asked) = (Vec::new(), Vec::new());
        let stop = next.saturating_add(STRETCH);
        while let Some(record) = self.records.get(*next) {
            if record.due() >= before {
                return (pairs, asked, true);
            }
            if *next >= stop || pairs.len() + record.pending.count_ones() as usize > BATCH {
                return (pairs, asked, false);
            }
            if let Some(id) = record.id() {
                for consumer in bits(record.pending) {
                    pairs.push((*next, consumer));
                    asked.push((id, self.consumers[consumer].clone()));
                }
            }
            *next += 1;
        }
        (pairs, asked, true)
    }

    /// Takes in what was seen. Gives how many are still not at their end.
    fn take_in(
        &mut self,
        pairs: &[Pair],
        asked: &[(EventId, String)],
        seen: &[Seen],
        apart: bool,
        census: &mut Census,
    ) -> usize {
        let seen: HashMap<(EventId, &str), &Seen> =
            seen.iter().map(|seen| ((seen.event, seen.consumer.as_str()), seen)).collect();
        let mut open = 0;
        for ((place, consumer), (event, name)) in pairs.iter().zip(asked) {
            let seen = seen.get(&(*event, name.as_str()));
            if seen.is_some_and(|seen| self.saw(*place, *consumer, seen)) {
                continue;
            }
            open += 1;
            if let Some(at) = seen.and_then(|seen| seen.claimed_at) {
                census.claimed.push((*place as u64, *consumer, at));
            }
            let record = &self.records[*place];
            let standing = census.standing.entry((record.kind, *consumer)).or_default();
            match seen.map_or(Fate::Missing, |seen| seen.fate) {
                Fate::InDoubt => standing.in_doubt += 1,
                Fate::InFlight => standing.in_flight += 1,
                Fate::Missing if apart && matches!(record.state, State::Found(_)) => {
                    standing.absent += 1;
                    census.absent.push((*place as u64, *consumer));
                }
                Fate::Missing | Fate::Done | Fate::DeadLettered => {
                    standing.missing += 1;
                    if census.missing.len() < EXAMPLES {
                        census.missing.push((*place as u64, *event, *consumer));
                    }
                }
            }
        }
        open
    }
}

impl Record {
    /// Whether nothing more can become known of it.
    fn is_settled(&self) -> bool {
        match self.state {
            State::Accepted(Sort::Event) | State::Found(Sort::Event) => self.pending == 0,
            State::Sending(_) | State::Unknown(Sort::Event) => false,
            State::Accepted(_) | State::Found(_) | State::Refused(_) | State::Unknown(_) => true,
        }
    }
}

pub(super) fn bits(set: u16) -> impl Iterator<Item = usize> {
    (0..16).filter(move |bit| set & (1 << bit) != 0)
}
