//! A run in a simulated world, killed and begun again there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{DeadLetter, Receipt, TakenLetter};
use sendoff_dlq_tools::{
    letter::Original,
    plan::Plan,
    run::{
        Ended, Originals, Progress, Run, RunError, Settings, State, Watcher,
        control::{Control, Wanted},
        journal::{Journal, JournalError, Line, Step},
        leases::{Lease, Leases},
    },
};
use sendoff_events::{BoxFuture, Clock as _, EventId, Rng as _, Timestamp};
use sendoff_tests::simulation::{Process, World, WorldClock};

use super::broker::{Broker, NoInbox};

/// A journal on a disk that may lose the end of what it wasn't asked to keep yet.
#[derive(Clone)]
pub(super) struct Disk {
    pub(super) lines: Arc<Mutex<(Vec<Line>, usize)>>,
    pub(super) clock: WorldClock,
    /// A planted mistake: what is about to be sent is written down only with what comes of it.
    pub(super) late: Option<Arc<Mutex<Vec<Line>>>>,
}

impl Disk {
    /// Whatever was written will be there.
    pub(super) fn keep_all(&self) {
        let mut lines = self.lines.lock().unwrap();
        lines.1 = lines.0.len();
    }
}

impl Journal for Disk {
    fn write(&self, line: Line) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            self.clock.sleep(Duration::from_millis(1)).await;
            if let (Some(late), Step::Intent { .. }) = (&self.late, &line.step) {
                late.lock().unwrap().push(line);
                return Ok(());
            }
            let count = {
                let mut lines = self.lines.lock().unwrap();
                lines.0.extend(self.late.iter().flat_map(|late| std::mem::take(&mut *late.lock().unwrap())));
                lines.0.push(line);
                lines.0.len()
            };
            self.clock.sleep(Duration::from_millis(1)).await;
            let mut lines = self.lines.lock().unwrap();
            lines.1 = lines.1.max(count);
            Ok(())
        })
    }
}

/// Leases that outlive their process.
#[derive(Clone, Default)]
pub(super) struct Remembered(Arc<Mutex<BTreeMap<String, Lease>>>);

impl Leases for Remembered {
    fn took(&self, letters: &[TakenLetter], until: Timestamp) {
        for TakenLetter { receipt, letter } in letters {
            let lease = Lease { message_id: Some(letter.message_id.clone()), receipt: receipt.clone(), until };
            self.0.lock().unwrap().insert(receipt.to_string(), lease);
        }
    }

    fn end(&self, receipts: &[Receipt], until: Timestamp) {
        for receipt in receipts {
            let unknown = Lease { message_id: None, receipt: receipt.clone(), until };
            self.0.lock().unwrap().entry(receipt.to_string()).or_insert(unknown).until = until;
        }
    }

    fn known(&self) -> Vec<Lease> {
        self.0.lock().unwrap().values().cloned().collect()
    }

    fn forget(&self) {
        self.0.lock().unwrap().clear();
    }
}

struct AsTheyStand;

impl Originals for AsTheyStand {
    fn original<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<Original, String>> {
        let DeadLetter { body, attributes, types, group, .. } = letter.clone();
        Box::pin(async { Ok(Original { body, attributes, types, group }) })
    }

    fn event(&self, _: &DeadLetter) -> Option<(EventId, u32)> {
        None
    }
}

pub(super) struct GoOn;

impl Control for GoOn {
    fn wanted(&self) -> Wanted {
        Wanted::Go
    }
}

impl Watcher for GoOn {
    fn progress(&self, _: &Progress) {}
    fn note(&self, _: &str) {}
}

pub(super) type End = Result<(Ended, State), RunError>;

/// One of the two: its plan, its disk, and how its present process ended.
pub(super) struct Replay {
    pub(super) process: Process,
    pub(super) plan: Arc<Plan>,
    pub(super) disk: Disk,
    pub(super) leases: Remembered,
    pub(super) broker: Broker,
    pub(super) control: Arc<dyn Control>,
    pub(super) ended: Arc<Mutex<Option<End>>>,
}

impl Replay {
    pub(super) fn state(&self) -> State {
        let mut state = State::new(&self.plan);
        self.disk.lines.lock().unwrap().0.iter().for_each(|line| state.apply(line));
        state
    }

    pub(super) fn start(&self, world: &mut World) {
        // What wasn't asked to be kept may be lost.
        let keep = {
            let lines = self.disk.lines.lock().unwrap();
            lines.1 + (world.rng().next_u64() as usize) % (lines.0.len() - lines.1 + 1)
        };
        self.disk.lines.lock().unwrap().0.truncate(keep);
        self.disk.lines.lock().unwrap().1 = keep;
        self.disk.late.iter().for_each(|late| late.lock().unwrap().clear());
        let (plan, disk, broker, ended) =
            (self.plan.clone(), self.disk.clone(), self.broker.clone(), self.ended.clone());
        let (control, leases) = (Arc::clone(&self.control), self.leases.clone());
        let (state, clock) = (self.state(), world.clock());
        world.spawn(self.process, async move {
            let run = Run {
                plan: &plan,
                letters: &broker,
                queues: &plan.head().queues(None),
                inbox: &NoInbox,
                originals: &AsTheyStand,
                journal: &disk,
                leases: &leases,
                control: &*control,
                clock: &clock,
                watcher: &GoOn,
                by: "grace",
                elsewhere: &HashMap::new(),
                aborted: None,
                settings: Settings { hold: Duration::from_secs(20), batch: 4, in_flight: 3 },
            };
            *ended.lock().unwrap() = Some(run.go(state).await);
        });
    }

    /// How often nobody knew whether a letter was sent, by its journal alone.
    pub(super) fn doubts(&self) -> HashMap<u32, usize> {
        let (mut doubts, mut pending) = (HashMap::new(), std::collections::HashSet::new());
        for line in &self.disk.lines.lock().unwrap().0 {
            match &line.step {
                Step::Begun { .. } => pending.drain().for_each(|n| *doubts.entry(n).or_default() += 1),
                Step::Intent { n } => pending.extend(n.iter().copied()),
                Step::Sent { n, .. } | Step::Unsent { n } | Step::Skipped { n, .. } => {
                    pending.retain(|pending| !n.contains(pending));
                }
                Step::Unknown { n, .. } => n.iter().for_each(|n| {
                    pending.remove(n);
                    *doubts.entry(*n).or_default() += 1;
                }),
                _ => {}
            }
        }
        doubts
    }
}
