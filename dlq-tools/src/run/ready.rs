//! What is looked at before letters in hand are sent: whether they still are to be, and whether their leases last.

use sendoff_consumers::{IdempotencyKey, OutgoingLetter, Receipt, ReopenError, Status, reopen};
use sendoff_events::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    RunError, Stage,
    batch::{Batch, Held},
    engine::Engine,
    journal::Step,
};
use crate::plan::Forecast;

impl Engine<'_> {
    /// Deletes those that were sent already.
    pub(super) async fn only_delete(&self, held: Vec<Held>) -> Result<Vec<Held>, RunError> {
        let (sent, rest): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|held| self.shared().state.stage(held.place) == Stage::Sent);
        self.delete(sent.iter().map(|held| (held.place, held.taken.receipt.clone())).collect()).await?;
        Ok(rest)
    }

    /// Gives back those that are more than were wanted. They are nobody's from then on: another batch may get them at once.
    pub(super) async fn at_most(&self, count: usize, mut held: Vec<Held>, in_hand: &mut Vec<u32>) -> Vec<Held> {
        let more = held.split_off(count.min(held.len()));
        {
            let mut shared = self.shared();
            for held in &more {
                shared.busy.remove(&held.place);
            }
        }
        in_hand.retain(|place| more.iter().all(|held| held.place != *place));
        self.release(&more.into_iter().map(|held| held.taken.receipt).collect::<Vec<_>>()).await;
        held
    }

    /// Leaves out those that another run may have sent as another event.
    pub(super) async fn not_elsewhere(&self, held: Vec<Held>) -> Result<Vec<Held>, RunError> {
        let (elsewhere, held): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|held| self.run.elsewhere.contains_key(&held.place));
        for held in elsewhere {
            let run = self.run.elsewhere.get(&held.place).cloned().unwrap_or_default();
            let why =
                format!("in run {run}, and edited in one of the two: both must not be sent. Finish that run first");
            self.skip(vec![held], &why).await?;
        }
        Ok(held)
    }

    /// Leaves out those that aren't what was planned.
    pub(super) async fn compare(&self, held: Vec<Held>) -> Result<Vec<Held>, RunError> {
        let is_planned = |held: &Held| format!("{:x}", Sha256::digest(&held.taken.letter.body)) == held.entry.sha256;
        let (same, changed): (Vec<Held>, Vec<Held>) = held.into_iter().partition(is_planned);
        self.skip(changed, "changed: its body isn't the one that was planned").await?;
        Ok(same)
    }

    /// Opens the records of what is done, where the plan wants that.
    pub(super) async fn reopen(
        &self,
        ready: Vec<(Held, OutgoingLetter)>,
        done: &mut Batch,
    ) -> Result<Vec<(Held, OutgoingLetter)>, RunError> {
        let Some(because) = &self.run.plan.head().force_rerun else { return Ok(ready) };
        let (forced, mut rest): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|(held, _)| held.entry.forecast == Forecast::Done);
        if forced.is_empty() {
            return Ok(rest);
        }
        self.note(Step::Reopened { n: forced.iter().map(|(held, _)| held.place).collect() }).await?;
        let because = format!("{}: {because}", self.run.by);
        for (held, outgoing) in forced {
            let key = held.entry.consumer.as_deref().zip(held.entry.event);
            let Some(key) = key.map(|(consumer, event)| IdempotencyKey::new(consumer, event)) else {
                self.skip(vec![held], "it names no event").await?;
                continue;
            };
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
                    self.release(&[held.taken.receipt]).await;
                }
            }
        }
        rest.sort_by_key(|(held, _)| held.place);
        Ok(rest)
    }

    /// Makes sure that the leases last. A letter whose lease has lapsed may be in somebody else's hands.
    pub(super) async fn renew(
        &self,
        ready: Vec<(Held, OutgoingLetter)>,
        done: &mut Batch,
    ) -> Vec<(Held, OutgoingLetter)> {
        let hold = self.run.settings.hold;
        let soon = self.now().checked_add(hold / 4).unwrap_or(Timestamp::MAX);
        // Of an edited letter there must never be both: its lease is begun anew in any case.
        let (due, mut good): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|(held, _)| held.until < soon || held.entry.edit.is_some());
        if due.is_empty() {
            return good;
        }
        let now = self.now();
        let receipts: Vec<Receipt> = due.iter().map(|(held, _)| held.taken.receipt.clone()).collect();
        let held = self.run.letters.hold(self.queue(), &receipts, hold).await;
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
