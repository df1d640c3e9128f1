//! One batch: take, compare, write down, send, write down, delete.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use sendoff_consumers::{
    DeadLettersError, FAILURE_ATTRIBUTE, IdempotencyKey, OutgoingLetter, QueueError, REPLAY_ATTRIBUTE, Receipt,
    ReopenError, Status, TakenLetter, reopen,
};
use sendoff_events::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{RunError, Stage, engine::Engine, journal::Step};
use crate::{
    letter::Original,
    plan::{Entry, Forecast},
};

/// Where letters can't be asked for by their ids, so many are taken at least: the first of them may be of no plan.
const FEW: usize = 10;

/// Which letters to take.
pub(super) enum Fetch {
    /// Those at these places of the plan.
    These(Vec<u32>),
    /// As many as this, whichever come.
    Any(usize),
}

impl Fetch {
    pub(super) const fn count(&self) -> usize {
        match self {
            Self::These(places) => places.len(),
            Self::Any(count) => *count,
        }
    }
}

/// What became of a batch.
#[derive(Default)]
pub(super) struct Batch {
    /// How many were sent, or may have been.
    pub(super) used: usize,
    /// How many were sent.
    pub(super) sent: usize,
    /// How many came that hadn't been seen before.
    pub(super) fresh: usize,
    /// Those that were asked for and didn't come, or that can't be sent now.
    pub(super) missing: Vec<u32>,
    /// Why letters can't be taken.
    pub(super) unreachable: Option<String>,
    /// Why nobody knows whether some were sent.
    pub(super) unknown: Option<String>,
}

/// A letter in hand.
struct Held {
    place: u32,
    entry: Entry,
    taken: TakenLetter,
    until: Timestamp,
}

