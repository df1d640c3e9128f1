//! Ending a run before its end.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use sendoff_consumers::{Stop, Stopper};
use serde::{Deserialize, Serialize};

/// Why nothing more is sent, although the scenario isn't over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A person asked for it, or the system that the process runs on.
    Signal(String),
    /// The file of the kill switch is there.
    KillSwitch(String),
    /// It would cost more than it may.
    Cost(String),
    /// More events were on their way in than may be.
    Outstanding(usize),
    /// As many events were sent as may be.
    Events(u64),
    /// The payloads can't be made.
    Payload(String),
    /// What was accepted can't be written down: nobody could clean it up.
    List(String),
}

impl Reason {
    /// Whether a guard ended it: exit code 5.
    #[must_use]
    pub const fn is_guard(&self) -> bool {
        matches!(self, Self::KillSwitch(_) | Self::Cost(_) | Self::Outstanding(_) | Self::Events(_))
    }

    /// Whether the load test itself couldn't go on.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Payload(_) | Self::List(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => write!(f, "{name}: the sending was stopped"),
            Self::KillSwitch(path) => write!(f, "the kill switch `{path}` is there: the sending was stopped"),
            Self::Cost(cost) => write!(f, "the run has cost {cost}: the sending was stopped (guards.max_cost)"),
            Self::Outstanding(most) => {
                write!(
                    f,
                    "{most} events were on their way in at once, the system doesn't take them any more: the sending was stopped (guards.max_outstanding)"
                )
            }
            Self::Events(most) => write!(f, "{most} events were sent, as many as may be (guards.max_events)"),
            Self::Payload(why) => write!(f, "the events can't be made: {why}"),
            Self::List(why) => {
                write!(f, "the list of accepted events can't be written: {why}; the sending was stopped")
            }
        }
    }
}

/// Ends the sending, once, and says why.
pub struct Halt {
    inner: Mutex<(Option<Reason>, Option<Stopper>)>,
    stop: Stop,
}

impl Default for Halt {
    fn default() -> Self {
        let (stopper, stop) = Stop::pair();
        Self { inner: Mutex::new((None, Some(stopper))), stop }
    }
}

impl Halt {
    /// Ends the sending. The first reason counts.
    pub fn halt(&self, reason: Reason) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.0.is_none() {
            inner.0 = Some(reason);
        }
        if let Some(stopper) = inner.1.take() {
            stopper.stop();
        }
    }

    /// Why it was ended; `None` while it wasn't.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Requested when it is ended.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }
}
