//! The account: everything that was sent, and what became of it, so that nothing is left over.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    ledger::Ledger,
    order::Order,
    pass::{Census, bits},
    record::{Sort, State},
};
use crate::Via;

/// What became of the parcels of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Events, or requests that make one.
    pub events: Way,
    /// Sent again.
    pub again: Way,
    /// Poison.
    pub poison: Way,
}

impl Sending {
    /// All sorts together.
    #[must_use]
    pub fn all(&self) -> Way {
        let sum = |of: fn(&Way) -> u64| of(&self.events) + of(&self.again) + of(&self.poison);
        Way {
            sent: sum(|way| way.sent),
            accepted: sum(|way| way.accepted),
            found: sum(|way| way.found),
            refused: sum(|way| way.refused),
            not_there: sum(|way| way.not_there),
            unknown: sum(|way| way.unknown),
        }
    }

    /// How many were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.all().sent
    }

    /// How many certainly aren't there.
    #[must_use]
    pub fn not_accepted(&self) -> u64 {
        let Way { refused, not_there, .. } = self.all();
        refused + not_there
    }

    /// Of how many events and how much poison nobody can tell. A repetition that may not have arrived changes nothing.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.events.unknown + self.poison.unknown
    }
}

/// How the sending of a sort of parcel went: `sent = accepted + found + refused + not_there + unknown`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Sent.
    pub sent: u64,
    /// Accepted.
    pub accepted: u64,
    /// Not answered, but found.
    pub found: u64,
    /// Refused: they certainly aren't there.
    pub refused: u64,
    /// Not answered, looked for, and not there.
    pub not_there: u64,
    /// Not answered, and nobody can tell.
    pub unknown: u64,
}

/// What became of what one consumer was to get: `events + again + poison = done + suppressed + repeated + unseen + dead_lettered +
/// again_dead + poison_dead + in_doubt + in_flight + lost`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The consumer.
    pub consumer: String,
    /// Events that arrived.
    pub events: u64,
    /// Those that were sent again, and arrived.
    pub again: u64,
    /// Poison that arrived.
    pub poison: u64,
    /// Done.
    pub done: u64,
    /// Repetitions that were passed over, as the consumer counts them or the answers to their requests say.
    pub suppressed: u64,
    /// Repetitions that had their effect again.
    pub repeated: u64,
    /// Repetitions that left no trace, where nobody counts what is passed over: suppressed, or gone.
    pub unseen: u64,
    /// Events among the dead letters.
    pub dead_lettered: u64,
    /// Repetitions among the dead letters.
    pub again_dead: u64,
    /// Poison among the dead letters, where it belongs.
    pub poison_dead: u64,
    /// Nobody knows whether the effect happened.
    pub in_doubt: u64,
    /// Not at an end when the run was.
    pub in_flight: u64,
    /// Nobody knows of them.
    pub lost: u64,
    /// Attempts after the first one.
    pub retries: u64,
    /// Deliveries of events that others are about the same as.
    pub ordered: u64,
    /// Of those, done before one that was sent earlier.
    pub reordered: u64,
    /// Effects that happened more than once; `None` where no sink counts.
    pub doubled: Option<u64>,
}

impl Account {
    /// What it was to get.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.events + self.again + self.poison
    }

    /// What is known to have become of it, and what isn't.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        self.done
            + self.suppressed
            + self.repeated
            + self.unseen
            + self.dead_lettered
            + self.again_dead
            + self.poison_dead
            + self.in_doubt
            + self.in_flight
            + self.lost
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.events += other.events;
        self.again += other.again;
        self.poison += other.poison;
        self.done += other.done;
        self.suppressed += other.suppressed;
        self.repeated += other.repeated;
        self.unseen += other.unseen;
        self.dead_lettered += other.dead_lettered;
        self.again_dead += other.again_dead;
        self.poison_dead += other.poison_dead;
        self.in_doubt += other.in_doubt;
        self.in_flight += other.in_flight;
        self.lost += other.lost;
        self.retries += other.retries;
        self.ordered += other.ordered;
        self.reordered += other.reordered;
        self.doubled = match (self.doubled, other.doubled) {
            (Some(one), Some(more)) => Some(one + more),
            (one, more) => one.or(more),
        };
        self
    }
}

/// What the system says at the end, beside of each event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// How those stand that aren't at their end.
    pub census: Census,
    /// Numbers of parcels that nobody answered for and nobody can look up.
    pub unknown: BTreeSet<u64>,
    /// Whether the system can't tell yet of some of those.
    pub may_come: bool,
    /// Poison among the dead letters, by consumer.
    pub dead_poison: BTreeMap<String, u64>,
    /// Repetitions among the dead letters, by consumer.
    pub dead_again: BTreeMap<String, u64>,
    /// Who has seen repetitions be passed over.
    pub suppressed: Suppressed,
    /// Effects that happened more than once, by consumer; `None` where no sink counts.
    pub doubled: Option<BTreeMap<String, u64>>,
    /// Messages that stand in the queues, whoever's they are, by consumer: what more is missing than that is lost.
    pub queued: BTreeMap<String, u64>,
    /// By how many more they are than before the run, by consumer.
    pub waiting: BTreeMap<String, u64>,
}

/// Who has seen repetitions be passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Suppressed {
    /// Nobody has.
    #[default]
    Unseen,
    /// The consumers, so many times each.
    Counted(BTreeMap<String, u64>),
    /// The API, which answered each with the event that was there.
    Answered,
}