impl Engine<'_> {
    /// Deals with one batch.
    pub(super) async fn batch(&self, fetch: Fetch) -> Result<Batch, RunError> {
        let asked = match &fetch {
            Fetch::These(places) => places.clone(),
            Fetch::Any(_) => Vec::new(),
        };
        self.shared().busy.extend(&asked);
        let mut in_hand = asked.clone();
        let done = self.deal(fetch, &mut in_hand).await;
        let mut shared = self.shared();
        for place in &in_hand {
            shared.busy.remove(place);
        }
        drop(shared);
        done
    }

    async fn deal(&self, fetch: Fetch, in_hand: &mut Vec<u32>) -> Result<Batch, RunError> {
        let mut done = Batch::default();
        let now = self.now();
        let taken = match self.take(&fetch).await {
            Ok(taken) => taken,
            Err(DeadLettersError::Unavailable(why)) => {
                done.unreachable = Some(why);
                done.missing.append(&mut in_hand.clone());
                self.run.clock.sleep(Duration::from_secs(1)).await;
                return Ok(done);
            }
            Err(DeadLettersError::TooManyLeased(_)) => {
                done.missing.append(&mut in_hand.clone());
                self.give_back().await;
                self.run.clock.sleep(Duration::from_secs(1)).await;
                return Ok(done);
            }
            Err(error) => return Err(error.into()),
        };
        let until = now.checked_add(self.run.settings.hold).unwrap_or(Timestamp::MAX);
        let held = self.sort(&fetch, taken, until, in_hand, &mut done).await?;
        let held = self.only_delete(held).await?;
        let held = self.at_most(fetch.count(), held).await;
        let held = self.not_elsewhere(held).await?;
        let held = self.compare(held).await?;
        let ready = self.restore(held).await?;
        let ready = self.reopen(ready, &mut done).await?;
        let ready = self.renew(ready, &mut done).await;
        self.send(ready, &mut done).await?;
        Ok(done)
    }

    async fn take(&self, fetch: &Fetch) -> Result<Vec<TakenLetter>, DeadLettersError> {
        let hold = self.run.settings.hold;
        match fetch {
            Fetch::Any(count) => self.run.letters.take(self.queue(), (*count).max(FEW), hold).await,
            Fetch::These(places) => {
                let ids: Result<Vec<String>, _> =
                    places.iter().map(|place| self.run.plan.entry(*place).map(|entry| entry.id)).collect();
                let ids = ids.map_err(|error| DeadLettersError::Refused(error.to_string()))?;
                Ok(self.run.letters.take_these(self.queue(), &ids, hold).await?.unwrap_or_default())
            }
        }
    }

    /// Tells the letters of the plan from others.
    async fn sort(
        &self,
        fetch: &Fetch,
        taken: Vec<TakenLetter>,
        until: Timestamp,
        in_hand: &mut Vec<u32>,
        done: &mut Batch,
    ) -> Result<Vec<Held>, RunError> {
        let (mut held, mut foreign, mut came_back): (Vec<Held>, _, _) = (Vec::new(), Vec::new(), Vec::new());
        for taken in taken {
            let place = self.run.plan.place(&taken.letter.message_id);
            let is_ours = place.filter(|place| {
                let mut shared = self.shared();
                match fetch {
                    Fetch::These(asked) => asked.contains(place),
                    Fetch::Any(_) => {
                        let open = shared.state.is_open(*place) && !shared.unknown.contains(place);
                        open && shared.busy.insert(*place)
                    }
                }
            });
            if let Some(place) = is_ours {
                if matches!(fetch, Fetch::Any(_)) {
                    in_hand.push(place);
                    done.fresh += 1;
                }
                let entry = self.run.plan.entry(place)?;
                // One that came twice in an answer is in hand by its last receipt only.
                held.retain(|other| other.place != place);
                held.push(Held { place, entry, taken, until });
                continue;
            }
            let is_busy = place.is_some_and(|place| self.shared().busy.contains(&place));
            if is_busy {
                // A repetition of one that another batch has in hand: giving it back would take it from there.
                continue;
            }
            if let Some(place) = self.has_returned(&taken.letter) {
                came_back.push(place);
            }
            if self.shared().seen.insert(crate::plan::brief(&taken.letter.message_id)) {
                done.fresh += 1;
            }
            foreign.push((taken.receipt, until));
        }
        self.shared().strangers.append(&mut foreign);
        self.returned(came_back).await?;
        if let Fetch::These(asked) = fetch {
            let came: std::collections::HashSet<u32> = held.iter().map(|held| held.place).collect();
            done.missing.extend(asked.iter().filter(|place| !came.contains(place)));
            done.fresh += held.len();
        }
        // As they stand in the plan: what is lost first goes first.
        held.sort_by_key(|held| held.place);
        Ok(held)
    }

    /// Deletes those that were sent already.
    async fn only_delete(&self, held: Vec<Held>) -> Result<Vec<Held>, RunError> {
        let (sent, rest): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|held| self.shared().state.stage(held.place) == Stage::Sent);
        self.delete(sent.iter().map(|held| (held.place, held.taken.receipt.clone())).collect()).await?;
        Ok(rest)
    }

    /// Gives back those that are more than were wanted.
    async fn at_most(&self, count: usize, mut held: Vec<Held>) -> Vec<Held> {
        let more = held.split_off(count.min(held.len()));
        self.release(&more.into_iter().map(|held| held.taken.receipt).collect::<Vec<_>>()).await;
        held
    }

    /// Leaves out those that another run may have sent as another event.
    async fn not_elsewhere(&self, held: Vec<Held>) -> Result<Vec<Held>, RunError> {
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
    async fn compare(&self, held: Vec<Held>) -> Result<Vec<Held>, RunError> {
        let is_planned = |held: &Held| format!("{:x}", Sha256::digest(&held.taken.letter.body)) == held.entry.sha256;
        let (same, changed): (Vec<Held>, Vec<Held>) = held.into_iter().partition(is_planned);
        self.skip(changed, "changed: its body isn't the one that was planned").await?;
        Ok(same)
    }

    /// Brings letters into the form in which they were first sent.
    async fn restore(&self, held: Vec<Held>) -> Result<Vec<(Held, OutgoingLetter)>, RunError> {
        let originals = join_all(held.iter().map(|held| self.run.originals.original(&held.taken.letter))).await;
        let (mut ready, mut refused) = (Vec::new(), Vec::new());
        for (held, original) in held.into_iter().zip(originals) {
            match original {
                Ok(original) => {
                    let outgoing = self.outgoing(&held, original);
                    ready.push((held, outgoing));
                }
                Err(why) => refused.push((held, why)),
            }
        }
        for (held, why) in refused {
            self.skip(vec![held], &format!("unsendable: {why}")).await?;
        }
        Ok(ready)
    }

    fn outgoing(&self, held: &Held, original: Original) -> OutgoingLetter {
        let Original { body, mut attributes, mut types, group } = original;
        let Entry { id, replay, edit, .. } = &held.entry;
        attributes.remove(FAILURE_ATTRIBUTE);
        types.remove(FAILURE_ATTRIBUTE);
        attributes.insert(REPLAY_ATTRIBUTE.to_owned(), replay.to_string());
        types.remove(REPLAY_ATTRIBUTE);
        OutgoingLetter {
            body: edit.clone().map_or(body, Bytes::from),
            attributes,
            types,
            group,
            // Another one than the first copy had: within five minutes that would be accepted and dropped.
            dedup: format!("{id}-{replay}"),
            copy_of: Some((self.queue().to_owned(), id.clone())),
        }
    }

    /// Opens the records of what is done, where the plan wants that.
    async fn reopen(
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
    async fn renew(&self, ready: Vec<(Held, OutgoingLetter)>, done: &mut Batch) -> Vec<(Held, OutgoingLetter)> {
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

    async fn send(&self, ready: Vec<(Held, OutgoingLetter)>, done: &mut Batch) -> Result<(), RunError> {
        if ready.is_empty() {
            return Ok(());
        }
        let (held, outgoing): (Vec<Held>, Vec<OutgoingLetter>) = ready.into_iter().unzip();
        let places: Vec<u32> = held.iter().map(|held| held.place).collect();
        self.note(Step::Intent { n: places.clone() }).await?;
        // Writing may have taken long.
        let margin = self.now().checked_add(self.run.settings.hold / 10).unwrap_or(Timestamp::MAX);
        if held.iter().any(|held| held.until < margin) {
            self.note(Step::Unsent { n: places.clone() }).await?;
            done.missing.extend(places);
            return Ok(());
        }
        let results = self.run.letters.send(&self.run.plan.head().to.0, &outgoing).await;
        let (mut sent, mut ids, mut gone, mut unknown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut refused = Vec::new();
        // An answer that is missing is one that nobody knows.
        let results = results.into_iter().map(Some).chain(std::iter::repeat(None));
        for (held, result) in held.into_iter().zip(results) {
            match result {
                Some(Ok(id)) => {
                    sent.push(held.place);
                    ids.push(id);
                    gone.push((held.place, held.taken.receipt));
                }
                Some(Err(QueueError::Refused(why))) => refused.push((held, why)),
                Some(Err(error)) => {
                    done.unknown.get_or_insert_with(|| error.to_string());
                    unknown.push(held);
                }
                None => {
                    done.unknown.get_or_insert_with(|| "no answer came".to_owned());
                    unknown.push(held);
                }
            }
        }
        done.used += sent.len() + unknown.len();
        done.sent += sent.len();
        if !sent.is_empty() {
            self.note(Step::Sent { n: sent.clone(), ids }).await?;
            self.begin_watch(&sent);
        }
        if !unknown.is_empty() {
            let places: Vec<u32> = unknown.iter().map(|held| held.place).collect();
            self.shared().unknown.extend(&places);
            let why = done.unknown.clone().unwrap_or_default();
            self.note(Step::Unknown { n: places, why }).await?;
            let receipts: Vec<Receipt> = unknown.into_iter().map(|held| held.taken.receipt).collect();
            self.release(&receipts).await;
        }
        for (held, why) in refused {
            self.skip(vec![held], &format!("refused: {why}")).await?;
        }
        self.delete(gone).await
    }

    async fn delete(&self, gone: Vec<(u32, Receipt)>) -> Result<(), RunError> {
        if gone.is_empty() {
            return Ok(());
        }
        let receipts: Vec<Receipt> = gone.iter().map(|(_, receipt)| receipt.clone()).collect();
        let results = self.run.letters.delete(self.queue(), &receipts).await;
        // What couldn't be deleted stays as sent: it is taken again, and only deleted then.
        let n: Vec<u32> =
            gone.iter().zip(results).filter(|(_, result)| result.is_ok()).map(|((place, _), _)| *place).collect();
        if n.is_empty() { Ok(()) } else { self.note(Step::Deleted { n }).await }
    }

    async fn skip(&self, held: Vec<Held>, why: &str) -> Result<(), RunError> {
        if held.is_empty() {
            return Ok(());
        }
        self.note(Step::Skipped { n: held.iter().map(|held| held.place).collect(), why: why.to_owned() }).await?;
        for held in &held {
            let mut shared = self.shared();
            // One that stays ambiguous isn't tried again by this process.
            if shared.state.is_open(held.place) {
                shared.unknown.insert(held.place);
            }
        }
        let receipts: Vec<Receipt> = held.into_iter().map(|held| held.taken.receipt).collect();
        self.release(&receipts).await;
        Ok(())
    }

    /// Gives letters back at once.
    async fn release(&self, receipts: &[Receipt]) {
        if !receipts.is_empty() {
            // What can't be given back comes back when its lease ends.
            let _ = self.run.letters.hold(self.queue(), receipts, Duration::ZERO).await;
        }
    }
}
