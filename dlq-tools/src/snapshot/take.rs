//! Taking a snapshot: looking at every letter of a queue once, and leaving each as it was.
//!
//! Where the queue can be read, it is read. Where every look is a lease, many are leased at a time and held until the end, so that
//! each look gives other letters; then all are given back.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    time::Duration,
};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{join, select},
    stream,
};
use sendoff_consumers::{DeadLetter, DeadLetterQueue, DeadLetters, DeadLettersError, InboxError, Stop};
use sendoff_events::{Blobs, Clock, at_millis};
use sendoff_host::{Exit, Stopped};
use sha2::{Digest as _, Sha256};

use super::{PAGE_BYTES, Snapshot, SnapshotError, Taken, edits::Edits, leases::Leases, writer::Writer};
use crate::letter::{self, Letter};

/// How many letters are asked for at a time, at first and at most.
const FIRST_PAGE: usize = 100;
const PAGE: usize = 1000;
/// How many claim checks are fetched at a time.
const FETCHES: usize = 32;
/// After how many looks in a row that gave nothing new there is nothing more, when as many letters were seen as there are, and when
/// fewer were: a look may give none although there are some.
const IDLE: usize = 3;
const IDLE_EARLY: usize = 10;
/// How long after a look that gave nothing the next one is.
const PAUSE: Duration = Duration::from_millis(300);

/// What a snapshot is taken from.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The letters.
    pub letters: &'a dyn DeadLetters,
    /// Large bodies.
    pub blobs: &'a dyn Blobs,
    /// The time.
    pub clock: &'a dyn Clock,
}

/// How it is taken.
#[derive(Clone)]
pub struct Taking {
    /// The file. One that is there already, and wasn't taken to its end, is gone on with.
    pub path: PathBuf,
    /// For how long letters are leased at a time, where looking needs leases. Leases are prolonged while it lasts.
    pub hold: Duration,
    /// At most so many new letters.
    pub max: Option<u64>,
    /// Ends it early, with all leases given back.
    pub stop: Stop,
    /// Earlier snapshots of the queue, the newest first: what was edited there is edited in this one, too.
    pub earlier: Vec<PathBuf>,
}

/// A snapshot that was taken.
pub struct Took {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// How many letters are new in it.
    pub added: u64,
    /// How many of those were edited in an earlier snapshot, and so in this one.
    pub edits: u64,
    /// Earlier snapshots that can't be read, and why: what was edited there isn't edited in this one.
    pub damaged: BTreeMap<PathBuf, String>,
    /// Whether it was stopped before its end.
    pub is_stopped: bool,
}

