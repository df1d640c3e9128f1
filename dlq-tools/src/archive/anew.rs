//! Putting letters of an archive back that were put back before. It may break off as any move: then it is gone on with, and not begun
//! once more.

use std::collections::BTreeSet;

use sendoff_events::{Clock, Timestamp};
use sendoff_host::Stopped;

use super::moves::{Moves, State};
use crate::run::journal::Step;

/// Letters that are put back again, until that has ended.
pub(super) struct Round {
    pub(super) begun_at: Timestamp,
    pub(super) places: BTreeSet<usize>,
}

impl Moves {
    /// How many of these were sent already by what was [begun anew](Self::begin_anew) and hasn't ended; `None` when nothing was.
    #[must_use]
    pub fn sent_anew(&self, ids: &[String]) -> Option<u64> {
        let round = self.round.as_ref()?;
        let is_sent = |place: &usize| round.places.contains(place) && self.states[*place] >= State::Sent;
        Some(ids.iter().filter_map(|id| self.place(id)).filter(is_sent).count() as u64)
    }

    /// Counts none of these as sent any more, but for those that were begun anew before, until that has [ended](Self::end). Gives
    /// when that was begun.
    ///
    /// # Errors
    ///
    /// When the journal can't be written.
    pub async fn begin_anew(&mut self, clock: &dyn Clock, ids: &[String]) -> Result<Timestamp, Stopped> {
        let now = clock.now();
        let is_new = |place: &usize| self.round.as_ref().is_none_or(|round| !round.places.contains(place));
        let places: Vec<usize> = ids.iter().filter_map(|id| self.place(id)).filter(is_new).collect();
        self.step(now, &places, State::Waiting, |n| Step::Anew { n }).await?;
        let round = self.round.get_or_insert_with(|| Round { begun_at: now, places: BTreeSet::new() });
        round.places.extend(places);
        Ok(round.begun_at)
    }

    /// Ends a call that put letters of an archive back, and with it what was begun anew: if of none that these name it is in doubt
    /// whether it was sent, and nothing of what was begun anew is left besides.
    ///
    /// # Errors
    ///
    /// When the journal can't be written.
    pub async fn end(&mut self, clock: &dyn Clock, tried: &[String]) -> Result<(), Stopped> {
        let tried: BTreeSet<usize> = tried.iter().filter_map(|id| self.place(id)).collect();
        let is_over = |place: &usize| match self.states[*place] {
            // The queue didn't take it, or has it still.
            State::Waiting => tried.contains(place),
            State::Intent => false,
            State::Sent | State::Deleted => true,
        };
        let round = self.round.iter().flat_map(|round| &round.places);
        if round.chain(&tried).all(is_over) {
            self.note(clock.now(), Step::Finished {}).await?;
            self.round = None;
        }
        Ok(())
    }
}
