//! Sending letters into another queue as they are, out of an archive or out of a queue, so that a crash at any moment loses none and
//! sends none twice that is known to be sent.
//!
//! What is to be moved lies in a file of its own, in an order that never changes, and a journal says how far each came: `intent` is on the
//! disk before a letter is sent, `sent` before it is deleted where it was. After a crash, a letter with an intent only may have been
//! sent: it is sent once more, under the same deduplication id, and that is told. One that was sent is only deleted. One that can't be
//! had counts as gone only when it isn't seen in the queue: until then the move stays open.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use sendoff_consumers::{DeadLetter, DeadLetters, Destination, QueueError, Receipt, TakenLetter};
use sendoff_events::Timestamp;
use sendoff_host::Stopped;

use super::{
    anew::Round,
    lock::lock,
    look::look,
    mover::{Moved, Mover, Source},
    taking::{self, hash},
};
use crate::{
    run::{
        journal::{self, FileJournal, Journal as _, Line, Step},
        leases::{FileLeases, Leases as _},
    },
    snapshot::{PAGE_BYTES, Snapshot, take::stopped},
};

const BATCH: usize = 500;
const LETTERS: &str = "letters.db";
const JOURNAL: &str = "journal.ndjson";
const LEASES: &str = "leases.ndjson";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Waiting,
    /// It is about to be sent, or may have been.
    Intent,
    Sent,
    /// Deleted where it was.
    Deleted,
}

/// Takes the letters of a move away when that is let go of.
struct Forget(PathBuf);

