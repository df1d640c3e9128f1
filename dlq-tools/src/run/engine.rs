//! The run: how many at once, how fast, in which steps, and when to stop.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{Either, select},
    stream::FuturesUnordered,
};
use sendoff_consumers::{DeadLetters, DeadLettersError, Destination, Inbox, Receipt};
use sendoff_events::{BoxFuture, Clock, EventId, Timestamp};
use sendoff_host::{Exit, Stopped};

use super::{
    Originals, Progress, Stage, State, Watcher,
    batch::{Batch, Fetch},
    control::{Control, Wanted},
    journal::{Journal, JournalError, Line, Step},
    pace::Pace,
    watch::Watched,
};
use crate::plan::{Plan, PlanError};

/// How a run works; none of it changes what it does.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// For how long a letter is leased. When the run breaks off, it is hidden from others for so long.
    pub hold: Duration,
    /// How many letters go together.
    pub batch: usize,
    /// How many such batches are under way at once.
    pub in_flight: usize,
}

impl Settings {
    /// As without flags.
    pub const DEFAULT: Self = Self { hold: Duration::from_secs(60), batch: 500, in_flight: 8 };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// All that could be done was done.
    Finished,
    /// It can be gone on with.
    Paused {
        /// Why it stopped.
        why: String,
        /// Whether it was the backend, which couldn't be reached.
        unreachable: bool,
    },
    /// It is over.
    Aborted {
        /// Who wanted that.
        by: String,
    },
}

/// A run could not go on. The journal knows how far it came.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The dead letters can't be used.
    #[error(transparent)]
    Letters(#[from] DeadLettersError),
    /// The journal can't be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The plan can't be read.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl From<RunError> for Stopped {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Journal(error) => error.into(),
            RunError::Plan(error) => error.into(),
            RunError::Letters(error) => {
                let exit = match error {
                    DeadLettersError::NoSuchQueue(_) => Exit::NothingMatched,
                    DeadLettersError::Refused(_) => Exit::Refused,
                    DeadLettersError::TooManyLeased(_) | DeadLettersError::Unavailable(_) => Exit::Unreachable,
                };
                Self::new(exit, error)
            }
        }
    }
}

/// A plan and all that it takes to carry it out.
pub struct Run<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The dead letters.
    pub letters: &'a dyn DeadLetters,
    /// What was handled.
    pub inbox: &'a dyn Inbox,
    /// What letters were before.
    pub originals: &'a dyn Originals,
    /// Where each step is written down.
    pub journal: &'a dyn Journal,
    /// What people want.
    pub control: &'a dyn Control,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who is told.
    pub watcher: &'a dyn Watcher,
    /// Who runs it.
    pub by: &'a str,
    /// Letters, by their place in the plan, that the named other run may send or have sent as another event.
    pub elsewhere: &'a HashMap<u32, String>,
    /// How it works.
    pub settings: Settings,
}

/// How often people are asked and told.
const TICK: Duration = Duration::from_secs(1);
/// How often the consumer is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// The most letters of no plan that are kept from coming again and again, where letters can't be asked for by their ids.
const MOST_HELD: usize = 100_000;
/// After how many takes in a row that gave nothing new a queue counts as seen.
const DRY: usize = 20;
/// How many calls in a row may fail.
const TRIES: usize = 5;
/// How many batches in a row may end without anybody knowing whether they were sent.
const UNKNOWNS: usize = 3;

/// What batches share.
pub(super) struct Shared {
    pub(super) state: State,
    /// Letters that a batch has in hand.
    pub(super) busy: HashSet<u32>,
    /// Letters that this process must not send again: whether they were sent is unknown, and a next run may find out.
    pub(super) unknown: HashSet<u32>,
    /// Letters of no plan that are held so that they don't come again.
    pub(super) strangers: Vec<(Receipt, Timestamp)>,
    /// Letters that came and weren't for us, since the queue was last gone through from its beginning.
    pub(super) seen: HashSet<u128>,
    pub(super) watched: HashMap<EventId, Watched>,
}

