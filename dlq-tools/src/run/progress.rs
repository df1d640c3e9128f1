//! How a run goes on, for whoever watches it.

use std::{fmt, time::Duration};

use sendoff_events::Timestamp;
use serde::Serialize;

use super::{Stage, State};

/// What a run does that somebody has told to wait.
pub(super) const PAUSED: &str = "paused";

/// What a run waits for while it watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Watching {
    /// Until when at the latest.
    pub until: Timestamp,
    /// Of how many of those that are watched the end is known.
    pub ended: u64,
    /// How many are watched.
    pub of: u64,
    /// How many are sent afterwards.
    pub then: u64,
}

/// As a person reads it.
impl fmt::Display for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { until, ended, of, then } = self;
        write!(f, "watching until {until:.0}: {ended} of {of} came to an end")?;
        if *then > 0 { write!(f, "; then {then} more") } else { Ok(()) }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Progress {
    /// How many letters the plan sends.
    pub planned: u64,
    /// How many were sent.
    pub sent: u64,
    /// How many of those came back.
    pub returned: u64,
    /// How many weren't sent, and why is known; gone ones among them.
    pub skipped: u64,
    /// Of how many nobody knows whether they were sent.
    pub ambiguous: u64,
    /// How many wait for their turn.
    pub waiting: u64,
    /// How many are sent a second, over the last while.
    pub rate: f64,
    /// In how many seconds it will be over, at this rate and with the watches that are to come; `None` when that can't be told.
    pub eta_s: Option<u64>,
    /// What it is doing: `sending`, `watching`, `paused`, …
    pub doing: &'static str,
    /// What it watches; `None` while it doesn't.
    pub watching: Option<Watching>,
}

impl Progress {
    /// `watches` is how long those take that are to come.
    pub(super) fn of(
        state: &State,
        rate: f64,
        watches: Duration,
        doing: &'static str,
        watching: Option<Watching>,
    ) -> Self {
        let waiting = state.count(Stage::Waiting);
        let sending = (rate > 0.0 && waiting > 0 && watching.is_none()).then(|| (waiting as f64 / rate).ceil() as u64);
        let eta_s = sending.map(|sending| sending.saturating_add(watches.as_secs()));
        Self {
            planned: state.planned(),
            sent: state.sent(),
            returned: state.returned(),
            skipped: state.count(Stage::Skipped) + state.count(Stage::Gone),
            ambiguous: state.count(Stage::Ambiguous) + state.count(Stage::Intended),
            waiting,
            rate,
            eta_s,
            doing,
            watching,
        }
    }
}

/// Whoever is told how a run goes on, about each second.
pub trait Watcher: Send + Sync {
    /// So far it has come.
    fn progress(&self, progress: &Progress);
    /// Something happened that a person should read.
    fn note(&self, text: &str);
}
