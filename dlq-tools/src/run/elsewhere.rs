//! Letters whose event another run sends, has sent, or may have sent as another one: of an edited event, never both are sent.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    fmt, fs,
    path::Path,
};

use sendoff_consumers::Destination;
use sendoff_events::EventId;
use sendoff_host::{Exit, Stopped};

use super::{
    Ended, Stage, State,
    folder::{Found, RunFolder, Standing},
};
use crate::plan::{Cover, Entry, Forecast, Head, Plan};

/// What another run has to do with a letter. The later ones hide those before them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Elsewhere {
    /// It has sent the event as it was: an edit of it waits until its consumer has come to an end with that.
    SentAs {
        /// With which replay count.
        replay: u32,
        /// Which run.
        run: String,
    },
    /// It has sent another event in its place.
    Replaced(String),
    /// It was aborted, and has sent this letter without having deleted it.
    Undeleted(String),
    /// It was aborted, and may have sent this letter.
    Unknown(String),
    /// Its journal can't be read.
    Damaged(String),
    /// It may send it yet.
    Open(String),
}

impl Elsewhere {
    /// Whether it stays so, whatever becomes of the other run.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Replaced(_))
    }
}

/// Why the letter isn't sent, and what to do.
impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SentAs { run, .. } => write!(
                f,
                "run {run} has sent its old event, and its consumer hasn't come to an end with that: wait for it, then go on"
            ),
            Self::Replaced(run) => write!(f, "run {run} has sent another event in its place: it must not be sent, too"),
            Self::Undeleted(run) => write!(
                f,
                "run {run} has sent it as another event before it was aborted: `dlq resume {run}` deletes what it has sent"
            ),
            Self::Unknown(run) => write!(
                f,
                "run {run} was aborted, and nobody knows whether it has sent it as another event: once you know that it hasn't, \
                 move that run's folder away"
            ),
            Self::Damaged(run) => write!(
                f,
                "the journal of run {run} is damaged, and may have sent it as another event: once you know that it hasn't, move \
                 that run's folder away"
            ),
            Self::Open(run) => write!(
                f,
                "in run {run}, and edited in one of the two: both must not be sent. Finish or abort that run first"
            ),
        }
    }
}

/// The letters of this plan, by their place, that another run of the work folder may still send, has sent, or may have sent as
/// another event. `tell` hears of runs that can't be read and don't matter.
///
/// # Errors
///
/// When another run can't be read that may matter.
pub fn elsewhere(
    work: &Path,
    own: &RunFolder,
    plan: &Plan,
    mut tell: impl FnMut(&str),
) -> Result<HashMap<u32, Elsewhere>, Stopped> {
    let mut found = HashMap::new();
    let mut index = None;
    for other in RunFolder::all(work)?.into_iter().filter(|other| other != own) {
        // Its first line tells whether it matters: the rest of a large plan takes long to read.
        let cover = Cover::open(&other.plan()).ok().filter(|cover| cover.hash().starts_with(&other.name()));
        if cover.is_some_and(|cover| !may_matter(cover.head(), plan.head())) {
            continue;
        }
        let (theirs, read) = match other.read() {
            Ok(Found { plan, stands: Standing { state, ended, .. } }) => (plan, Some((state, ended))),
            Err(error) => match Plan::open(&other.plan()) {
                Ok(theirs) => {
                    tell(&format!("run {} can't be read: {error}", other.name()));
                    (theirs, None)
                }
                Err(_) => {
                    unreadable(&other, plan, &error)?;
                    tell(&format!("run {} can't be read, and doesn't matter here: {error}", other.name()));
                    continue;
                }
            },
        };
        if !may_matter(theirs.head(), plan.head()) {
            continue;
        }
        let index = match &mut index {
            Some(index) => index,
            none => none.insert(Index::of(plan)?),
        };
        let stands = Stands::of(&other, read)?;
        for place in (0..u32::try_from(theirs.len()).unwrap_or(u32::MAX)).filter(|place| theirs.sends(*place)) {
            let entry = theirs.entry(place)?;
            for (here, mine, is_same_letter) in index.matching(plan, &theirs, &entry)? {
                if mine.event == entry.event && mine.edit.is_some() == entry.edit.is_some() {
                    continue;
                }
                let Some(what) = stands.say(&other, place, &entry, is_same_letter) else { continue };
                match found.entry(here) {
                    Slot::Vacant(slot) => drop(slot.insert(what)),
                    Slot::Occupied(mut slot) if *slot.get() < what => drop(slot.insert(what)),
                    Slot::Occupied(_) => {}
                }
            }
        }
    }
    Ok(found)
}

/// The letters of a plan by the event that they first carried.
struct Index(HashMap<EventId, Vec<u32>>);

