//! Looks once a second at how the system and the run are.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use futures::{FutureExt as _, pin_mut, select};
use sendoff_consumers::{Depth, Stop};
use sendoff_events::EventId;
use serde::{Deserialize, Serialize};

use crate::{
    guards::{Halt, Reason},
    reconcile::{Counts, Reconciler},
    target::Usage,
};

/// How things stood at a moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the beginning.
    pub at: f64,
    /// Parcels sent so far.
    pub sent: u64,
    /// Parcels accepted so far.
    pub accepted: u64,
    /// Messages that wait or are being handled, by consumer; none where the queues couldn't be asked.
    pub backlog: BTreeMap<String, u64>,
    /// Resident bytes of the system's memory. Where it runs in this process, less what the load test itself takes for its ledger.
    pub memory: Option<u64>,
    /// Bytes on disk.
    pub stored: Option<u64>,
    /// Dollars so far.
    pub cost: Option<f64>,
}

impl Sample {
    /// Messages in all queues; `None` where they couldn't be asked.
    #[must_use]
    pub fn backlog(&self) -> Option<u64> {
        (!self.backlog.is_empty()).then(|| self.backlog.values().sum())
    }
}

/// What is known of all samples of a run, also of those that weren't kept.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Overall {
    /// The most resident bytes of memory, as in [`Sample::memory`].
    pub memory: Option<u64>,
    /// The most messages in all queues.
    pub backlog: Option<u64>,
    /// Bytes on disk, when they were last known.
    pub stored: Option<u64>,
    /// Dollars, when they were last known.
    pub cost: Option<f64>,
}

/// The samples of a run so far.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Samples {
    /// At most [`MOST`], as far from each other as the ones before, and the last one.
    pub(super) kept: Vec<Sample>,
    pub(super) overall: Overall,
    taken: usize,
    /// How often every other one was dropped.
    thinned: u32,
}

/// How many samples are kept. They stand in the process that may be measured, so they mustn't become more the longer it takes.
const MOST: usize = 600;

impl Samples {
    /// The next one. Where there would be too many, every other one is dropped, and from then on half as many are kept.
    fn take(&mut self, sample: Sample) {
        self.look_at(&sample);
        if self.kept.len() == MOST {
            let mut places = 0..;
            self.kept.retain(|_| places.next().is_some_and(|place: usize| place.is_multiple_of(2)));
            self.thinned += 1;
        }
        if self.taken.is_multiple_of(1 << self.thinned) {
            self.kept.push(sample);
        }
        self.taken += 1;
    }

    /// The last one, which is kept always.
    fn end(mut self, sample: Sample) -> Self {
        self.look_at(&sample);
        self.kept.push(sample);
        self
    }

    fn look_at(&mut self, sample: &Sample) {
        let Overall { memory, backlog, stored, cost } = &mut self.overall;
        *memory = sample.memory.max(*memory);
        *backlog = sample.backlog().max(*backlog);
        *stored = sample.stored.or(*stored);
        *cost = sample.cost.or(*cost);
    }
}

/// How a run goes on, for whoever watches it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// How many parcels the scenario sends.
    pub expected: u64,
    /// How the sending goes.
    pub counts: Counts,
    /// Messages in all queues; `None` where they couldn't be asked.
    pub backlog: Option<u64>,
    /// Seconds since the beginning.
    pub at: f64,
}

/// Whoever is told how a run goes on, once a second.
pub trait Watcher: Send + Sync {
    /// So far it has come.
    fn progress(&self, progress: &Progress);
    /// Events that were accepted since the last time, by number.
    ///
    /// # Errors
    ///
    /// When they can't be kept: then nothing more is sent, since nobody could clean it up.
    fn accepted(&self, events: &[(u64, EventId)]) -> std::io::Result<()>;
    /// Somebody has ended the sending. What was sent is followed.
    fn halted(&self, by: &Reason) {
        let _ = by;
    }
    /// Somebody has ended the waiting after the sending.
    fn cut_short(&self, by: &Reason) {
        let _ = by;
    }
}

/// Samples a run.
pub(super) struct Sampler {
    pub(super) reconciler: Arc<Reconciler>,
    pub(super) halt: Arc<Halt>,
    pub(super) watcher: Arc<dyn Watcher>,
    pub(super) switch: Option<PathBuf>,
    pub(super) max_cost: f64,
    pub(super) expected: u64,
}

const EVERY: Duration = Duration::from_secs(1);

impl Sampler {
    /// Samples until the run is over.
    pub(super) async fn run(&self, over: Stop) -> Samples {
        let over = over.requested().fuse();
        pin_mut!(over);
        let mut samples = Samples::default();
        let clock = &self.reconciler.clock;
        loop {
            let began = clock.now();
            samples.take(self.sample().await);
            let took = Duration::try_from(clock.now().duration_since(began)).unwrap_or_default();
            select! {
                () = over => break,
                () = clock.sleep(EVERY.saturating_sub(took)).fuse() => {}
            }
        }
        samples.end(self.sample().await)
    }

    async fn sample(&self) -> Sample {
        let Reconciler { target, clock, .. } = &*self.reconciler;
        // The guards come first: a system that hangs keeps whoever asks it waiting.
        if let Some(switch) = self.switch.as_ref().filter(|switch| switch.exists()) {
            self.guard(Reason::KillSwitch(switch.display().to_string()));
        }
        let usage = target.usage().await.unwrap_or_default();
        if let Some(cost) = usage.cost.filter(|cost| *cost >= self.max_cost && self.max_cost.is_finite() && *cost > 0.0)
        {
            self.guard(Reason::Cost(format!("${cost:.2}")));
        }
        let depths = self.depths().await;
        let (counts, fresh, bytes, at) = {
            let mut ledger = self.reconciler.ledger();
            let at = clock.now().duration_since(ledger.started()).as_secs_f64();
            (ledger.counts(), ledger.take_fresh(), ledger.bytes() as u64, at.max(0.0))
        };
        if let Err(error) = self.watcher.accepted(&fresh) {
            self.halt.halt(Reason::List(error.to_string()));
        }
        let Usage { resident, stored, cost } = usage;
        let own = if target.is_here() { bytes } else { 0 };
        let memory = resident.map(|resident| resident.saturating_sub(own));
        let backlog = depths.into_iter().map(|(name, d)| (name, d.visible + d.in_flight + d.delayed)).collect();
        let sample = Sample { at, sent: counts.sent, accepted: counts.accepted, backlog, memory, stored, cost };
        self.watcher.progress(&Progress { expected: self.expected, counts, backlog: sample.backlog(), at });
        sample
    }

    /// A guard ends the sending. Once that is over there is nothing to be ended.
    fn guard(&self, reason: Reason) {
        if self.reconciler.ledger().sent_until().is_none() {
            self.halt.halt(reason);
        }
    }

    /// How full the queues are; nothing where that can't be asked until the next look is due.
    async fn depths(&self) -> BTreeMap<String, Depth> {
        select! {
            depths = self.reconciler.target.depths().fuse() => depths.unwrap_or_default(),
            () = self.reconciler.clock.sleep(EVERY).fuse() => BTreeMap::new(),
        }
    }
}