/// A snapshot could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Looking into the queue does harm.
    #[error("`{queue}` isn't looked into: {why}. Take that away first, or look at the source of its letters")]
    Untouchable {
        /// Which queue.
        queue: String,
        /// Why.
        why: String,
    },
    /// The file is a snapshot of something else.
    #[error("{} is a snapshot of `{queue}` of {deployment}: another one can't be added to it", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Its queue.
        queue: String,
        /// Its deployment.
        deployment: String,
    },
    /// The file is complete.
    #[error("{} was taken to its end: there is nothing to go on with", .0.display())]
    Complete(PathBuf),
    /// The letters can't be had.
    #[error(transparent)]
    Letters(#[from] DeadLettersError),
    /// What consumers have recorded can't be had.
    #[error("what the consumers have recorded can't be read: {0}")]
    Ledger(#[from] InboxError),
    /// The file can't be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl From<TakeError> for Stopped {
    fn from(error: TakeError) -> Self {
        let exit = match error {
            TakeError::Untouchable { .. } | TakeError::Other { .. } | TakeError::Complete(_) => Exit::Refused,
            TakeError::Letters(error) => return stopped(error),
            TakeError::Ledger(_) => Exit::Unreachable,
            TakeError::Snapshot(error) => return error.into(),
        };
        Self::new(exit, error)
    }
}

/// How the program ends over a dead-letter queue that could not be used.
pub(crate) fn stopped(error: DeadLettersError) -> Stopped {
    let exit = match error {
        DeadLettersError::NoSuchQueue(_) => Exit::NothingMatched,
        DeadLettersError::Refused(_) => Exit::Refused,
        DeadLettersError::TooManyLeased(_) | DeadLettersError::Unavailable(_) => Exit::Unreachable,
    };
    Stopped::new(exit, error)
}

/// Takes a snapshot of a queue, or goes on with one. `progress` hears how many letters are in it after each page.
///
/// Whatever ends it, all leases are given back, as far as the queue answers, and what was seen stays in the file.
///
/// # Errors
///
/// [`TakeError`].
pub async fn take(
    ports: Ports<'_>,
    queue: &DeadLetterQueue,
    taking: &Taking,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Took, TakeError> {
    if let Some(why) = queue.untouchable.clone() {
        return Err(TakeError::Untouchable { queue: queue.name.clone(), why });
    }
    let earlier: Vec<PathBuf> = taking.earlier.iter().filter(|path| **path != taking.path).cloned().collect();
    let mut edits = Edits::of(&earlier, &ports.letters.deployment(), &queue.name)?;
    let snapshot = begin(ports, queue, taking)?;
    snapshot.be_quick()?;
    let mut known = HashSet::new();
    snapshot.each_id(|id| {
        known.insert(mark(id));
    })?;
    let before = known.len() as u64;
    let leases = Leases::new(ports.letters, ports.clock, &queue.name, taking.hold);
    let mut look = Look {
        ports,
        queue,
        stop: &taking.stop,
        after: None,
        leases,
        is_leasing: false,
        known,
        idle: 0,
        page: FIRST_PAGE,
    };
    let mut writer = Writer::new(snapshot);
    let looked = all(&mut look, &mut writer, &mut edits, taking.max, progress).await;
    look.leases.give_all_back().await;
    let Leases { leased, released, .. } = look.leases;
    let ended_at = matches!(looked, Ok(End::Complete | End::CutOff)).then(|| at_millis(ports.clock.now()));
    let is_cut_off = matches!(looked, Ok(End::CutOff));
    let written = writer.finish(|taken| Taken {
        ended_at,
        is_cut_off,
        leased: taken.leased + leased,
        released: taken.released + released,
        // Each lease is one receive.
        receives: taken.receives + leased,
        ..taken.clone()
    });
    let written = written.await;
    let is_stopped = looked? == End::Stopped;
    let snapshot = written?;
    let added = snapshot.count()?.saturating_sub(before);
    let (edits, damaged) = edits.told();
    Ok(Took { snapshot, added, edits, damaged, is_stopped })
}

fn begin(ports: Ports<'_>, queue: &DeadLetterQueue, taking: &Taking) -> Result<Snapshot, TakeError> {
    let deployment = ports.letters.deployment();
    if taking.path.exists() {
        let snapshot = Snapshot::open(&taking.path)?;
        let taken = snapshot.taken().clone();
        return if (&taken.deployment, &taken.queue) != (&deployment, &queue.name) {
            Err(TakeError::Other { path: taking.path.clone(), queue: taken.queue, deployment: taken.deployment })
        } else if taken.ended_at.is_some() {
            Err(TakeError::Complete(taking.path.clone()))
        } else {
            Ok(snapshot)
        };
    }
    let taken = Taken {
        deployment,
        queue: queue.name.clone(),
        target: queue.kind.target().map(str::to_owned),
        retention_s: queue.retention.map(|retention| retention.as_secs()),
        fifo: queue.fifo,
        begun_at: at_millis(ports.clock.now()),
        ended_at: None,
        depth: queue.waiting + queue.in_flight,
        leased: 0,
        released: 0,
        receives: 0,
        is_cut_off: false,
    };
    Ok(Snapshot::create(&taking.path, taken)?)
}

#[derive(PartialEq, Eq)]
enum End {
    Complete,
    CutOff,
    Stopped,
}

/// Looks at all there is. While one page is looked up and written, the next one is asked for.
async fn all(
    look: &mut Look<'_>,
    writer: &mut Writer,
    edits: &mut Edits,
    max: Option<u64>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<End, TakeError> {
    let (ports, queue) = (look.ports, look.queue);
    let mut left = max.unwrap_or(u64::MAX);
    let mut pending = Vec::new();
    loop {
        let is_stopped = look.stop.requested().now_or_never().is_some();
        let more = async { if is_stopped || left == 0 { Ok(None) } else { look.next(left).await } };
        let stored = async {
            if pending.is_empty() {
                return Ok(None);
            }
            let mut letters = whole(ports, queue, std::mem::take(&mut pending)).await?;
            edits.take_over(&mut letters)?;
            let bytes: usize = letters.iter().map(|letter| letter.message.body.len() + letter.content().len()).sum();
            let average = bytes / letters.len().max(1) + 1;
            writer.add(letters).await?;
            Ok::<_, TakeError>(Some(average))
        };
        let (more, stored) = join(more, stored).await;
        if let Some(average) = stored? {
            look.page = (PAGE_BYTES / average).clamp(10, PAGE);
        }
        progress(look.known.len() as u64);
        match more? {
            Some(page) => {
                left = left.saturating_sub(page.len() as u64);
                pending = page;
            }
            None if is_stopped => return Ok(End::Stopped),
            None if left == 0 => return Ok(End::CutOff),
            None => return Ok(End::Complete),
        }
    }
}

/// Where the look is.
struct Look<'a> {
    ports: Ports<'a>,
    queue: &'a DeadLetterQueue,
    stop: &'a Stop,
    after: Option<String>,
    leases: Leases<'a>,
    is_leasing: bool,
    /// The letters that were seen.
    known: HashSet<u128>,
    idle: usize,
    page: usize,
}

impl Look<'_> {
    /// The next letters that weren't seen yet, which may be none; `None` when there are no more.
    async fn next(&mut self, left: u64) -> Result<Option<Vec<DeadLetter>>, DeadLettersError> {
        let max = self.page.min(usize::try_from(left).unwrap_or(usize::MAX));
        if !self.is_leasing {
            match self.ports.letters.read(&self.queue.name, self.after.as_deref(), max).await? {
                Some(page) => {
                    let Some(last) = page.last() else { return Ok(None) };
                    self.after = Some(last.message_id.clone());
                    return Ok(Some(self.new_among(page)));
                }
                None => self.is_leasing = true,
            }
        }
        let page = self.leases.take(max).await?;
        let is_empty = page.is_empty();
        let new = self.new_among(page);
        self.idle = if new.is_empty() { self.idle + 1 } else { 0 };
        if self.idle >= self.patience() {
            return Ok(None);
        }
        if is_empty {
            select(self.ports.clock.sleep(PAUSE), Box::pin(self.stop.requested())).await;
        }
        Ok(Some(new))
    }

    fn new_among(&mut self, mut page: Vec<DeadLetter>) -> Vec<DeadLetter> {
        page.retain(|letter| self.known.insert(mark(&letter.message_id)));
        page
    }

    /// How many looks in a row may give nothing new.
    fn patience(&self) -> usize {
        if self.leases.leased < self.queue.waiting {
            return IDLE_EARLY;
        }
        // Those that were given back early come between those that were not seen yet.
        self.leases.full_at.map_or(IDLE, |held| IDLE + 2 * held / self.page.max(1))
    }
}

/// The letters with their bodies, and with what their consumers have recorded.
async fn whole(ports: Ports<'_>, queue: &DeadLetterQueue, page: Vec<DeadLetter>) -> Result<Vec<Letter>, TakeError> {
    let reads = page.into_iter().map(|message| letter::read(message, queue, ports.blobs));
    let mut letters: Vec<Letter> = stream::iter(reads).buffered(FETCHES).collect().await;
    let keys: Vec<_> = letters.iter().map(|letter| letter::ledger_key(&letter.facts)).collect();
    let asked: Vec<_> = keys.iter().flatten().cloned().collect();
    if asked.is_empty() {
        return Ok(letters);
    }
    let mut records = ports.letters.ledger(&asked).await?.into_iter();
    for (letter, key) in letters.iter_mut().zip(&keys) {
        if key.is_some() {
            letter.ledger = records.next().flatten().as_ref().map(Into::into);
        }
    }
    Ok(letters)
}

/// A message id in 16 bytes: a million of them are to stand in memory.
pub(super) fn mark(id: &str) -> u128 {
    let digest = Sha256::digest(id);
    digest.iter().take(16).fold(0, |mark, byte| mark << 8 | u128::from(*byte))
}
