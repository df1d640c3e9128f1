//! How far each letter of a run has come, by its journal.

use std::collections::BTreeMap;

use super::journal::{Line, Step};
use crate::plan::Plan;

/// How far a letter has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The plan leaves it where it is.
    Left,
    /// Nothing has happened yet.
    Waiting,
    /// It is about to be sent, or was: only whoever wrote that knows.
    Intended,
    /// It may have been sent.
    Ambiguous,
    /// It was sent, and still stands in the dead-letter queue.
    Sent,
    /// It was sent, and deleted: all is done.
    Moved,
    /// It isn't in the queue any more, and not by this run.
    Gone,
    /// It wasn't sent, and why is known.
    Skipped,
}

#[derive(Debug, Clone, Copy)]
struct Letter {
    stage: Stage,
    /// How often nobody knew whether it was sent.
    doubts: u8,
    /// Its consumer has come to an end with it.
    ended: bool,
    returned: bool,
}

/// How far all letters of a run have come.
#[derive(Debug)]
pub struct State {
    letters: Vec<Letter>,
    skips: BTreeMap<String, u64>,
    counts: [u64; 8],
    resent: u64,
    perhaps_twice: u64,
    returned: u64,
    watched: u64,
    reopened: u64,
    gone_in_doubt: u64,
    rung: u64,
    known: (u64, u64),
    settled_at_rung: u64,
    waits: BTreeMap<String, u64>,
}

