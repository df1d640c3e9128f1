//! What was sent, and what is known of it so far.

use std::{collections::BTreeMap, time::Duration};

use sendoff_events::{EventId, Timestamp};

use super::{
    latency::Latencies,
    record::{NONE, Record, Sort, State},
};
use crate::{
    payload::{self, Made},
    scenario::Kind,
    slo::Phase,
    target::{Accepted, Fate, Seen, SendError, made_at},
};

/// Everything that was sent in a run.
pub struct Ledger {
    pub(super) start: Timestamp,
    pub(super) warm_up: Duration,
    /// The names of the consumers; a consumer's number is its place here.
    pub(super) consumers: Vec<String>,
    /// The consumers of each kind of event, by number.
    pub(super) by_kind: BTreeMap<Kind, Vec<usize>>,
    pub(super) records: Vec<Record>,
    /// When events were done that have an order: milliseconds from the start.
    pub(super) done_at: Vec<u32>,
    pub(super) latencies: Latencies,
    pub(super) tallies: BTreeMap<(Kind, usize), Tally>,
    /// How many deliveries were done in each second.
    pub(super) done_by_second: Vec<u32>,
    pub(super) counts: Counts,
    /// When the last parcel was handed over, or the sending was ended early; `None` before.
    pub(super) sent_until: Option<Timestamp>,
    /// When the last delivery that is at its end came to it.
    pub(super) last_end: Option<Timestamp>,
    /// Accepted since it was last asked.
    fresh: Vec<(u64, EventId)>,
    /// Why parcels were refused or weren't answered, the first ones.
    pub(super) troubles: Vec<String>,
    /// Requests that were repeated and made another event: the event's id, and the request's number.
    pub(super) strangers: Vec<(u64, EventId)>,
}

/// What became of the deliveries of one kind to one consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Done.
    pub done: u64,
    /// Among the dead letters.
    pub dead_lettered: u64,
    /// Attempts after the first one.
    pub retries: u64,
}

/// How the sending goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Parcels that were due, and so were sent.
    pub sent: u64,
    /// Accepted.
    pub accepted: u64,
    /// Refused.
    pub refused: u64,
    /// Not answered.
    pub unknown: u64,
    /// Deliveries whose end is known.
    pub ended: u64,
    /// Deliveries of accepted events, to all consumers.
    pub expected: u64,
    /// Events that were made before the run: they answer for another one's requests.
    pub old: u64,
    /// Deliveries that were done before they were sent, as the clocks have it.
    pub early: u64,
}

/// How many reasons are kept.
const TROUBLES: usize = 10;

impl Ledger {
    /// A ledger of a run that begins at `start`, whose events go to these consumers.
    #[must_use]
    pub fn new(start: Timestamp, warm_up: Duration, window: Duration, by_kind: &BTreeMap<Kind, Vec<String>>) -> Self {
        let mut consumers: Vec<String> = by_kind.values().flatten().cloned().collect();
        consumers.sort();
        consumers.dedup();
        let number = |name: &String| consumers.binary_search(name).unwrap_or_default();
        let by_kind = by_kind.iter().map(|(kind, names)| (*kind, names.iter().map(number).collect())).collect();
        Self {
            start,
            warm_up,
            consumers,
            by_kind,
            records: Vec::new(),
            done_at: Vec::new(),
            latencies: Latencies::new(window),
            tallies: BTreeMap::new(),
            done_by_second: Vec::new(),
            counts: Counts::default(),
            sent_until: None,
            last_end: None,
            fresh: Vec::new(),
            troubles: Vec::new(),
            strangers: Vec::new(),
        }
    }

    /// The most consumers that a kind of event may have.
    pub const MOST_CONSUMERS: usize = 16;

