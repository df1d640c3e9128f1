//! Parcels that nobody answered for: are they there?

use std::{
    collections::{BTreeSet, HashSet},
    convert::Infallible,
    sync::Mutex,
    time::Duration,
};

use futures::future::pending;
use sendoff_events::EventId;

use super::{
    Reconciler,
    ledger::Ledger,
    pass::{self, lock},
    record::{Sort, State},
};
use crate::{
    RunId,
    slo::Phase,
    target::{Fate, Target, TargetError},
};

/// How many are looked for in one call.
const BATCH: usize = 500;

/// How long a send may take, as a request to the API does. One whose answer nobody waits for any more may arrive until then.
const LIMIT: Duration = Duration::from_secs(30);

/// What nobody answered for and wasn't found.
#[derive(Default)]
pub(super) struct Unanswered {
    /// The numbers of which it still isn't known whether they are there: those that can't be looked up, or may still be under way.
    pub(super) unknown: BTreeSet<u64>,
    /// Whether the system can't tell yet of some of them.
    pub(super) may_come: bool,
}

/// Looks for everything that nobody answered for.
///
/// # Errors
///
/// [`TargetError`] when the system can't be asked.
pub(super) async fn find(target: &dyn Target, run: &RunId, ledger: &Mutex<Ledger>) -> Result<Unanswered, TargetError> {
    let numbers = lock(ledger).unanswered();
    let mut open = Unanswered::default();
    for batch in numbers.chunks(BATCH) {
        match target.find(run, batch).await? {
            Some(found) => {
                let mut ledger = lock(ledger);
                found.into_iter().for_each(|(number, id)| ledger.came(number, Some(id)));
            }
            None => look(target, ledger, batch, &mut open).await?,
        }
    }
    let under_way = lock(ledger).under_way();
    open.may_come |= !under_way.is_empty();
    open.unknown.extend(under_way);
    Ok(open)
}

/// The target can't find events by number: whoever knows of one by its id has got it. That one may be on its way doesn't say that it
/// is there: a system that can't look into its queues says so of whatever it doesn't know.
async fn look(
    target: &dyn Target,
    ledger: &Mutex<Ledger>,
    numbers: &[u64],
    open: &mut Unanswered,
) -> Result<(), TargetError> {
    let (ids, pairs) = lock(ledger).everybody(numbers);
    let (mut known, mut coming) = (HashSet::new(), HashSet::new());
    for pairs in pairs.chunks(pass::BATCH) {
        for seen in target.look(pairs).await? {
            match seen.fate {
                Fate::Missing => {}
                Fate::InFlight if seen.claimed_at.is_none() => {
                    coming.insert(seen.event);
                }
                Fate::InFlight | Fate::Done | Fate::DeadLettered | Fate::InDoubt => {
                    known.insert(seen.event);
                }
            }
        }
    }
    let mut ledger = lock(ledger);
    for (number, id) in numbers.iter().zip(ids) {
        let is_among = |events: &HashSet<EventId>| id.is_some_and(|id| events.contains(&id));
        if is_among(&known) {
            ledger.came(*number, id);
        } else {
            open.unknown.insert(*number);
            open.may_come |= is_among(&coming);
        }
    }
    Ok(())
}

impl Reconciler {
    /// Waits until every send has had its time, and then knows of none that it is still under way. Never ends.
    pub async fn time_out(&self) -> Infallible {
        let now = self.clock.now();
        let last = self.ledger().sent_until.unwrap_or(now);
        let left = Duration::try_from(now.duration_since(last)).map_or(LIMIT, |gone| LIMIT.saturating_sub(gone));
        if !left.is_zero() {
            self.clock.sleep(left).await;
        }
        self.ledger().timed_out();
        pending().await
    }
}

impl Ledger {
    pub(super) fn unanswered(&self) -> Vec<u64> {
        self.numbers(|state| matches!(state, State::Unknown(Sort::Event) | State::Sending(Sort::Event)))
    }

    /// Events whose call may not be over yet.
    fn under_way(&self) -> Vec<u64> {
        self.numbers(|state| matches!(state, State::Sending(Sort::Event)))
    }

    fn numbers(&self, is_among: impl Fn(State) -> bool) -> Vec<u64> {
        let records = self.records.iter().enumerate();
        records.filter(|(_, record)| is_among(record.state)).map(|(place, _)| place as u64).collect()
    }

    /// One that nobody answered for is there.
    fn came(&mut self, number: u64, id: Option<EventId>) {
        if let State::Sending(sort) = self.records[number as usize].state {
            self.unanswered_for(number as usize, sort);
        }
        self.found(number, id);
    }

    fn unanswered_for(&mut self, place: usize, sort: Sort) {
        self.records[place].state = State::Unknown(sort);
        self.counts.unknown += 1;
    }

    /// No call is under way any more.
    fn timed_out(&mut self) {
        for place in 0..self.records.len() {
            if let State::Sending(sort) = self.records[place].state {
                self.unanswered_for(place, sort);
            }
        }
    }

    /// The ids of the events with these numbers, and each of those that have one at each of its consumers.
    fn everybody(&self, numbers: &[u64]) -> (Vec<Option<EventId>>, Vec<(EventId, String)>) {
        let (mut ids, mut pairs) = (Vec::with_capacity(numbers.len()), Vec::new());
        for number in numbers {
            let record = &self.records[*number as usize];
            ids.push(record.id());
            let Some(id) = record.id() else { continue };
            let consumers = self.by_kind.get(&record.kind).into_iter().flatten();
            pairs.extend(consumers.map(|consumer| (id, self.consumers[*consumer].clone())));
        }
        (ids, pairs)
    }

    /// Where one that was sent again arrived and its first sending didn't, the first sending arrived that way. Called once, when
    /// everything was sent.
    pub(super) fn settle_repeats(&mut self) {
        for place in 0..self.records.len() {
            let again = self.records[place];
            let State::Accepted(Sort::Again) = again.state else { continue };
            let original = again.other as usize;
            let Some(first) = self.records.get(original).copied() else { continue };
            let missed = match first.state {
                State::Refused(_) => State::Refused(Sort::Again),
                State::Sending(_) | State::Unknown(_) => State::Unknown(Sort::Again),
                _ => continue,
            };
            self.records[place].state = missed;
            if let Some(ack) = again.ack() {
                let after = (again.due() + ack).saturating_sub(first.due());
                self.records[original].set_ack(after);
                if first.due() >= self.warm_up {
                    self.latencies.record(Phase::Publish, (first.kind, None), first.due(), after);
                }
            }
            self.arrived(original as u64, State::Found(Sort::Event), first.id().or(again.id()));
        }
    }

    /// Nobody waits for an answer any more. An event that is still on its way in stays so until its time is over: that it can't be
    /// found yet doesn't say that it isn't there.
    pub(super) fn give_up(&mut self) {
        for place in 0..self.records.len() {
            if let State::Sending(sort @ (Sort::Again | Sort::Poison)) = self.records[place].state {
                self.unanswered_for(place, sort);
            }
        }
    }
}
