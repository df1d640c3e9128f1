//! A breaker: after some failures in a row nobody tries for a while, so that a dead server doesn't cost its timeout each time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sendoff_events::Timestamp;

use crate::moments::later;

/// How many failures in a row open it.
const FAILURES: u32 = 3;
/// For how long it stays open. Then one caller tries.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    open_until: Option<Timestamp>,
}

impl Breaker {
    /// Whether to try. While it is open one caller per pause may, and its result decides.
    pub(super) fn allows(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                // The others go on without until this one knows, or, if it never tells, for another pause.
                state.open_until = Some(later(now, PAUSE));
                true
            }
        }
    }

    pub(super) fn succeeded(&self) {
        *self.state() = State::default();
    }

    /// Whether this failure has opened it.
    pub(super) fn failed(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.open_until = Some(later(now, PAUSE));
        }
        state.failures == FAILURES
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