impl State {
    /// That of a plan of which nothing was done.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let stage = |place| if plan.sends(place) { Stage::Waiting } else { Stage::Left };
        let letters: Vec<Letter> = (0..u32::try_from(plan.len()).unwrap_or(u32::MAX))
            .map(|place| Letter { stage: stage(place), doubts: 0, ended: false, returned: false })
            .collect();
        let mut counts = [0; 8];
        for letter in &letters {
            counts[letter.stage as usize] += 1;
        }
        Self {
            letters,
            skips: BTreeMap::new(),
            counts,
            resent: 0,
            perhaps_twice: 0,
            returned: 0,
            watched: 0,
            reopened: 0,
            gone_in_doubt: 0,
            rung: 0,
            known: (0, 0),
            settled_at_rung: 0,
            waits: BTreeMap::new(),
        }
    }

    /// How far the letter at this place of the plan has come.
    #[must_use]
    pub fn stage(&self, place: u32) -> Stage {
        self.letters.get(place as usize).map_or(Stage::Left, |letter| letter.stage)
    }

    /// Whether the letter at this place was sent, and has failed again.
    #[must_use]
    pub fn has_returned(&self, place: u32) -> bool {
        self.letters.get(place as usize).is_some_and(|letter| letter.returned)
    }

    /// How many letters are at this stage.
    #[must_use]
    pub const fn count(&self, stage: Stage) -> u64 {
        self.counts[stage as usize]
    }

    /// How many letters the plan sends.
    #[must_use]
    pub fn planned(&self) -> u64 {
        self.letters.len() as u64 - self.count(Stage::Left)
    }

    /// How many letters were sent for certain.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.count(Stage::Sent) + self.count(Stage::Moved)
    }

    /// How many letters were sent once more because nobody knew whether they were.
    #[must_use]
    pub const fn resent(&self) -> u64 {
        self.resent
    }

    /// How many letters were sent by this run, and then gone before it had deleted them: somebody else may have sent them, too.
    #[must_use]
    pub const fn perhaps_twice(&self) -> u64 {
        self.perhaps_twice
    }

    /// How many letters came back.
    #[must_use]
    pub const fn returned(&self) -> u64 {
        self.returned
    }

    /// Of how many letters the end is known.
    #[must_use]
    pub const fn watched(&self) -> u64 {
        self.watched
    }

    /// How many records were opened so that their job runs once more.
    #[must_use]
    pub const fn reopened(&self) -> u64 {
        self.reopened
    }

    /// How many of those that are gone may have been sent by this run.
    #[must_use]
    pub const fn gone_in_doubt(&self) -> u64 {
        self.gone_in_doubt
    }

    /// Of how many more the end is known than when the last step of the ladder was over.
    #[must_use]
    pub const fn settled_since_rung(&self) -> u64 {
        self.watched.saturating_sub(self.settled_at_rung)
    }

    /// How many letters had to be left for now, and why, since the run was last begun.
    #[must_use]
    pub const fn waits(&self) -> &BTreeMap<String, u64> {
        &self.waits
    }

    /// How many had been sent when a step of the ladder was last watched to its end.
    #[must_use]
    pub const fn rung(&self) -> u64 {
        self.rung
    }

    /// How many had come back, and of how many the end was known, when the run last stopped in good order: whoever goes on with it
    /// was told of these.
    #[must_use]
    pub const fn known(&self) -> (u64, u64) {
        self.known
    }

    /// The letters that were sent and of which the end isn't known.
    pub fn unsettled(&self) -> impl Iterator<Item = u32> + '_ {
        let is_sent = |letter: &Letter| matches!(letter.stage, Stage::Sent | Stage::Moved);
        let open = move |letter: &Letter| is_sent(letter) && !letter.ended && !letter.returned;
        (0..).zip(&self.letters).filter(move |(_, letter)| open(letter)).map(|(place, _)| place)
    }

    /// Why letters were skipped, and how many.
    #[must_use]
    pub const fn skips(&self) -> &BTreeMap<String, u64> {
        &self.skips
    }

    /// How many letters there are in the plan.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.letters.len()).unwrap_or(u32::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Whether anything is left to do with the letter at this place.
    #[must_use]
    pub fn is_open(&self, place: u32) -> bool {
        matches!(self.stage(place), Stage::Waiting | Stage::Intended | Stage::Ambiguous | Stage::Sent)
    }

    /// Takes in what the journal says. Whatever stands in it, each letter is at one stage afterwards.
    pub fn apply(&mut self, line: &Line) {
        match &line.step {
            Step::Begun { .. } => {
                self.waits.clear();
                // Whoever intended to send is gone: whether they did is unknown.
                for place in 0..self.len() {
                    if self.stage(place) == Stage::Intended {
                        self.doubt(place);
                    }
                }
            }
            Step::Intent { n } => self.each(n, |state, place| match state.stage(place) {
                Stage::Waiting | Stage::Ambiguous | Stage::Intended => state.set(place, Stage::Intended),
                _ => {}
            }),
            Step::Unsent { n } => self.each(n, |state, place| {
                if state.stage(place) == Stage::Intended {
                    state.set(place, if state.is_doubted(place) { Stage::Ambiguous } else { Stage::Waiting });
                }
            }),
            Step::Unknown { n, .. } => self.each(n, |state, place| {
                if state.stage(place) == Stage::Intended {
                    state.doubt(place);
                }
            }),
            Step::Sent { n, .. } => self.each(n, |state, place| {
                if matches!(state.stage(place), Stage::Intended | Stage::Ambiguous | Stage::Waiting) {
                    state.resent += u64::from(state.is_doubted(place));
                    state.set(place, Stage::Sent);
                }
            }),
            Step::Deleted { n } => self.each(n, |state, place| {
                if state.stage(place) == Stage::Sent {
                    state.set(place, Stage::Moved);
                }
            }),
            Step::Gone { n } => self.each(n, |state, place| match state.stage(place) {
                // It was sent, and is there no more. Its deletion may have been ours, just before this run broke off; or somebody else
                // took it when its lease was over, and sent it, too.
                Stage::Sent => {
                    state.set(place, Stage::Moved);
                    state.perhaps_twice += 1;
                }
                Stage::Waiting => state.set(place, Stage::Gone),
                // It may have been sent by this run; somebody else has moved it in any case.
                Stage::Ambiguous => {
                    state.gone_in_doubt += 1;
                    state.set(place, Stage::Gone);
                }
                _ => {}
            }),
            Step::Skipped { n, why } => self.each(n, |state, place| match state.stage(place) {
                Stage::Waiting | Stage::Intended if !state.is_doubted(place) => {
                    state.set(place, Stage::Skipped);
                    *state.skips.entry(why.clone()).or_default() += 1;
                }
                Stage::Intended => state.set(place, Stage::Ambiguous),
                _ => {}
            }),
            Step::Left { n, why } => *self.waits.entry(why.clone()).or_default() += n.len() as u64,
            Step::Ended { n } => self.each(n, |state, place| {
                let letter = state.letters.get_mut(place as usize).filter(|letter| !letter.ended && !letter.returned);
                if let Some(letter) = letter {
                    letter.ended = true;
                    state.watched += 1;
                }
            }),
            Step::Returned { n } => self.each(n, |state, place| {
                let letter = state.letters.get_mut(place as usize).filter(|letter| !letter.returned);
                if let Some(letter) = letter {
                    letter.returned = true;
                    state.returned += 1;
                    state.watched += u64::from(!letter.ended);
                }
            }),
            Step::Reopened { n } => self.reopened += n.len() as u64,
            Step::Rung { sent } => {
                self.rung = self.rung.max(*sent);
                self.settled_at_rung = self.watched;
            }
            Step::Paused { .. } | Step::Finished { .. } => self.known = (self.returned, self.watched),
            // A run sends nothing anew: its consumer would only absorb it.
            Step::Aborted { .. } | Step::Anew { .. } => {}
        }
    }

    fn each(&mut self, places: &[u32], mut then: impl FnMut(&mut Self, u32)) {
        for place in places {
            then(self, *place);
        }
    }

    fn set(&mut self, place: u32, stage: Stage) {
        if let Some(letter) = self.letters.get_mut(place as usize) {
            self.counts[letter.stage as usize] -= 1;
            self.counts[stage as usize] += 1;
            letter.stage = stage;
        }
    }

    fn doubt(&mut self, place: u32) {
        self.set(place, Stage::Ambiguous);
        if let Some(letter) = self.letters.get_mut(place as usize) {
            letter.doubts = letter.doubts.saturating_add(1);
        }
    }

    fn is_doubted(&self, place: u32) -> bool {
        self.letters.get(place as usize).is_some_and(|letter| letter.doubts > 0)
    }
}
