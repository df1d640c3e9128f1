//! Sending letters into another queue as they are, out of an archive or out of a queue, so that a crash at any moment loses none and
//! sends none twice that is known to be sent.
//!
//! What is to be moved lies in a file of its own, in an order that never changes, and a journal says how far each came: `intent` is on the
//! disk before a letter is sent, `sent` before it is deleted where it was. After a crash, a letter with an intent only may have been
//! sent: it is sent once more, under the same deduplication id, and that is told. One that was sent is only deleted.

use std::{collections::BTreeMap, fs::File, ops::ControlFlow, path::Path};

use sendoff_consumers::{DeadLetter, DeadLetters, Destination, OutgoingLetter, QueueError, Receipt, TakenLetter};
use sendoff_events::Clock;
use sendoff_host::Stopped;

use super::{
    lock::lock,
    taking::{self, hash},
};
use crate::{
    run::journal::{self, FileJournal, Journal as _, Line, Step},
    snapshot::Snapshot,
};

const BATCH: usize = 500;
const LETTERS: &str = "letters.db";
const JOURNAL: &str = "journal.ndjson";

/// Where letters come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// Out of an archive: nothing is deleted anywhere.
    Archive,
    /// Out of this queue, which they leave.
    Queue(&'a str),
}

/// How letters are moved.
#[derive(Clone, Copy)]
pub struct Mover<'a> {
    /// The queues.
    pub letters: &'a dyn DeadLetters,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Where they come from.
    pub source: Source<'a>,
    /// The queue that they go into.
    pub to: &'a str,
    /// The queue that they are copies of, if it is one of this deployment.
    pub copy_of: Option<&'a str>,
    /// What stands behind a message's id in its deduplication id: another text for each kind of move.
    pub dedup: &'a str,
}

/// What came of the letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// Sent by this call.
    pub sent: u64,
    /// Sent before, by a call that broke off or by an earlier one.
    pub sent_before: u64,
    /// Deleted where they were.
    pub deleted: u64,
    /// Of those sent by this call, how many a call that broke off may have sent already: they may be there twice.
    pub sent_again: u64,
    /// Nobody knows whether they were sent.
    pub unknown: u64,
    /// The queue doesn't take them.
    pub refused: u64,
    /// Sent, but still in the queue that they are to leave.
    pub left: u64,
    /// Gone from there before they could be sent, or held by somebody else.
    pub missing: u64,
    /// Not seen among those that could be leased: whether they are there, nobody knows.
    pub not_seen: u64,
    /// With another body than when they were chosen: not touched.
    pub changed: u64,
}

impl Moved {
    /// Whether nothing is left to do for a later call.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.unknown == 0 && self.left == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Waiting,
    /// It is about to be sent, or may have been.
    Intent,
    Sent,
    /// Deleted where it was.
    Deleted,
}

/// A move, from its folder.
pub struct Moves {
    /// What is moved, by places in the order of message ids.
    letters: Snapshot,
    ids: Vec<String>,
    states: Vec<State>,
    journal: FileJournal,
    _lock: File,
}

impl Moves {
    /// Where the letters of the move in this folder lie.
    #[must_use]
    pub fn letters_in(folder: &Path) -> std::path::PathBuf {
        folder.join(LETTERS)
    }

    /// Whether a move in this folder has begun and not ended.
    ///
    /// # Errors
    ///
    /// When its journal can't be read.
    pub fn is_open_in(folder: &Path) -> Result<bool, Stopped> {
        let (mut begun, mut finished) = (false, false);
        journal::read(&folder.join(JOURNAL), |line| {
            begun = true;
            finished = matches!(line.step, Step::Finished {});
        })?;
        Ok(begun && !finished)
    }

