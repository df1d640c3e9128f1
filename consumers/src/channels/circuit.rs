//! A circuit around a provider: while it can't be used, nobody tries, so that an outage costs neither time nor doubts.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sendoff_events::{Clock, Rng, Timestamp};

use crate::{
    Backoff, NotSent, SendOutcome,
    moments::{is_of_another_time, later, since},
    scrub,
};

/// For how long it opens: twice as long each time that a probe fails.
const PAUSE: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(300) };
/// The longest that a provider's own word is taken for. Asking four times an hour disturbs nobody.
const MAX_PAUSE: Duration = Duration::from_secs(900);
/// How many unknown outcomes in a row open it. One is an accident.
const DOUBTS: u32 = 5;
/// When to come back while somebody else is trying.
const PROBING: Duration = Duration::from_secs(1);

/// Whether a provider is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// It is.
    Closed,
    /// Not before that moment.
    Open {
        /// When one message may try.
        until: Timestamp,
    },
    /// One message tries, and what becomes of it decides for the others.
    HalfOpen,
}

/// The circuit. It opens at the first [`NotSent::Unavailable`], since that says something about every message, and after five
/// unknown outcomes in a row, since an outage that swallows answers makes a doubt of every message.
pub(super) struct Circuit(Mutex<Inner>);

struct Inner {
    state: State,
    /// Counts the changes of state: what becomes of an attempt that began before the last one no longer matters.
    epoch: u64,
    /// Unknown outcomes in a row.
    doubts: u32,
    /// How many times in a row it was opened.
    opened: u32,
    /// Why it was opened.
    reason: String,
}

#[derive(Clone, Copy)]
enum State {
    Closed,
    Open {
        until: Timestamp,
    },
    /// Somebody is trying.
    Probing,
}

/// Why nobody may try, and for how long.
pub(super) struct Closed {
    pub(super) after: Duration,
    pub(super) reason: String,
}

/// What an outcome says about the provider.
enum Sign {
    /// It answers.
    Answers,
    /// It can't be used.
    Unusable { after: Option<Duration>, reason: String },
    /// It took a message and told nothing.
    Silent { reason: String },
    /// Nothing.
    Nothing,
}

/// What somebody who may try holds. Dropped without a result, it lets somebody else try; dropped while the provider is asked,
/// which is what a deadline does, it counts as an unknown outcome.
pub(super) struct Permit<'a> {
    circuit: &'a Circuit,
    name: &'static str,
    clock: &'a dyn Clock,
    rng: &'a dyn Rng,
    epoch: u64,
    asking: bool,
}

impl Circuit {
    pub(super) const fn new() -> Self {
        let state = State::Closed;
        Self(Mutex::new(Inner { state, epoch: 0, doubts: 0, opened: 0, reason: String::new() }))
    }

    pub(super) fn state(&self, now: Timestamp) -> CircuitState {
        match self.inner().state {
            State::Closed => CircuitState::Closed,
            State::Open { until } if until > now => CircuitState::Open { until },
            State::Open { .. } | State::Probing => CircuitState::HalfOpen,
        }
    }

    /// Asks to use the provider called `name`.
    pub(super) fn enter<'a>(
        &'a self,
        name: &'static str,
        clock: &'a dyn Clock,
        rng: &'a dyn Rng,
    ) -> Result<Permit<'a>, Closed> {
        let now = clock.now();
        let mut inner = self.inner();
        match inner.state {
            State::Closed => {}
            State::Open { until } if until > now && !is_of_another_time(until, MAX_PAUSE, now) => {
                return Err(Closed { after: since(now, until), reason: inner.reason.clone() });
            }
            State::Open { .. } => inner.become_(State::Probing),
            State::Probing => return Err(Closed { after: PROBING, reason: inner.reason.clone() }),
        }
        Ok(Permit { circuit: self, name, clock, rng, epoch: inner.epoch, asking: false })
    }

    /// What became of an attempt. How long nobody may try from now on, if this attempt decided that.
    fn conclude(&self, permit: &Permit<'_>, sign: Sign) -> Option<Duration> {
        let now = permit.clock.now();
        let mut inner = self.inner();
        if inner.epoch != permit.epoch {
            return None;
        }
        let probing = matches!(inner.state, State::Probing);
        let (after, reason) = match sign {
            Sign::Answers => {
                (inner.doubts, inner.opened) = (0, 0);
                if probing {
                    inner.become_(State::Closed);
                    tracing::info!(provider = permit.name, "the provider can be used again");
                }
                return None;
            }
            // Somebody else may try at once.
            Sign::Nothing => {
                if probing {
                    inner.become_(State::Open { until: now });
                }
                return None;
            }
            Sign::Silent { reason } => {
                inner.doubts += 1;
                if inner.doubts < DOUBTS && !probing {
                    return None;
                }
                (None, reason)
            }
            Sign::Unusable { after, reason } => (after, reason),
        };
        inner.opened = inner.opened.saturating_add(1);
        // At least half of it, so that many processes neither try together nor too early.
        let ceiling = PAUSE.ceiling(inner.opened);
        let pause =
            (ceiling / 2 + (ceiling / 2).mul_f64(permit.rng.next_f64())).max(after.unwrap_or_default().min(MAX_PAUSE));
        inner.reason = scrub(&reason);
        inner.become_(State::Open { until: later(now, pause) });
        if inner.opened == 1 {
            let (provider, seconds) = (permit.name, pause.as_secs_f64());
            tracing::warn!(provider, seconds, reason = inner.reason, "the provider is not used for a while");
        }
        Some(pause)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn become_(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
        self.doubts = 0;
    }
}

impl Permit<'_> {
    /// The provider is asked from now on.
    pub(super) const fn begin(&mut self) {
        self.asking = true;
    }

    /// What became of it. How long nobody may try from now on, if this attempt decided that.
    pub(super) fn conclude(mut self, outcome: &SendOutcome) -> Option<Duration> {
        self.asking = false;
        let sign = match outcome {
            SendOutcome::Skipped { .. } => return None,
            SendOutcome::NotSent(NotSent::Unavailable { after, reason }) => {
                Sign::Unusable { after: *after, reason: reason.clone() }
            }
            SendOutcome::Unknown { reason, .. } => Sign::Silent { reason: reason.clone() },
            SendOutcome::Sent { .. } | SendOutcome::NotSent(_) => Sign::Answers,
        };
        self.circuit.conclude(&self, sign)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let sign = if self.asking {
            Sign::Silent { reason: "it was given up before it had answered".into() }
        } else {
            Sign::Nothing
        };
        self.circuit.conclude(self, sign);
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Circuit")
    }
}