    /// How the sending goes.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When the run began.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.start
    }

    /// The name of the consumer with this number.
    #[must_use]
    pub fn consumer(&self, number: usize) -> &str {
        &self.consumers[number]
    }

    /// Deliveries that were done in each second of the run.
    #[must_use]
    pub fn done_by_second(&self) -> &[u32] {
        &self.done_by_second
    }

    /// Why parcels were refused or weren't answered, the first reasons.
    #[must_use]
    pub fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// The latencies so far.
    #[must_use]
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// How much memory it takes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.records.len() * size_of::<Record>() + self.done_at.len() * 4 + self.latencies.bytes()
    }

    /// The next parcel is on its way. Gives nothing: its number is how many there were before.
    pub fn sent(&mut self, due: Duration, made: &Made) {
        let (sort, other) = match made.sort {
            payload::Sort::Event => (Sort::Event, made.subject.unwrap_or(NONE)),
            payload::Sort::Again(original) => (Sort::Again, u32::try_from(original).unwrap_or(NONE)),
            payload::Sort::Poison => (Sort::Poison, NONE),
        };
        self.records.push(Record::new(due, made.kind, sort, made.id, other));
        self.counts.sent += 1;
    }

    /// Nothing more is handed over: the last parcel was, or the sending was ended early.
    pub fn sending_ended(&mut self, at: Timestamp) {
        self.sent_until = Some(at);
    }

    /// When the sending was over; `None` before.
    #[must_use]
    pub fn sent_until(&self) -> Option<Timestamp> {
        self.sent_until
    }

    /// Parcels that were accepted within so much time from the beginning.
    #[must_use]
    pub fn accepted_within(&self, time: Duration) -> u64 {
        let is_accepted = |record: &&Record| {
            matches!(record.state, State::Accepted(_)) && record.ack().is_some_and(|ack| record.due() + ack <= time)
        };
        self.records.iter().filter(is_accepted).count() as u64
    }

    /// Events with which all their consumers were done within so much time from the beginning.
    #[must_use]
    pub fn done_within(&self, time: Duration) -> u64 {
        self.records.iter().filter(|record| record.is_done_within(time)).count() as u64
    }

    /// A parcel was answered, or wasn't.
    pub fn answered(&mut self, number: u64, at: Timestamp, answer: Result<Accepted, SendError>) {
        let Some(record) = usize::try_from(number).ok().and_then(|place| self.records.get(place)) else { return };
        let State::Sending(sort) = record.state else { return };
        match answer {
            Ok(accepted) => {
                let due = self.start + record.due();
                let after = Duration::try_from(at.duration_since(due)).unwrap_or_default();
                self.records[number as usize].set_ack(after);
                self.counts.accepted += 1;
                self.arrived(number, State::Accepted(sort), accepted.events.first().copied());
                let record = self.records[number as usize];
                if record.due() >= self.warm_up {
                    self.latencies.record(Phase::Publish, (record.kind, None), record.due(), after);
                }
            }
            Err(error) => {
                let (state, count, text) = match error {
                    SendError::Refused(why) => {
                        (State::Refused(sort), &mut self.counts.refused, format!("a send was refused: {why}"))
                    }
                    SendError::Unknown(why) => {
                        (State::Unknown(sort), &mut self.counts.unknown, format!("a send wasn't confirmed: {why}"))
                    }
                };
                *count += 1;
                self.records[number as usize].state = state;
                if self.troubles.len() < TROUBLES && !self.troubles.contains(&text) {
                    self.troubles.push(text);
                }
            }
        }
    }

    /// A parcel that nobody answered for was found.
    pub(super) fn found(&mut self, number: u64, id: Option<EventId>) {
        let Some(record) = usize::try_from(number).ok().and_then(|place| self.records.get(place)) else { return };
        if let State::Unknown(sort) = record.state {
            self.arrived(number, State::Found(sort), id);
        }
    }

    /// It is there: from now on its consumers have to come to an end with it.
    pub(super) fn arrived(&mut self, number: u64, state: State, id: Option<EventId>) {
        let sort = state.sort();
        let place = number as usize;
        self.records[place].state = state;
        match (sort, id) {
            (Sort::Event, Some(id)) => {
                // A repeated request that was answered before the first one may have told the id already.
                match self.records[place].id() {
                    Some(known) if known != id => {
                        self.strangers.push((number, id));
                        self.fresh.push((number, known));
                    }
                    _ => self.records[place].set_id(id),
                }
                self.counts.old += u64::from(made_at(id) < self.start - SKEW);
                self.fresh.push((number, id));
                self.expect(place);
            }
            (Sort::Again, Some(id)) => {
                let original = self.records[place].other as usize;
                match self.records.get_mut(original) {
                    Some(record) if record.id().is_none() => record.set_id(id),
                    Some(record) if record.id() != Some(id) => {
                        self.strangers.push((number, id));
                        // It stands under the number of the request that was repeated, and has to be cleaned up as well.
                        self.fresh.push((original as u64, id));
                    }
                    _ => {}
                }
            }
            (Sort::Poison, _) | (_, None) => {}
        }
    }

    fn expect(&mut self, place: usize) {
        let record = &mut self.records[place];
        let Some(consumers) = self.by_kind.get(&record.kind) else { return };
        record.pending = consumers.iter().fold(0, |bits, consumer| bits | 1 << consumer);
        self.counts.expected += consumers.len() as u64;
        if record.other != NONE && record.slots == NONE {
            record.slots = u32::try_from(self.done_at.len()).unwrap_or(NONE);
            if record.slots != NONE {
                self.done_at.resize(self.done_at.len() + consumers.len(), NONE);
            }
        }
    }

    /// What the system says of one delivery. Gives whether that is its end.
    pub(super) fn saw(&mut self, place: usize, consumer: usize, seen: &Seen) -> bool {
        let is_done = match seen.fate {
            Fate::Done => true,
            Fate::DeadLettered => false,
            Fate::InDoubt | Fate::InFlight | Fate::Missing => return false,
        };
        let record = &mut self.records[place];
        if record.pending & (1 << consumer) == 0 {
            return true;
        }
        record.pending &= !(1 << consumer);
        self.counts.ended += 1;
        self.last_end = self.last_end.max(seen.updated_at);
        let tally = self.tallies.entry((record.kind, consumer)).or_default();
        tally.retries += u64::from(seen.attempts.saturating_sub(1));
        if !is_done {
            tally.dead_lettered += 1;
            record.given_up();
            let record = *record;
            self.claimed(&record, consumer, seen.claimed_at);
            return true;
        }
        tally.done += 1;
        let Some(updated) = seen.updated_at else { return true };
        record.done_after(since(self.start, updated));
        let record = *record;
        self.timed(&record, consumer, updated, seen.claimed_at);
        true
    }

    /// A consumer has claimed it. That can only be timed where it is known when it was accepted. It may be claimed before the answer
    /// comes: less than nothing is nothing.
    pub(super) fn claimed(&mut self, record: &Record, consumer: usize, at: Option<Timestamp>) {
        let (Some(at), Some(ack)) = (at, record.ack()) else { return };
        if record.due() >= self.warm_up {
            let waited = since(self.start + record.due() + ack, at);
            self.latencies.record(Phase::Queue, (record.kind, Some(consumer)), record.due(), waited);
        }
    }

    fn timed(&mut self, record: &Record, consumer: usize, updated: Timestamp, claimed: Option<Timestamp>) {
        let since_start = since(self.start, updated);
        let second = usize::try_from(since_start.as_secs()).unwrap_or(usize::MAX).min(MOST_SECONDS);
        if self.done_by_second.len() <= second {
            self.done_by_second.resize(second + 1, 0);
        }
        self.done_by_second[second] += 1;
        if record.slots != NONE
            && let Some(at) = self.by_kind.get(&record.kind).and_then(|all| all.iter().position(|c| *c == consumer))
            && let Some(slot) = self.done_at.get_mut(record.slots as usize + at)
        {
            *slot = u32::try_from(since_start.as_millis()).unwrap_or(NONE - 1);
        }
        if record.due() < self.warm_up {
            return;
        }
        let (of, due) = ((record.kind, Some(consumer)), record.due());
        let intended = self.start + due;
        // What ended before it was sent has no latency: clocks of two machines differ, or it isn't what was sent.
        if updated < intended - ROUNDING {
            self.counts.early += 1;
            return;
        }
        self.latencies.record(Phase::E2e, of, due, since(intended, updated));
        if let Some(claimed) = claimed {
            self.latencies.record(Phase::Handler, of, due, since(claimed, updated));
        }
        self.claimed(record, consumer, claimed);
    }

    /// What was accepted since this was last asked: numbers and ids.
    pub fn take_fresh(&mut self) -> Vec<(u64, EventId)> {
        std::mem::take(&mut self.fresh)
    }
}

/// How far the clocks of two machines may be apart.
const SKEW: Duration = Duration::from_secs(5);

/// The system's moments have milliseconds.
const ROUNDING: Duration = Duration::from_millis(1);

/// A week.
const MOST_SECONDS: usize = 7 * 86_400;

pub(super) fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