    /// Opens the move in this folder, whose letters lie there, and reads how far it came. No other process can have it then.
    ///
    /// # Errors
    ///
    /// When another process is at it, or its files can't be used.
    pub fn open(folder: &Path) -> Result<Self, Stopped> {
        let lock = lock(folder)?;
        let letters = Snapshot::open(&Self::letters_in(folder))?;
        let mut ids = Vec::new();
        letters.each(|letter| {
            ids.push(letter.message.message_id);
            Ok::<_, Stopped>(ControlFlow::Continue(()))
        })?;
        let mut states = vec![State::Waiting; ids.len()];
        let path = folder.join(JOURNAL);
        let whole = journal::read(&path, |line| {
            let (places, state) = match line.step {
                Step::Intent { n } => (n, State::Intent),
                Step::Unsent { n } => (n, State::Waiting),
                Step::Sent { n, .. } => (n, State::Sent),
                Step::Deleted { n } => (n, State::Deleted),
                _ => return,
            };
            for place in places {
                if let Some(known) = states.get_mut(place as usize) {
                    *known = state;
                }
            }
        })?;
        let journal = FileJournal::open(&path, whole)?;
        Ok(Self { letters, ids, states, journal, _lock: lock })
    }

    /// What is moved.
    #[must_use]
    pub const fn letters(&self) -> &Snapshot {
        &self.letters
    }

    /// Takes the letters away again: what they say isn't to lie about once it isn't needed. The journal stays.
    ///
    /// # Errors
    ///
    /// When that can't be done.
    pub fn forget_letters(self) -> Result<(), Stopped> {
        let path = self.letters.path().to_owned();
        drop(self.letters);
        std::fs::remove_file(&path)
            .map_err(|error| Stopped::failed(format_args!("{} can't be removed: {error}", path.display())))
    }

    /// How many of these were sent already, as far as is known.
    #[must_use]
    pub fn sent(&self, ids: impl Iterator<Item = String>) -> u64 {
        let is_sent = |id: &String| self.place(id).is_some_and(|place| self.states[place] >= State::Sent);
        ids.filter(is_sent).count() as u64
    }

    /// Sends those of its letters that `chosen` names, and that weren't sent yet, and deletes them where they were. `by` is who wants it.
    ///
    /// # Errors
    ///
    /// When a queue or the journal can't be used. What was done until then is in the journal.
    pub async fn carry_out(&mut self, mover: Mover<'_>, chosen: &[String], by: &str) -> Result<Moved, Stopped> {
        let mut moved = Moved::default();
        self.note(mover, Step::Begun { by: by.to_owned() }).await?;
        match mover.source {
            Source::Archive => {
                for ids in chosen.chunks(BATCH) {
                    let letters = ids.iter().map(|id| self.letters.letter(id)).collect::<Result<Vec<_>, _>>()?;
                    let letters: Vec<_> = letters.into_iter().flatten().map(|letter| letter.message).collect();
                    self.send(mover, &letters.iter().collect::<Vec<_>>(), &mut moved).await?;
                }
            }
            Source::Queue(queue) => self.out_of(mover, queue, chosen, &mut moved).await?,
        }
        if moved.is_finished() && mover.source != Source::Archive {
            self.note(mover, Step::Finished {}).await?;
        }
        Ok(moved)
    }

    async fn out_of(
        &mut self,
        mover: Mover<'_>,
        queue: &str,
        chosen: &[String],
        moved: &mut Moved,
    ) -> Result<(), Stopped> {
        let mut wanted = BTreeMap::new();
        for id in chosen {
            if self.place(id).is_some_and(|place| self.states[place] == State::Deleted) {
                moved.sent_before += 1;
            } else if let Some(letter) = self.letters.letter(id)? {
                wanted.insert(id.clone(), hash(&letter.message));
            }
        }
        let taken = taking::taken(mover.letters, mover.clock, queue, wanted, async |taken: &[TakenLetter]| {
            let letters: Vec<_> = taken.iter().map(|taken| &taken.letter).collect();
            self.send(mover, &letters, moved).await?;
            self.delete(mover, queue, taken, moved).await
        });
        let taken = taken.await?;
        moved.changed += taken.changed;
        for id in taken.missing.keys() {
            // What was sent and is gone was deleted, just not written down.
            match self.place(id).map(|place| self.states[place]) {
                Some(State::Sent) => moved.sent_before += 1,
                _ if taken.saw_all => moved.missing += 1,
                _ => moved.not_seen += 1,
            }
        }
        Ok(())
    }