pub(super) struct Engine<'a> {
    pub(super) run: &'a Run<'a>,
    shared: Mutex<Shared>,
}

/// What the loop keeps for itself.
struct Loop {
    pace: Pace,
    begun: Timestamp,
    sent_before: u64,
    watched_before: (u64, u64),
    next_tick: Timestamp,
    next_look: Timestamp,
    crowded_since: Option<Timestamp>,
    failures: usize,
    unknowns: usize,
    doing: &'static str,
}

type Flight<'f> = FuturesUnordered<BoxFuture<'f, (usize, Result<Batch, RunError>)>>;

impl Run<'_> {
    /// Carries the plan out from where `state` says it is. Gives how it ended and how far it came.
    ///
    /// # Errors
    ///
    /// [`RunError`]. What was under way then is in the journal, and the next run goes on from there.
    pub async fn go(&self, state: State) -> Result<(Ended, State), RunError> {
        let (busy, unknown, seen) = (HashSet::new(), HashSet::new(), HashSet::new());
        let shared = Shared { state, busy, unknown, strangers: Vec::new(), seen, watched: HashMap::new() };
        let engine = Engine { run: self, shared: Mutex::new(shared) };
        let ended = engine.go().await;
        engine.give_back().await;
        let ended = ended?;
        engine
            .note(match ended.clone() {
                Ended::Finished => Step::Finished {},
                Ended::Paused { why, .. } => Step::Paused { why },
                Ended::Aborted { by } => Step::Aborted { by },
            })
            .await?;
        Ok((ended, engine.shared.into_inner().unwrap_or_else(PoisonError::into_inner).state))
    }
}

