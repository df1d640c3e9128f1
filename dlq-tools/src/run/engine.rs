//! A run: what it stands on, what its batches share, and how it ends.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sendoff_consumers::{DeadLetters, DeadLettersError, Inbox, Receipt};
use sendoff_events::{Clock, EventId, Timestamp};
use sendoff_host::{Exit, Stopped};

use super::{
    Elsewhere, Originals, Stage, State, Watcher,
    control::Control,
    journal::{Journal, JournalError, Line, Step},
    leases::Leases,
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
    /// As without flags. Fifteen hundred letters are under way: enough to keep a processor busy where calls take 10 ms, and few enough to
    /// stay in its cache.
    pub const DEFAULT: Self = Self { hold: Duration::from_secs(60), batch: 250, in_flight: 6 };
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
    /// The queues that get what it sends: they are watched for having too much to do.
    pub queues: &'a [String],
    /// What was handled.
    pub inbox: &'a dyn Inbox,
    /// What letters were before.
    pub originals: &'a dyn Originals,
    /// Where each step is written down.
    pub journal: &'a dyn Journal,
    /// Where the leases are kept that it holds.
    pub leases: &'a dyn Leases,
    /// What people want.
    pub control: &'a dyn Control,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who is told.
    pub watcher: &'a dyn Watcher,
    /// Who runs it.
    pub by: &'a str,
    /// Letters, by their place in the plan, that another run may send or have sent as another event.
    pub elsewhere: &'a HashMap<u32, Elsewhere>,
    /// Who aborted it: then it only deletes what it has sent.
    pub aborted: Option<String>,
    /// How it works.
    pub settings: Settings,
}

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
    /// Receipts that came after those by which batches hold their letters.
    pub(super) newer: HashMap<u32, Receipt>,
    pub(super) watched: HashMap<EventId, Watched>,
}

pub(super) struct Engine<'a> {
    pub(super) run: &'a Run<'a>,
    shared: Mutex<Shared>,
}

impl Run<'_> {
    /// Carries the plan out from where `state` says it is. Gives how it ended and how far it came.
    ///
    /// # Errors
    ///
    /// [`RunError`]. What was under way then is in the journal, and the next run goes on from there.
    pub async fn go(&self, state: State) -> Result<(Ended, State), RunError> {
        let (busy, unknown, seen) = (HashSet::new(), HashSet::new(), HashSet::new());
        let shared = Shared {
            state,
            busy,
            unknown,
            strangers: Vec::new(),
            seen,
            newer: HashMap::new(),
            watched: HashMap::new(),
        };
        let engine = Engine { run: self, shared: Mutex::new(shared) };
        let ended = engine.go().await;
        engine.give_back().await;
        let ended = ended?;
        if engine.shared().state.count(Stage::Sent) == 0 {
            self.leases.forget();
        }
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

    /// Whether a letter at this stage may be dealt with: of a run that was aborted, only what was sent.
    pub(super) fn may_do(&self, stage: Stage) -> bool {
        self.run.aborted.is_none() || stage == Stage::Sent
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
}