impl Drop for Forget {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A move, from its folder.
pub struct Moves {
    /// What is moved, by places in the order of message ids.
    letters: Snapshot,
    ids: Vec<String>,
    pub(super) states: Vec<State>,
    /// What was begun anew, and hasn't ended.
    pub(super) round: Option<Round>,
    /// How many letters were ever sent, each as often as it was.
    sent_ever: u64,
    /// How many calls have begun, and how many of these have come to their end, with nothing left in doubt.
    calls: (u64, u64),
    journal: FileJournal,
    /// What is held meanwhile: whoever goes on needn't wait for its end.
    leases: FileLeases,
    forget: Option<Forget>,
    // It is the last that is let go of.
    _lock: File,
}

impl Moves {
    /// Where the letters of the move in this folder lie.
    #[must_use]
    pub fn letters_in(folder: &Path) -> PathBuf {
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

    /// Whether a move in this folder has begun: before that it sends nothing.
    ///
    /// # Errors
    ///
    /// When its journal can't be read.
    pub fn has_begun_in(folder: &Path) -> Result<bool, Stopped> {
        let mut begun = false;
        journal::read(&folder.join(JOURNAL), |_| begun = true)?;
        Ok(begun)
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
        let (mut round, mut sent_ever, mut calls) = (None::<Round>, 0, (0, 0));
        let path = folder.join(JOURNAL);
        let whole = journal::read(&path, |line| {
            let (places, state) = match line.step {
                Step::Intent { n } => (n, State::Intent),
                Step::Unsent { n } => (n, State::Waiting),
                Step::Sent { n, .. } => {
                    sent_ever += n.len() as u64;
                    (n, State::Sent)
                }
                Step::Deleted { n } => (n, State::Deleted),
                Step::Anew { n } => {
                    let round = round.get_or_insert_with(|| Round { begun_at: line.at, places: BTreeSet::new() });
                    round.places.extend(n.iter().map(|place| *place as usize));
                    (n, State::Waiting)
                }
                Step::Begun { .. } => {
                    calls.0 += 1;
                    return;
                }
                Step::Finished {} => {
                    (round, calls.1) = (None, calls.1 + 1);
                    return;
                }
                _ => return,
            };
            for place in places {
                if let Some(known) = states.get_mut(place as usize) {
                    *known = state;
                }
            }
        })?;
        let journal = FileJournal::open(&path, whole)?;
        let leases = FileLeases::new(&folder.join(LEASES));
        Ok(Self { letters, ids, states, round, sent_ever, calls, journal, leases, forget: None, _lock: lock })
    }

    /// What is moved.
    #[must_use]
    pub const fn letters(&self) -> &Snapshot {
        &self.letters
    }

    /// Takes the letters away whatever ends this: they can be laid out once more.
    pub fn forget_at_the_end(&mut self) {
        self.forget = Some(Forget(self.letters.path().to_owned()));
    }

    /// Takes the letters away again: what they say isn't to lie about once it isn't needed. The journal stays.
    ///
    /// # Errors
    ///
    /// When that can't be done.
    pub fn forget_letters(self) -> Result<(), Stopped> {
        let path = self.letters.path().to_owned();
        std::fs::remove_file(&path)
            .map_err(|error| Stopped::failed(format_args!("{} can't be removed: {error}", path.display())))
    }

    /// The message ids of all that is moved, in order.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Whether this one was sent already, as far as is known.
    #[must_use]
    pub fn is_sent(&self, id: &str) -> bool {
        self.place(id).is_some_and(|place| self.states[place] >= State::Sent)
    }

    /// How many of these were sent already, as far as is known.
    #[must_use]
    pub fn sent(&self, ids: &[String]) -> u64 {
        ids.iter().filter(|id| self.is_sent(id)).count() as u64
    }

    /// How many letters were ever sent, each as often as it was, as far as is known.
    #[must_use]
    pub const fn sent_ever(&self) -> u64 {
        self.sent_ever
    }

    /// How many calls had begun before this one, and how many of these have come to their end.
    #[must_use]
    pub const fn calls(&self) -> (u64, u64) {
        self.calls
    }

    /// Sends those of its letters that `chosen` names, and that weren't sent yet, and deletes them where they were. `by` is who wants it.
    ///
    /// # Errors
    ///
    /// When a queue or the journal can't be used. What was done until then is in the journal.
    pub async fn carry_out(&mut self, mover: Mover<'_>, chosen: &[String], by: &str) -> Result<Moved, Stopped> {
        let mut moved = Moved::default();
        self.note(mover.clock.now(), Step::Begun { by: by.to_owned() }).await?;
        match mover.source {
            Source::Archive => {
                let (mut batch, mut bytes) = (Vec::new(), 0);
                for (place, id) in chosen.iter().enumerate() {
                    if let Some(letter) = self.letters.letter(id)? {
                        bytes += letter.size();
                        batch.push(letter.message);
                    }
                    if batch.len() == BATCH || bytes >= PAGE_BYTES || place + 1 == chosen.len() {
                        self.send(mover, &batch.iter().collect::<Vec<_>>(), &mut moved).await?;
                        (batch, bytes) = (Vec::new(), 0);
                    }
                }
            }
            Source::Queue(queue) => self.out_of(mover, queue, chosen, &mut moved).await?,
        }
        if moved.is_finished() && mover.source != Source::Archive {
            self.note(mover.clock.now(), Step::Finished {}).await?;
            self.leases.forget();
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
        self.take_over(mover, queue).await;
        let mut wanted = BTreeMap::new();
        for id in chosen {
            if self.place(id).is_some_and(|place| self.states[place] == State::Deleted) {
                moved.sent_before += 1;
            } else if let Some(letter) = self.letters.letter(id)? {
                wanted.insert(id.clone(), hash(&letter.message));
            }
        }
        let taken = taking::taken(mover.letters, mover.clock, queue, wanted, async |taken: &[TakenLetter], until| {
            self.leases.took(taken, until);
            let letters: Vec<_> = taken.iter().map(|taken| &taken.letter).collect();
            self.send(mover, &letters, moved).await?;
            self.delete(mover, queue, taken, moved).await
        });
        let taken = taken.await?;
        moved.changed += taken.changed;
        let held = held(mover.letters, queue, &taken).await?;
        let mut gone = Vec::new();
        for id in taken.missing.keys() {
            let Some(place) = self.place(id) else { continue };
            match (self.states[place], held.contains(id)) {
                // It was deleted, just not written down.
                (State::Sent, false) => gone.push(place),
                (State::Sent, true) => moved.left += 1,
                (State::Intent, true) => moved.unknown += 1,
                _ if taken.saw_all => moved.missing += 1,
                _ => moved.not_seen += 1,
            }
        }
        moved.sent_before += gone.len() as u64;
        self.step(mover.clock.now(), &gone, State::Deleted, |n| Step::Deleted { n }).await
    }

    /// Gives back what a process held that has died since, so that nobody has to wait for the end of its leases.
    async fn take_over(&self, mover: Mover<'_>, queue: &str) {
        let now = mover.clock.now();
        let leases = self.leases.known().into_iter().filter(|lease| lease.until > now);
        let receipts: Vec<Receipt> = leases.map(|lease| lease.receipt).collect();
        if !receipts.is_empty() {
            // What can't be given back comes back when its lease ends.
            mover.letters.hold(queue, &receipts, Duration::ZERO).await;
        }
        self.leases.forget();
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
        self.step(mover.clock.now(), &places, State::Intent, |n| Step::Intent { n }).await?;
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
        self.step(mover.clock.now(), &sent, State::Sent, |n| Step::Sent { n, ids }).await?;
        self.sent_ever += sent.len() as u64;
        self.step(mover.clock.now(), &unsent, State::Waiting, |n| Step::Unsent { n }).await?;
        self.step(mover.clock.now(), &unknown, State::Intent, |n| Step::Unknown { n, why }).await
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
        self.step(mover.clock.now(), &gone, State::Deleted, |n| Step::Deleted { n }).await
    }

    /// Writes a step of these letters into the journal; it counts once it would survive a crash.
    pub(super) async fn step(
        &mut self,
        at: Timestamp,
        places: &[usize],
        state: State,
        step: impl FnOnce(Vec<u32>) -> Step,
    ) -> Result<(), Stopped> {
        if places.is_empty() {
            return Ok(());
        }
        // There are never so many letters: their ids alone would fill the memory.
        let n = places.iter().map(|place| u32::try_from(*place).unwrap_or(u32::MAX)).collect();
        self.note(at, step(n)).await?;
        for place in places {
            self.states[*place] = state;
        }
        Ok(())
    }

    pub(super) async fn note(&self, at: Timestamp, step: Step) -> Result<(), Stopped> {
        Ok(self.journal.write(Line { at, step }).await?)
    }

    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.ids.binary_search_by(|known| (**known).cmp(id)).ok()
    }
}

/// Which of those that couldn't be had may still be in the queue, in somebody's hands. Where it can't be looked into, that is each, unless
/// nobody has any letter of it in hand and all others were seen.
async fn held(letters: &dyn DeadLetters, queue: &str, taken: &taking::Taken) -> Result<BTreeSet<String>, Stopped> {
    let mut held = BTreeSet::new();
    if taken.missing.is_empty() {
        return Ok(held);
    }
    let see = |letter: DeadLetter| {
        if taken.missing.contains_key(&letter.message_id) {
            held.insert(letter.message_id);
        }
        Ok(())
    };
    if look(letters, queue, see).await? {
        return Ok(held);
    }
    let in_flight = letters.queue(queue, Timestamp::MAX).await.map_err(stopped)?.in_flight;
    Ok(if taken.saw_all && in_flight == 0 { held } else { taken.missing.keys().cloned().collect() })
}
