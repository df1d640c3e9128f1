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
    target::{Fate, Target, TargetError},
};

/// How many are looked for in one call.
const BATCH: usize = 500;

/// Looks for everything that nobody answered for. Gives the numbers of which it still isn't known: those that can't be looked up.
///
/// # Errors
///
/// [`TargetError`] when the system can't be asked.
pub(super) async fn find(
    target: &dyn Target,
    run: &RunId,
    ledger: &Mutex<Ledger>,
) -> Result<BTreeSet<u64>, TargetError> {
    let numbers = lock(ledger).unanswered();
    let mut open = BTreeSet::new();
    for batch in numbers.chunks(BATCH) {
        match target.find(run, batch).await? {
            Some(found) => {
                let mut ledger = lock(ledger);
                found.into_iter().for_each(|(number, id)| ledger.found(number, Some(id)));
            }
            None => open.extend(look(target, ledger, batch).await?),
        }
    }
    Ok(open)
}

/// The target can't find events by number: whoever knows of one by its id has got it. Gives those that nobody knows of.
async fn look(target: &dyn Target, ledger: &Mutex<Ledger>, numbers: &[u64]) -> Result<Vec<u64>, TargetError> {
    let mut open = Vec::new();
    for number in numbers {
        let (id, pairs) = lock(ledger).everybody(*number);
        let seen = if pairs.is_empty() { Vec::new() } else { target.look(&pairs).await? };
        if seen.iter().any(|seen| seen.fate != Fate::Missing) {
            lock(ledger).found(*number, id);
        } else {
            open.push(*number);
        }
    }
    Ok(open)
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