impl Index {
    fn of(plan: &Plan) -> Result<Self, Stopped> {
        let mut index: HashMap<EventId, Vec<u32>> = HashMap::new();
        for (place, entry) in (0..).zip(plan.entries()) {
            let entry = entry?;
            if let Some(event) = first(&entry).filter(|_| plan.sends(place)) {
                index.entry(event).or_default().push(place);
            }
        }
        Ok(Self(index))
    }

    /// The letters that are the same one as this of another plan, or that carry the same event to the same consumer.
    fn matching(&self, plan: &Plan, theirs: &Plan, entry: &Entry) -> Result<Vec<(u32, Entry, bool)>, Stopped> {
        let is_topic = [plan, theirs].iter().any(|plan| plan.head().to.0 == Destination::Topic);
        let same = (plan.head().queue == theirs.head().queue).then(|| plan.place(&entry.id)).flatten();
        let same = same.filter(|place| plan.sends(*place));
        let twins = first(entry).and_then(|event| self.0.get(&event)).into_iter().flatten().copied();
        let mut matching = Vec::new();
        for place in same.into_iter().chain(twins.filter(|place| Some(*place) != same)) {
            let mine = plan.entry(place)?;
            if Some(place) == same || is_topic || mine.consumer == entry.consumer {
                matching.push((place, mine, Some(place) == same));
            }
        }
        Ok(matching)
    }
}

/// The event that a letter carried when it was dead.
fn first(entry: &Entry) -> Option<EventId> {
    entry.replaces.or(entry.event)
}

/// How another run stands.
struct Stands {
    state: Option<State>,
    is_aborted: bool,
    is_over: bool,
}

impl Stands {
    fn of(other: &RunFolder, read: Option<(State, Option<Ended>)>) -> Result<Self, Stopped> {
        let Some((state, ended)) = read else { return Ok(Self { state: None, is_aborted: false, is_over: false }) };
        let is_aborted = matches!(ended, Some(Ended::Aborted { .. }));
        // One that had finished may have been begun again, and not have written that yet.
        let is_over = is_aborted || (ended == Some(Ended::Finished) && other.lock()?.is_some());
        Ok(Self { state: Some(state), is_aborted, is_over })
    }

    /// What that means for a letter of ours that matches the one at this place.
    fn say(&self, other: &RunFolder, place: u32, entry: &Entry, is_same_letter: bool) -> Option<Elsewhere> {
        let run = other.name();
        let Some(state) = &self.state else { return Some(Elsewhere::Damaged(run)) };
        match state.stage(place) {
            Stage::Waiting if !self.is_over => Some(Elsewhere::Open(run)),
            Stage::Intended | Stage::Ambiguous if self.is_aborted => Some(Elsewhere::Unknown(run)),
            Stage::Intended | Stage::Ambiguous => Some(Elsewhere::Open(run)),
            Stage::Sent if is_same_letter && self.is_aborted => Some(Elsewhere::Undeleted(run)),
            Stage::Sent if is_same_letter => Some(Elsewhere::Open(run)),
            Stage::Sent | Stage::Moved if entry.edit.is_some() => Some(Elsewhere::Replaced(run)),
            Stage::Sent | Stage::Moved if !state.has_returned(place) => {
                Some(Elsewhere::SentAs { replay: entry.replay, run })
            }
            _ => None,
        }
    }
}

/// Refuses to go on beside a run whose plan can't be read, if it may have sent what must not be sent, too. It can't send any more.
fn unreadable(other: &RunFolder, plan: &Plan, why: &dyn fmt::Display) -> Result<(), Stopped> {
    let has_begun = fs::metadata(other.journal()).is_ok_and(|journal| journal.len() > 0);
    let may_edit = || {
        // Of a plan that is gone nobody knows what it said.
        let text = fs::read(other.plan()).unwrap_or_default();
        text.is_empty() || text.windows(EDIT.len()).any(|window| window == EDIT)
    };
    if !has_begun || !(has_edits(plan.head()) || may_edit()) {
        return Ok(());
    }
    let why = format!(
        "run {} can't be read ({why}), and letters may be edited in one of the two: both forms of one might be sent. Once you know \
         what it has sent, move its folder {} away",
        other.name(),
        other.path().display()
    );
    Err(Stopped::new(Exit::Refused, why))
}

const EDIT: &[u8] = b"\"edit\":";

/// Whether runs of these two plans may have to do with each other: only an edit makes another event of one.
fn may_matter(theirs: &Head, ours: &Head) -> bool {
    theirs.deployment == ours.deployment && (has_edits(theirs) || has_edits(ours))
}

fn has_edits(head: &Head) -> bool {
    head.forecasts.get(&Forecast::Edited).is_some_and(|count| *count > 0)
}
