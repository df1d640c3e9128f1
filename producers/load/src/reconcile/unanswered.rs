//! Parcels that nobody answered for: are they there?

use std::{collections::BTreeSet, sync::Mutex};

use sendoff_events::EventId;

use super::{
    ledger::Ledger,
    pass::lock,
    record::{Sort, State},
};
use crate::{
    RunId,
    slo::Phase,
    target::{Fate, Seen, Target, TargetError},
};

/// How many are looked for in one call.
const BATCH: usize = 500;

/// What nobody answered for and wasn't found.
#[derive(Default)]
pub(super) struct Unanswered {
    /// The numbers of which it still isn't known whether they are there: those that can't be looked up.
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
                found.into_iter().for_each(|(number, id)| ledger.found(number, Some(id)));
            }
            None => look(target, ledger, batch, &mut open).await?,
        }
    }
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
    let is_known = |seen: &Seen| match seen.fate {
        Fate::Missing => false,
        Fate::InFlight => seen.claimed_at.is_some(),
        Fate::Done | Fate::DeadLettered | Fate::InDoubt => true,
    };
    for number in numbers {
        let (id, pairs) = lock(ledger).everybody(*number);
        let seen = if pairs.is_empty() { Vec::new() } else { target.look(&pairs).await? };
        if seen.iter().any(is_known) {
            lock(ledger).found(*number, id);
        } else {
            open.unknown.insert(*number);
            open.may_come |= seen.iter().any(|seen| seen.fate == Fate::InFlight);
        }
    }
    Ok(())
}

impl Ledger {
    fn unanswered(&self) -> Vec<u64> {
        let is_open = |state| matches!(state, State::Unknown(Sort::Event));
        let records = self.records.iter().enumerate();
        records.filter(|(_, record)| is_open(record.state)).map(|(place, _)| place as u64).collect()
    }

    /// The event with this number, at each of its consumers.
    fn everybody(&self, number: u64) -> (Option<EventId>, Vec<(EventId, String)>) {
        let record = self.records[number as usize];
        let consumers = self.by_kind.get(&record.kind).into_iter().flatten();
        let pairs = record.id().map(|id| consumers.map(|consumer| (id, self.consumers[*consumer].clone())).collect());
        (record.id(), pairs.unwrap_or_default())
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
                State::Unknown(_) => State::Unknown(Sort::Again),
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

    /// What is still on its way in when nobody waits for an answer any more.
    pub(super) fn give_up(&mut self) {
        for record in &mut self.records {
            if let State::Sending(sort) = record.state {
                record.state = State::Unknown(sort);
                self.counts.unknown += 1;
            }
        }
    }
}
