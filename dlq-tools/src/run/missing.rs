//! Letters that weren't to be had: gone, or in somebody else's hands.

use std::collections::HashSet;

use sendoff_consumers::DeadLetter;
use sendoff_events::Timestamp;

use super::{RunError, Stage, engine::Engine, journal::Step};

/// How many letters are looked at together.
const PAGE: usize = 1000;

impl Engine<'_> {
    /// Which of the missing letters are still in the queue; the others are written down as gone. Where the queue can't be looked
    /// into, they count as gone when it is `late`, so that whoever held them would have been done by then, and when the queue says
    /// that it has no more letters than those that came just now, and that nobody holds any.
    pub(super) async fn still_there(
        &self,
        missing: Vec<u32>,
        can_pick: bool,
        late: bool,
    ) -> Result<Vec<u32>, RunError> {
        let wanted: HashSet<u32> = missing.iter().copied().collect();
        let mut there = HashSet::new();
        let looked = can_pick
            && self
                .each(|letter| there.extend(self.run.plan.place(&letter.message_id).filter(|at| wanted.contains(at))))
                .await?;
        if !looked && (!late || self.may_hold_more().await?) {
            return Ok(missing);
        }
        let (still, gone): (Vec<u32>, Vec<u32>) = missing.into_iter().partition(|place| there.contains(place));
        if !gone.is_empty() {
            self.note(Step::Gone { n: gone }).await?;
        }
        Ok(still)
    }

    async fn may_hold_more(&self) -> Result<bool, RunError> {
        self.give_back().await;
        let queue = self.run.letters.queue(self.queue(), Timestamp::MAX).await?;
        Ok(queue.in_flight > 0 || queue.waiting > self.shared().seen.len() as u64)
    }

    /// Looks for letters that have come back without their consumer's having recorded it.
    pub(super) async fn look_for_returned(&self) -> Result<(), RunError> {
        if self.shared().watched.is_empty() {
            return Ok(());
        }
        let mut came_back = Vec::new();
        self.each(|letter| came_back.extend(self.has_returned(letter))).await?;
        self.returned(came_back).await
    }

    /// Shows all letters of the queue, if that can be done without touching them; says whether it can.
    async fn each(&self, mut see: impl FnMut(&DeadLetter) + Send) -> Result<bool, RunError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.run.letters.read(self.queue(), after.as_deref(), PAGE).await?;
            let Some(page) = page else { return Ok(false) };
            page.iter().for_each(&mut see);
            match page.last() {
                Some(last) => after = Some(last.message_id.clone()),
                None => return Ok(true),
            }
        }
    }

    /// The place of the sent letter of which this is the return.
    pub(super) fn has_returned(&self, letter: &DeadLetter) -> Option<u32> {
        if self.shared().watched.is_empty() {
            return None;
        }
        let (event, replays) = self.run.originals.event(letter)?;
        let shared = self.shared();
        let watched = shared.watched.get(&event)?;
        let is_original = self.run.plan.place(&letter.message_id) == Some(watched.place);
        (replays >= watched.replay && !is_original && shared.state.stage(watched.place) != Stage::Waiting)
            .then_some(watched.place)
    }
}