impl Engine<'_> {
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.run.clock.now()
    }

    pub(super) fn queue(&self) -> &str {
        &self.run.plan.head().queue
    }

    /// Writes a step down, and only then counts it.
    pub(super) async fn note(&self, step: Step) -> Result<(), RunError> {
        let line = Line { at: sendoff_events::at_millis(self.now()), step };
        self.run.journal.write(line.clone()).await?;
        self.shared().state.apply(&line);
        Ok(())
    }

    async fn go(&self) -> Result<Ended, RunError> {
        self.note(Step::Begun { by: self.run.by.to_owned() }).await?;
        let can_pick = self.run.letters.take_these(self.queue(), &[], self.run.settings.hold).await?.is_some();
        let head = self.run.plan.head();
        let now = self.now();
        let mut own = {
            let shared = self.shared();
            Loop {
                pace: Pace::new(head.rate, now),
                begun: now,
                sent_before: shared.state.sent(),
                watched_before: (shared.state.returned(), shared.state.watched()),
                next_tick: now,
                next_look: now,
                crowded_since: None,
                failures: 0,
                unknowns: 0,
                doing: "sending",
            }
        };
        let mut reached = 0;
        let rungs: Vec<u64> = head
            .canary
            .iter()
            .map(|rung| {
                reached += rung;
                reached
            })
            .collect();
        for rung in rungs {
            let (sent, open) = self.standing();
            if sent >= rung || rung >= sent + open {
                continue;
            }
            if let Some(ended) = self.pass(&mut own, rung - sent, can_pick).await? {
                return Ok(ended);
            }
            if let Some(ended) = self.watch(&mut own).await? {
                return Ok(ended);
            }
            let (sent, _) = self.standing();
            self.note(Step::Rung { sent }).await?;
        }
        if let Some(ended) = self.pass(&mut own, u64::MAX, can_pick).await? {
            return Ok(ended);
        }
        if let Some(ended) = self.watch(&mut own).await? {
            // All was sent: there is nothing left to pause, but somebody may have wanted the end.
            if !matches!(ended, Ended::Paused { .. }) {
                return Ok(ended);
            }
        }
        self.told(&mut own);
        Ok(Ended::Finished)
    }

    /// How many were sent or may have been, and how many are still to be.
    fn standing(&self) -> (u64, u64) {
        let shared = self.shared();
        let state = &shared.state;
        (
            state.sent() + shared.unknown.len() as u64,
            state.count(Stage::Waiting) + state.count(Stage::Ambiguous) - shared.unknown.len() as u64,
        )
    }

    /// Letters that this process can still do something with.
    fn open(&self) -> VecDeque<u32> {
        let shared = self.shared();
        let open = |place: &u32| shared.state.is_open(*place) && !shared.unknown.contains(place);
        // What only has to be deleted comes first: it must not be sent by anybody else.
        let (sent, rest): (Vec<u32>, Vec<u32>) =
            (0..shared.state.len()).filter(open).partition(|place| shared.state.stage(*place) == Stage::Sent);
        sent.into_iter().chain(rest).collect()
    }

    /// Sends up to `quota` letters.
    async fn pass(&self, own: &mut Loop, quota: u64, can_pick: bool) -> Result<Option<Ended>, RunError> {
        own.doing = "sending";
        let mut until = None;
        let mut todo = self.open();
        // Once all of them are sent, a queue that has to be searched isn't asked for more.
        let mut quota = quota.min(todo.len() as u64);
        loop {
            let missing = match self.round(own, &mut quota, can_pick, &mut todo).await? {
                Ok(missing) => missing,
                Err(ended) => return Ok(Some(ended)),
            };
            if quota == 0 || missing.is_empty() {
                break;
            }
            // Somebody may hold them, perhaps a run that broke off: their leases end.
            let end = || self.now().checked_add(self.run.settings.hold + LOOK).unwrap_or(Timestamp::MAX);
            let late = self.now() >= *until.get_or_insert_with(end);
            todo = self.still_there(missing, can_pick, late).await?.into();
            if todo.is_empty() || late {
                break;
            }
            own.doing = "waiting for letters that somebody else holds";
            if let Some(ended) = self.idle(own, TICK).await? {
                return Ok(Some(ended));
            }
        }
        self.give_back().await;
        Ok(None)
    }

    /// Goes once through `todo`, or through the queue. Gives the letters that weren't to be had.
    async fn round(
        &self,
        own: &mut Loop,
        quota: &mut u64,
        can_pick: bool,
        todo: &mut VecDeque<u32>,
    ) -> Result<Result<Vec<u32>, Ended>, RunError> {
        let Settings { batch, in_flight, .. } = self.run.settings;
        if !can_pick {
            // All of them are to come once in this round.
            self.give_back().await;
            self.shared().seen.clear();
        }
        let mut flight: Flight<'_> = FuturesUnordered::new();
        let (mut missing, mut dry, mut stop, mut failed) = (Vec::new(), 0, None, None);
        loop {
            if stop.is_none() && failed.is_none() {
                stop = self.tick(own).await?;
            }
            let more = |flight: &Flight<'_>| if can_pick { !todo.is_empty() } else { dry + flight.len() < DRY };
            let goes_on = stop.is_none() && failed.is_none() && own.crowded_since.is_none();
            if goes_on && *quota > 0 && more(&flight) && flight.len() < in_flight {
                let wait = own.pace.wait(self.now());
                if wait.is_zero() {
                    let count = own.pace.most(batch).min(usize::try_from(*quota).unwrap_or(usize::MAX));
                    let fetch = if can_pick {
                        Fetch::These(todo.drain(..count.min(todo.len())).collect())
                    } else {
                        Fetch::Any(count)
                    };
                    let count = fetch.count();
                    *quota -= count as u64;
                    own.pace.pay(count, self.now());
                    flight.push(self.batch(fetch).map(move |done| (count, done)).boxed());
                } else if flight.is_empty() {
                    self.run.clock.sleep(wait.min(TICK)).await;
                } else if let Some((count, done)) = self.next(&mut flight, wait.min(TICK)).await {
                    self.landed(own, quota, count, done, &mut missing, &mut dry, &mut stop, &mut failed);
                }
                continue;
            }
            if let Some((count, done)) = flight.next().await {
                self.landed(own, quota, count, done, &mut missing, &mut dry, &mut stop, &mut failed);
                self.keep_strangers().await;
                continue;
            }
            // Nothing is under way any more.
            if let Some(error) = failed {
                return Err(error);
            }
            if let Some(ended) = stop {
                return Ok(Err(ended));
            }
            if own.crowded_since.is_some() && *quota > 0 && more(&flight) {
                if let Some(ended) = self.idle(own, TICK).await? {
                    return Ok(Err(ended));
                }
                continue;
            }
            if !can_pick && *quota > 0 {
                missing = self.open().into();
            }
            return Ok(Ok(missing));
        }
    }

    async fn next<'f>(&self, flight: &mut Flight<'f>, at_most: Duration) -> Option<(usize, Result<Batch, RunError>)> {
        match select(flight.next(), self.run.clock.sleep(at_most)).await {
            Either::Left((landed, _)) => landed,
            Either::Right(_) => None,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "it is the end of the loop's body, which two places need")]
    fn landed(
        &self,
        own: &mut Loop,
        quota: &mut u64,
        count: usize,
        done: Result<Batch, RunError>,
        missing: &mut Vec<u32>,
        dry: &mut usize,
        stop: &mut Option<Ended>,
        failed: &mut Option<RunError>,
    ) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                failed.get_or_insert(error);
                return;
            }
        };
        let unused = count.saturating_sub(done.used);
        *quota = quota.saturating_add(unused as u64);
        own.pace.refund(unused);
        *dry = if done.fresh > 0 { 0 } else { *dry + 1 };
        missing.extend(done.missing);
        if let Some(why) = done.unreachable {
            own.failures += 1;
            if own.failures >= TRIES {
                stop.get_or_insert(Ended::Paused { why, unreachable: true });
            }
        } else {
            own.failures = 0;
        }
        match done.unknown {
            Some(why) if done.sent == 0 => {
                own.unknowns += 1;
                if own.unknowns >= UNKNOWNS {
                    let why = format!("whether letters were sent is unknown, {UNKNOWNS} times in a row: {why}");
                    stop.get_or_insert(Ended::Paused { why, unreachable: true });
                }
            }
            _ if done.sent > 0 => own.unknowns = 0,
            _ => {}
        }
    }

    /// Waits, and does meanwhile what has to be done each second.
    async fn idle(&self, own: &mut Loop, duration: Duration) -> Result<Option<Ended>, RunError> {
        self.run.clock.sleep(duration).await;
        self.tick(own).await
    }

    /// What has to be done each second: ask what people want, tell them how it goes, and now and then look at the consumer.
    async fn tick(&self, own: &mut Loop) -> Result<Option<Ended>, RunError> {
        let now = self.now();
        if now < own.next_tick {
            return Ok(None);
        }
        own.next_tick = now.checked_add(TICK).unwrap_or(now);
        self.told(own);
        loop {
            match self.run.control.wanted() {
                Wanted::Go => break,
                Wanted::Leave => {
                    return Ok(Some(Ended::Paused { why: "its process was asked to end".into(), unreachable: false }));
                }
                Wanted::Abort { by } => return Ok(Some(Ended::Aborted { by })),
                Wanted::Wait { .. } => {
                    let doing = std::mem::replace(&mut own.doing, "paused");
                    self.give_back().await;
                    self.told(own);
                    self.run.clock.sleep(TICK).await;
                    own.doing = doing;
                }
            }
        }
        if now < own.next_look {
            return Ok(None);
        }
        own.next_look = now.checked_add(LOOK).unwrap_or(now);
        self.settle().await?;
        if let Some(why) = self.comes_back(own) {
            return Ok(Some(Ended::Paused { why, unreachable: false }));
        }
        self.crowded(own).await
    }

    fn told(&self, own: &mut Loop) {
        let shared = self.shared();
        let seconds = self.now().duration_since(own.begun).as_secs_f64();
        let sent = shared.state.sent().saturating_sub(own.sent_before);
        let rate = if seconds > 0.0 { sent as f64 / seconds } else { 0.0 };
        let progress = Progress::of(&shared.state, rate, own.doing);
        drop(shared);
        self.run.watcher.progress(&progress);
    }

    /// Says why the run has to stop, if too much of what it sent has come back.
    fn comes_back(&self, own: &Loop) -> Option<String> {
        let shared = self.shared();
        let returned = shared.state.returned().saturating_sub(own.watched_before.0);
        let watched = shared.state.watched().saturating_sub(own.watched_before.1);
        let most = self.run.plan.head().stop.returned_share;
        let share = returned as f64 / watched.max(1) as f64;
        (returned > 0 && share > most).then(|| {
            format!(
                "{returned} of the {watched} letters that were watched have failed again, and the plan allows {:.0} %",
                most * 100.0
            )
        })
    }

    /// Looks whether the destination has too much to do.
    async fn crowded(&self, own: &mut Loop) -> Result<Option<Ended>, RunError> {
        let stop = self.run.plan.head().stop;
        let Destination::Queue(queue) = &self.run.plan.head().to.0 else { return Ok(None) };
        if stop.backlog.is_none() && stop.backlog_age_s.is_none() {
            return Ok(None);
        }
        // A look that fails says nothing: the sends themselves will tell.
        let Ok(backlog) = self.run.letters.backlog(queue).await else { return Ok(None) };
        let too_old = stop.backlog_age_s.zip(backlog.oldest).is_some_and(|(most, oldest)| oldest.as_secs() > most);
        let too_many = stop.backlog.is_some_and(|most| backlog.waiting > most);
        if !too_old && !too_many {
            own.crowded_since = None;
            own.doing = "sending";
            return Ok(None);
        }
        let now = self.now();
        let since = *own.crowded_since.get_or_insert(now);
        own.doing = "waiting for the consumer";
        let waited: Duration = now.duration_since(since).try_into().unwrap_or_default();
        Ok((waited.as_secs() >= stop.patience_s).then(|| Ended::Paused {
            why: format!(
                "`{queue}` has had too much to do for {} s: {} messages wait",
                waited.as_secs(),
                backlog.waiting
            ),
            unreachable: false,
        }))
    }

    /// Waits until what was sent has come to an end, or for as long as the plan says.
    async fn watch(&self, own: &mut Loop) -> Result<Option<Ended>, RunError> {
        let until = self.now().checked_add(self.run.plan.head().watch()).unwrap_or(Timestamp::MAX);
        own.doing = "watching";
        loop {
            self.settle().await?;
            if self.now() >= until {
                self.look_for_returned().await?;
            }
            if let Some(why) = self.comes_back(own) {
                return Ok(Some(Ended::Paused { why, unreachable: false }));
            }
            if self.shared().watched.is_empty() || self.now() >= until {
                return Ok(None);
            }
            if let Some(ended) = self.idle(own, TICK).await? {
                return Ok(Some(ended));
            }
        }
    }

    /// Keeps the letters of no plan hidden while the queue is gone through, or gives them back when they are too many.
    async fn keep_strangers(&self) {
        let hold = self.run.settings.hold;
        let soon = self.now().checked_add(hold / 2).unwrap_or(Timestamp::MAX);
        let (count, receipts) = {
            let shared = self.shared();
            let due = shared.strangers.iter().filter(|(_, until)| *until < soon);
            (shared.strangers.len(), due.map(|(receipt, _)| receipt.clone()).collect::<Vec<_>>())
        };
        if count > MOST_HELD {
            return self.give_back().await;
        }
        if receipts.is_empty() {
            return;
        }
        let until = self.now().checked_add(hold).unwrap_or(Timestamp::MAX);
        // One whose lease has lapsed already just comes again.
        let _ = self.run.letters.hold(self.queue(), &receipts, hold).await;
        for (_, known) in self.shared().strangers.iter_mut().filter(|(_, known)| *known < soon) {
            *known = until;
        }
    }

    /// Gives back the letters of no plan.
    pub(super) async fn give_back(&self) {
        let strangers = std::mem::take(&mut self.shared().strangers);
        let receipts: Vec<Receipt> = strangers.into_iter().map(|(receipt, _)| receipt).collect();
        if !receipts.is_empty() {
            // What can't be given back comes back when its lease ends.
            let _ = self.run.letters.hold(self.queue(), &receipts, Duration::ZERO).await;
        }
    }
}
