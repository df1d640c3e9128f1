//! A backend in memory: the ports as plain state machines. The conformance suite holds it to the same promises as any other
//! backend, and the simulation runs the protocol over it, with a network in between that loses, delays and repeats.

mod audit;
mod blobs;
mod changes;
mod dead_letters;
mod deliveries;
mod inbox;
mod queue;
mod records;
mod runs;
mod schedules;
mod topic;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sendoff_events::{BoxFuture, Clock, Timestamp, at_millis};

pub use audit::MemoryAudit;
pub use blobs::{BlobsState, MemoryBlobs};
pub use changes::{ChangesState, MemoryChanges};
pub use dead_letters::{DeadState, MemoryDeadLetters};
pub use deliveries::{DeliveriesState, MemoryDeliveries};
pub use inbox::MemoryInbox;
pub use queue::{MemoryQueue, QueueState};
pub use records::{MemoryOutbox, MemoryRecords, RecordsState};
pub use runs::{MemoryRuns, RunsState};
pub use schedules::{MemorySchedules, QueuesState};
pub use topic::{MAX_MESSAGE_BYTES, MemoryPublisher, TopicState};

use crate::simulation::Network;

/// A deliberate mistake in a port, to prove that the simulation can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// The inbox takes every write, whatever its fence and revision.
    UnfencedInbox,
    /// A claim that takes over forgets that a step was being sent.
    ForgetsSending,
    /// An ack removes the message although its lease has gone to somebody else, and a claim never settles: the classic
    /// "ack first" consumer.
    AcksBeforeHandling,
    /// The topic loses the last event of a batch and says it took it.
    LosesLastOfBatch,
}

/// How a port's operations reach its state.
#[derive(Clone)]
pub enum Link {
    /// At once, without fail.
    Direct,
    /// Through a simulated network.
    Network(Arc<Network>),
}

/// The answer didn't come: whether the operation was applied is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

/// What a port's adapter holds: the state, the way to it, and the time.
pub struct Remote<S> {
    state: Arc<Mutex<S>>,
    link: Link,
    clock: Arc<dyn Clock>,
    /// The mistake that is planted in it, if any.
    pub planted: Option<Planted>,
}

impl<S> Clone for Remote<S> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), link: self.link.clone(), clock: self.clock.clone(), planted: self.planted }
    }
}

impl<S: Send + 'static> Remote<S> {
    /// The state behind a link.
    pub fn new(state: Arc<Mutex<S>>, link: Link, clock: Arc<dyn Clock>) -> Self {
        Self { state, link, clock, planted: None }
    }

    /// The same with a mistake planted.
    #[must_use]
    pub fn with_planted(mut self, planted: Option<Planted>) -> Self {
        self.planted = planted;
        self
    }

    /// Applies `operation` to the state, at the moment the network delivers it.
    fn call<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut S, Timestamp) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, NoAnswer>> {
        let (state, clock) = (self.state.clone(), self.clock.clone());
        let apply = move || operation(&mut lock(&state), at_millis(clock.now()));
        match &self.link {
            Link::Direct => Box::pin(async move { Ok(apply()) }),
            Link::Network(network) => network.call(apply),
        }
    }
}

/// Locks a state. A test that panicked while it held the lock has failed anyway.
pub fn lock<S>(state: &Mutex<S>) -> MutexGuard<'_, S> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
