//! What is looked at before letters in hand are sent: whether they still are to be, and whether their leases last.

use sendoff_consumers::{IdempotencyKey, Receipt, ReopenError, Status, reopen};
use sendoff_events::Timestamp;

use super::{
    Elsewhere, RunError, Stage,
    batch::{Batch, Held, Ready, Taken},
    engine::Engine,
    journal::Step,
};
use crate::plan::{BodyDigest, Forecast};

impl Engine<'_> {
    /// Deletes those that were sent already.
    pub(super) async fn only_delete(&self, mut taken: Vec<Taken>, done: &mut Batch) -> Result<Vec<Taken>, RunError> {
        let is_sent =
            |(held, _): &mut Taken| matches!(self.shared().state.stage(held.place), Stage::Sent | Stage::Moved);
        let sent: Vec<_> = taken.extract_if(.., is_sent).map(|(held, _)| (held.place, held.receipt)).collect();
        self.delete(sent, done).await?;
        Ok(taken)
    }

    /// Gives back those that are more than were wanted. They are nobody's from then on: another batch may get them at once.
    pub(super) async fn at_most(&self, count: usize, mut taken: Vec<Taken>, in_hand: &mut Vec<u32>) -> Vec<Taken> {
        let more = taken.split_off(count.min(taken.len()));
        {
            let mut shared = self.shared();
            for (held, _) in &more {
                shared.busy.remove(&held.place);
            }
        }
        in_hand.retain(|place| more.iter().all(|(held, _)| held.place != *place));
        self.release(&receipts(more)).await;
        taken
    }

    /// Leaves out those that another run may have sent as another event.
    pub(super) async fn not_elsewhere(&self, mut taken: Vec<Taken>) -> Result<Vec<Taken>, RunError> {
        let elsewhere = self.run.elsewhere;
        // Of one that was sent as another event, what its consumer says is looked at next.
        let stays = |place: &u32| !matches!(elsewhere.get(place), None | Some(Elsewhere::SentAs { .. }));
        let staying: Vec<_> = taken.extract_if(.., |(held, _)| stays(&held.place)).collect();
        for (held, _) in staying {
            match elsewhere.get(&held.place) {
                Some(other) if other.is_final() => self.skip(vec![held], &other.to_string()).await?,
                Some(other) => self.leave(held, &other.to_string()).await?,
                None => {}
            }
        }
        Ok(taken)
    }

    /// Leaves out edits of what was handled since the plan was made, or is just being handled: another letter may have carried the
    /// same event, and its effect must not happen under the new one, too.
    pub(super) async fn not_handled(&self, mut rest: Vec<Taken>, done: &mut Batch) -> Result<Vec<Taken>, RunError> {
        let is_edited = |(held, _): &mut Taken| held.entry.edit.is_some() && replaced(held).is_some();
        let edited: Vec<Taken> = rest.extract_if(.., is_edited).collect();
        if edited.is_empty() {
            return Ok(rest);
        }
        let keys: Vec<IdempotencyKey> = edited.iter().filter_map(|(held, _)| replaced(held)).collect();
        let Ok(records) = self.run.letters.ledger(&keys).await else {
            done.missing.extend(edited.iter().map(|(held, _)| held.place));
            self.release(&receipts(edited)).await;
            return Ok(rest);
        };
        for ((held, letter), record) in edited.into_iter().zip(records) {
            let why = match record {
                Some(record) if record.status == Status::InDoubt || record.is_doubted() => {
                    "in doubt, as its old event: settle it with `sendoff doubt resolve` first"
                }
                Some(record) if record.status == Status::Done => "done since, as its old event",
                Some(record) if record.status == Status::Claimed && record.lease_until > self.now() => {
                    "its consumer is at work on its old event"
                }
                record => {
                    match self.run.elsewhere.get(&held.place) {
                        Some(other @ Elsewhere::SentAs { replay, .. })
                            if !record
                                .is_some_and(|record| record.status == Status::Failed && record.replay >= *replay) =>
                        {
                            self.leave(held, &other.to_string()).await?;
                        }
                        _ => rest.push((held, letter)),
                    }
                    continue;
                }
            };
            self.skip(vec![held], why).await?;
        }
        rest.sort_by_key(|(held, _)| held.place);
        Ok(rest)
    }

    /// Leaves out those that aren't what was planned.
    pub(super) async fn compare(&self, mut taken: Vec<Taken>) -> Result<Vec<Taken>, RunError> {
        let is_other = |(held, letter): &mut Taken| held.entry.sha256 != BodyDigest::of(&letter.body);
        let changed = taken.extract_if(.., is_other);
        let changed = changed.map(|(held, _)| held).collect();
        self.skip(changed, "changed: its body isn't the one that was planned").await?;
        Ok(taken)
    }

    /// Opens the records of what is done, where the plan wants that.
    pub(super) async fn reopen(&self, mut rest: Vec<Ready>, done: &mut Batch) -> Result<Vec<Ready>, RunError> {
        let Some(because) = &self.run.plan.head().force_rerun else { return Ok(rest) };
        let forced: Vec<Ready> = rest.extract_if(.., |(held, _)| held.entry.forecast == Forecast::Done).collect();
        if forced.is_empty() {
            return Ok(rest);
        }
        let because = format!("{}: {because}", self.run.by);
        for (held, outgoing) in forced {
            let key = held.entry.consumer.as_deref().zip(held.entry.event);
            let Some(key) = key.map(|(consumer, event)| IdempotencyKey::new(consumer, event)) else {
                self.skip(vec![held], "it names no event").await?;
                continue;
            };
            match self.run.inbox.get(&key).await {
                // It was opened for this replay, or for one like it, and has run since: what is sent now is absorbed, and to open
                // it again would let it run a third time.
                Ok(Some(record)) if record.replay >= held.entry.replay => {
                    rest.push((held, outgoing));
                    continue;
                }
                Ok(_) => {}
                Err(_) => {
                    done.missing.push(held.place);
                    self.release(&[held.receipt]).await;
                    continue;
                }
            }
            self.note(Step::Reopened { n: vec![held.place] }).await?;
            match reopen(self.run.inbox, &key, &because, self.now()).await {
                // What failed since runs again by itself, and of what is forgotten nobody knows that it was done.
                Ok(()) | Err(ReopenError::Unknown(_) | ReopenError::NotDone { status: Status::Failed, .. }) => {
                    rest.push((held, outgoing));
                }
                Err(ReopenError::NotDone { status: Status::InDoubt, .. }) => {
                    self.skip(vec![held], "in doubt: settle it with `sendoff doubt resolve` first").await?;
                }
                Err(ReopenError::NotDone { .. }) => self.skip(vec![held], "its consumer is at work on it").await?,
                Err(ReopenError::Inbox(_)) => {
                    done.missing.push(held.place);
                    self.release(&[held.receipt]).await;
                }
            }
        }
        rest.sort_by_key(|(held, _)| held.place);
        Ok(rest)
    }

    /// Makes sure that the leases last. A letter whose lease has lapsed may be in somebody else's hands.
    pub(super) async fn renew(&self, mut good: Vec<Ready>, done: &mut Batch) -> Vec<Ready> {
        let hold = self.run.settings.hold;
        let soon = self.now().checked_add(hold / 4).unwrap_or(Timestamp::MAX);
        // Of an edited letter there must never be both: its lease is begun anew in any case.
        let is_due = |(held, _): &mut Ready| held.until < soon || held.entry.edit.is_some();
        let due: Vec<Ready> = good.extract_if(.., is_due).collect();
        if due.is_empty() {
            return good;
        }
        let now = self.now();
        let receipts: Vec<Receipt> = due.iter().map(|(held, _)| self.newest(held.place, &held.receipt)).collect();
        let held = self.run.letters.hold(self.queue(), &receipts, hold).await;
        self.run.leases.end(&receipts, now.checked_add(hold).unwrap_or(Timestamp::MAX));
        for ((mut letter, outgoing), held) in due.into_iter().zip(held) {
            if held.is_ok() {
                letter.until = now.checked_add(hold).unwrap_or(Timestamp::MAX);
                good.push((letter, outgoing));
            } else {
                done.missing.push(letter.place);
            }
        }
        good.sort_by_key(|(held, _)| held.place);
        good
    }
}

fn receipts(taken: Vec<Taken>) -> Vec<Receipt> {
    taken.into_iter().map(|(held, _)| held.receipt).collect()
}

/// Under which key the old event of an edited letter is kept.
fn replaced(held: &Held) -> Option<IdempotencyKey> {
    let key = held.entry.consumer.as_deref().zip(held.entry.replaces);
    key.map(|(consumer, event)| IdempotencyKey::new(consumer, event))
}
