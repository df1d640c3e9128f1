//! One batch: take, compare, write down, send, write down, delete.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use sendoff_consumers::{
    DeadLetter, DeadLettersError, FAILURE_ATTRIBUTE, OutgoingLetter, REPLAY_ATTRIBUTE, Receipt, TakenLetter,
};
use sendoff_events::{EXTENDED_SIZE_ATTRIBUTE, Timestamp};

use super::{RunError, Stage, engine::Engine};
use crate::{letter::Original, plan::Entry};

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
    /// Whether any were deleted, if some were to be.
    pub(super) deleted: Option<Result<(), String>>,
}

/// That a letter is in hand.
pub(super) struct Held {
    pub(super) place: u32,
    pub(super) entry: Entry,
    pub(super) receipt: Receipt,
    /// When its lease ends.
    pub(super) until: Timestamp,
}

/// A letter in hand, as it was taken.
pub(super) type Taken = (Held, DeadLetter);
/// A letter in hand, as it will be sent.
pub(super) type Ready = (Held, OutgoingLetter);

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
            shared.newer.remove(place);
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
        self.run.leases.took(&taken, until);
        let taken = self.sort(&fetch, taken, until, in_hand, &mut done).await?;
        let taken = self.compare(taken).await?;
        let taken = self.only_delete(taken, &mut done).await?;
        let taken = self.at_most(fetch.count(), taken, in_hand).await;
        let taken = self.not_elsewhere(taken).await?;
        let taken = self.not_handled(taken, &mut done).await?;
        let ready = self.restore(taken).await?;
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
    ) -> Result<Vec<Taken>, RunError> {
        let (mut foreign, mut came_back) = (Vec::new(), Vec::new());
        let mut held: Vec<Taken> = Vec::with_capacity(taken.len());
        let asked: HashSet<u32> = match fetch {
            Fetch::These(asked) => asked.iter().copied().collect(),
            Fetch::Any(_) => HashSet::new(),
        };
        for TakenLetter { receipt, letter } in taken {
            let place = self.run.plan.place(&letter.message_id);
            let is_ours = place.filter(|place| {
                let mut shared = self.shared();
                match fetch {
                    Fetch::These(_) => asked.contains(place),
                    Fetch::Any(_) => {
                        // One that was deleted may show once more, where a broker forgets a deletion: it is deleted again.
                        let stage = shared.state.stage(*place);
                        let open = (shared.state.is_open(*place) && self.may_do(stage)) || stage == Stage::Moved;
                        open && !shared.unknown.contains(place) && shared.busy.insert(*place)
                    }
                }
            });
            if let Some(place) = is_ours {
                if matches!(fetch, Fetch::Any(_)) {
                    in_hand.push(place);
                    done.fresh += 1;
                }
                let entry = self.run.plan.entry(place)?;
                held.push((Held { place, entry, receipt, until }, letter));
                continue;
            }
            let busy = place.filter(|place| {
                let shared = self.shared();
                let is_wanted = shared.state.is_open(*place) || shared.state.stage(*place) == Stage::Moved;
                shared.busy.contains(place) && is_wanted && !shared.unknown.contains(place)
            });
            if let Some(place) = busy {
                // A repetition of one that another batch has in hand: giving it back would take it from there. From now on only
                // this receipt is sure to be good.
                self.shared().newer.insert(place, receipt);
                continue;
            }
            if let Some(place) = self.has_returned(&letter) {
                came_back.push(place);
            }
            if self.shared().seen.insert(crate::plan::brief(&letter.message_id)) {
                done.fresh += 1;
            }
            foreign.push((receipt, until));
        }
        self.shared().strangers.append(&mut foreign);
        self.returned(came_back).await?;
        // As they stand in the plan: what is lost first goes first. One that came twice in an answer is in hand by its last receipt only.
        held.sort_by_key(|(held, _)| held.place);
        held.dedup_by(|later, earlier| {
            let is_twice = later.0.place == earlier.0.place;
            if is_twice {
                std::mem::swap(later, earlier);
            }
            is_twice
        });
        if let Fetch::These(asked) = fetch {
            let is_missing = |place: &&u32| held.binary_search_by_key(*place, |(held, _)| held.place).is_err();
            done.missing.extend(asked.iter().filter(is_missing));
            done.fresh += held.len();
        }
        Ok(held)
    }

    /// Brings letters into the form in which they were first sent.
    async fn restore(&self, taken: Vec<Taken>) -> Result<Vec<Ready>, RunError> {
        // Those that have to be looked into: seldom any.
        let looked = taken.iter().filter(|(held, _)| !held.entry.as_it_stands);
        let looked = looked.map(|(_, letter)| self.run.originals.original(letter));
        let mut originals = join_all(looked).await.into_iter();
        let (mut ready, mut refused) = (Vec::with_capacity(taken.len()), Vec::new());
        for (held, letter) in taken {
            let original = if held.entry.as_it_stands {
                Ok(Original::as_it_stands(letter))
            } else {
                originals.next().unwrap_or_else(|| Err("nobody has looked into it".to_owned()))
            };
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
        if edit.is_some() {
            // It stands in the body, whatever the old one was.
            attributes.remove(EXTENDED_SIZE_ATTRIBUTE);
            types.remove(EXTENDED_SIZE_ATTRIBUTE);
        }
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
}