impl Ledger {
    /// What there is without asking the system: whatever isn't at its end may still come to it.
    pub(super) fn unasked(&self, via: Via) -> Evidence {
        let mut census = Census::default();
        for record in &self.records {
            for consumer in bits(record.pending) {
                census.standing.entry((record.kind, consumer)).or_default().in_flight += 1;
            }
        }
        let unknown = self.unanswered().into_iter().collect();
        // All that is looked for may stand in the queues.
        let all: BTreeMap<String, u64> = self.consumers.iter().map(|name| (name.clone(), u64::MAX)).collect();
        let evidence = Evidence { census, unknown, may_come: true, queued: all.clone(), ..Evidence::default() };
        match via {
            Via::Api => Evidence { suppressed: Suppressed::Answered, ..evidence },
            Via::Topic | Via::Queue | Via::Table => Evidence { waiting: all, ..evidence },
        }
    }

    /// How the sending went.
    pub(super) fn sending(&self, evidence: &Evidence) -> Sending {
        let mut sending = Sending::default();
        for (place, record) in self.records.iter().enumerate() {
            let way = match record.state.sort() {
                Sort::Event => &mut sending.events,
                Sort::Again => &mut sending.again,
                Sort::Poison => &mut sending.poison,
            };
            way.sent += 1;
            match record.state {
                State::Accepted(_) => way.accepted += 1,
                State::Found(_) => way.found += 1,
                State::Refused(_) => way.refused += 1,
                State::Unknown(Sort::Event) if !evidence.unknown.contains(&(place as u64)) => way.not_there += 1,
                State::Sending(_) | State::Unknown(_) => way.unknown += 1,
            }
        }
        sending
    }

    /// One account for each consumer.
    pub(super) fn accounts(&self, evidence: &Evidence) -> Vec<Account> {
        let mut accounts: Vec<Account> =
            self.consumers.iter().map(|name| Account { consumer: name.clone(), ..Account::default() }).collect();
        let mut unsure_poison = vec![0_u64; self.consumers.len()];
        for record in &self.records {
            for consumer in self.by_kind.get(&record.kind).into_iter().flatten() {
                let account = &mut accounts[*consumer];
                match record.state.sort() {
                    Sort::Event => account.events += u64::from(record.state.arrived()),
                    Sort::Again => account.again += u64::from(record.state.arrived()),
                    Sort::Poison => {
                        account.poison += u64::from(record.state.arrived());
                        unsure_poison[*consumer] += u64::from(matches!(record.state, State::Unknown(_)));
                    }
                }
            }
        }
        for ((_, consumer), tally) in &self.tallies {
            let account = &mut accounts[*consumer];
            account.done += tally.done;
            account.dead_lettered += tally.dead_lettered;
            account.retries += tally.retries;
        }
        for ((_, consumer), standing) in &evidence.census.standing {
            let account = &mut accounts[*consumer];
            account.in_doubt += standing.in_doubt;
            account.in_flight += standing.in_flight;
            account.lost += standing.missing;
            account.events -= standing.absent;
        }
        for (number, Order { ordered, reordered }) in self.order().into_iter().enumerate() {
            (accounts[number].ordered, accounts[number].reordered) = (ordered, reordered);
        }
        for (number, account) in accounts.iter_mut().enumerate() {
            self.settle(number, account, evidence, unsure_poison[number]);
        }
        accounts
    }

    /// Repetitions and poison, of which there are only sums.
    fn settle(&self, number: usize, account: &mut Account, evidence: &Evidence, unsure_poison: u64) {
        let name = &self.consumers[number];
        let of = |map: &BTreeMap<String, u64>| map.get(name).copied().unwrap_or_default();
        // A request that was repeated and made another event had its effect twice, whatever the sinks say.
        let kinds = |(place, _): &&(u64, _)| {
            let kind = self.records[*place as usize].kind;
            self.by_kind.get(&kind).is_some_and(|all| all.contains(&number))
        };
        let strangers = self.strangers.iter().filter(kinds).count() as u64;
        account.doubled = match &evidence.doubled {
            Some(doubled) => Some(of(doubled) + strangers),
            None => (strangers > 0).then_some(strangers),
        };
        let queued = of(&evidence.queued).saturating_sub(account.in_flight);
        let waiting = of(&evidence.waiting).saturating_sub(account.in_flight);

        // Poison that isn't known to have arrived may be there too.
        let dead = of(&evidence.dead_poison);
        account.poison += dead.saturating_sub(account.poison).min(unsure_poison);
        account.poison_dead = dead.min(account.poison);
        let missing = account.poison - account.poison_dead;
        // What waited before the run may be gone since: any message that waits now may be poison.
        let poison_waiting = missing.min(queued);
        account.in_flight += poison_waiting;
        account.lost += missing - poison_waiting;

        let mut left = account.again;
        let mut take = |count: u64| {
            let taken = count.min(left);
            left -= taken;
            taken
        };
        account.repeated = take(account.doubled.unwrap_or_default());
        account.again_dead = take(of(&evidence.dead_again));
        // Most repetitions are passed over without a trace, so what others have in the queue isn't taken for them.
        account.in_flight += take(waiting.saturating_sub(poison_waiting));
        match &evidence.suppressed {
            Suppressed::Answered => account.suppressed = left,
            Suppressed::Unseen => account.unseen = left,
            // A message that was passed over more than once is counted more than once, but never less.
            Suppressed::Counted(counted) => {
                account.suppressed = take(of(counted));
                account.lost += left;
            }
        }
    }
}
