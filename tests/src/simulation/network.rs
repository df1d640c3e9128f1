//! The network between a process and what it talks to. A request that has left arrives whether or not its sender lives; it
//! may be lost, arrive late (also after its sender has given up), and its answer may be lost.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::channel::oneshot;
use sendoff_events::{BoxFuture, Clock, Rng};

use super::{WorldClock, WorldRng};
use crate::memory::{NoAnswer, lock};

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How likely what goes wrong is, per mille of calls.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// The request is lost.
    pub lost_request: u64,
    /// It is applied, and its answer is lost.
    pub lost_answer: u64,
    /// It is applied long after the caller gave up.
    pub late: u64,
}

/// A network with faults, which can be switched off for the end of a run.
pub struct Network {
    clock: WorldClock,
    rng: WorldRng,
    faults: Faults,
    calm: AtomicBool,
}

impl Network {
    /// A network in the world of this clock and these random numbers.
    #[must_use]
    pub fn new(clock: WorldClock, rng: WorldRng, faults: Faults) -> Self {
        Self { clock, rng, faults, calm: AtomicBool::new(false) }
    }

    /// No more faults from now on.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Whether something that happens `per_mille` of the time happens now.
    pub fn happens(&self, per_mille: u64) -> bool {
        !self.calm.load(Ordering::Relaxed) && self.rng.next_u64() % 1000 < per_mille
    }

    /// Sends a request that is applied where it arrives, and waits for its answer.
    pub fn call<T: Send + 'static>(
        &self,
        apply: impl FnOnce() -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, NoAnswer>> {
        let (sender, receiver) = oneshot::channel();
        let sender = Arc::new(Mutex::new(Some(sender)));
        if !self.happens(self.faults.lost_request) {
            let late = self.happens(self.faults.late);
            let there = if late { 3000 + self.rng.next_u64() % 30_000 } else { self.rng.next_u64() % 20 };
            let back = self.rng.next_u64() % 20;
            let answer_lost = self.happens(self.faults.lost_answer);
            let (clock, answer_to) = (self.clock.clone(), sender.clone());
            self.clock.later(Duration::from_millis(there), move || {
                let result = apply();
                if answer_lost {
                    return;
                }
                clock.later(Duration::from_millis(back), move || {
                    if let Some(sender) = lock(&answer_to).take() {
                        // A caller that died or gave up isn't waiting any more.
                        let _ = sender.send(result);
                    }
                });
            });
        }
        let patience = self.clock.sleep(PATIENCE);
        Box::pin(async move {
            // Keeps the channel open while the answer is lost.
            let _sender = sender;
            match futures::future::select(receiver, patience).await {
                futures::future::Either::Left((Ok(answer), _)) => Ok(answer),
                _ => Err(NoAnswer),
            }
        })
    }
}
