//! Requests to stop: the first one ends the sending, the second one the waiting after it; where the sending is over, the first one
//! ends the waiting. One listener hears them from the beginning of a verb to its end: where there is none, a signal that was listened
//! to once has no meaning left.

mod told;

use std::sync::{Arc, OnceLock};

use sendoff_consumers::Stop;
use sendoff_host::{Signals, Stopped};
use tokio::task::JoinHandle;
pub(super) use told::{Told, taken_back};

use crate::guards::{Halt, Reason};

/// Hears requests to stop.
pub(super) struct Stopping {
    name: Arc<OnceLock<&'static str>>,
    first: Stop,
    second: Stop,
}

impl Stopping {
    /// Listens from now on, until the process ends.
    pub(super) fn listen() -> Result<Self, Stopped> {
        let mut signals = Signals::listen()
            .map_err(|error| Stopped::failed(format_args!("requests to stop can't be heard: {error}")))?;
        let ((one, first), (two, second)) = (Stop::pair(), Stop::pair());
        let name = Arc::new(OnceLock::new());
        let heard = name.clone();
        tokio::spawn(async move {
            let _ = heard.set(signals.next().await);
            one.stop();
            signals.next().await;
            two.stop();
            // Whatever comes later changes nothing any more.
            std::future::pending::<()>().await;
        });
        Ok(Self { name, first, second })
    }

    /// Who asked to stop, if anybody has.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.name.get().map(|name| Reason::Signal((*name).to_owned()))
    }

    /// Requested when the waiting is to end too.
    pub(super) fn enough(&self) -> Stop {
        self.second.clone()
    }

    /// Halts a run when somebody asks to stop, until the task is aborted.
    pub(super) fn halts(&self, halt: Arc<Halt>) -> JoinHandle<()> {
        let (name, first) = (self.name.clone(), self.first.clone());
        tokio::spawn(async move {
            first.requested().await;
            if let Some(name) = name.get() {
                halt.halt(Reason::Signal((*name).to_owned()));
            }
        })
    }
}