    /// Sends those of a batch that weren't sent yet.
    async fn send(&mut self, mover: Mover<'_>, letters: &[&DeadLetter], moved: &mut Moved) -> Result<(), Stopped> {
        let mut places = Vec::new();
        let mut outgoing = Vec::new();
        let mut again = Vec::new();
        for letter in letters {
            let Some(place) = self.place(&letter.message_id) else { continue };
            match self.states[place] {
                State::Sent | State::Deleted => moved.sent_before += 1,
                state => {
                    places.push(place);
                    again.push(state == State::Intent);
                    outgoing.push(mover.outgoing(letter));
                }
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        self.step(mover, &places, State::Intent, |n| Step::Intent { n }).await?;
        let results = mover.letters.send(&Destination::Queue(mover.to.to_owned()), &outgoing).await;
        let (mut sent, mut ids, mut unsent, mut unknown, mut why) = (vec![], vec![], vec![], vec![], String::new());
        for ((place, again), result) in places.into_iter().zip(again).zip(results) {
            match result {
                Ok(id) => {
                    sent.push(place);
                    ids.push(id);
                    moved.sent_again += u64::from(again);
                }
                // An earlier try may have come through: that stays open.
                Err(QueueError::Refused(_) | QueueError::Stale) if !again => unsent.push(place),
                Err(error) => {
                    unknown.push(place);
                    why = error.to_string();
                }
            }
        }
        moved.sent += sent.len() as u64;
        moved.refused += unsent.len() as u64;
        moved.unknown += unknown.len() as u64;
        self.step(mover, &sent, State::Sent, |n| Step::Sent { n, ids }).await?;
        self.step(mover, &unsent, State::Waiting, |n| Step::Unsent { n }).await?;
        self.step(mover, &unknown, State::Intent, |n| Step::Unknown { n, why }).await
    }

    /// Deletes those of a batch that are known to be sent.
    async fn delete(
        &mut self,
        mover: Mover<'_>,
        queue: &str,
        taken: &[TakenLetter],
        moved: &mut Moved,
    ) -> Result<(), Stopped> {
        let sent = taken.iter().filter_map(|taken| {
            let place = self.place(&taken.letter.message_id)?;
            (self.states[place] >= State::Sent).then(|| (place, taken.receipt.clone()))
        });
        let (places, receipts): (Vec<usize>, Vec<Receipt>) = sent.unzip();
        if places.is_empty() {
            return Ok(());
        }
        let results = mover.letters.delete(queue, &receipts).await;
        let (gone, left): (Vec<_>, Vec<_>) = places.into_iter().zip(results).partition(|(_, result)| result.is_ok());
        moved.deleted += gone.len() as u64;
        moved.left += left.len() as u64;
        let gone: Vec<usize> = gone.into_iter().map(|(place, _)| place).collect();
        self.step(mover, &gone, State::Deleted, |n| Step::Deleted { n }).await
    }

    /// Writes a step of these letters into the journal; it counts once it would survive a crash.
    async fn step(
        &mut self,
        mover: Mover<'_>,
        places: &[usize],
        state: State,
        step: impl FnOnce(Vec<u32>) -> Step,
    ) -> Result<(), Stopped> {
        if places.is_empty() {
            return Ok(());
        }
        // There are never so many letters: their ids alone would fill the memory.
        let n = places.iter().map(|place| u32::try_from(*place).unwrap_or(u32::MAX)).collect();
        self.note(mover, step(n)).await?;
        for place in places {
            self.states[*place] = state;
        }
        Ok(())
    }

    async fn note(&self, mover: Mover<'_>, step: Step) -> Result<(), Stopped> {
        Ok(self.journal.write(Line { at: mover.clock.now(), step }).await?)
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.ids.binary_search_by(|known| (**known).cmp(id)).ok()
    }
}

impl Mover<'_> {
    /// The letter as it is, its failure and all attributes included.
    fn outgoing(&self, letter: &DeadLetter) -> OutgoingLetter {
        let DeadLetter { message_id, body, attributes, types, group, .. } = letter.clone();
        let dedup = format!("{message_id}-{}", self.dedup);
        let copy_of = self.copy_of.map(|queue| (queue.to_owned(), message_id));
        OutgoingLetter { body, attributes, types, group, dedup, copy_of }
    }
}
