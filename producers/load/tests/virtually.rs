//! A run in virtual time.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::Stop;
use sendoff_events::{BoxFuture, Clock, EventId};
use sendoff_load::{
    RunId, Via,
    generator::{Courier, Health},
    guards::{Halt, Reason},
    report::{Place, Report},
    run::{self, Host, Outcome, Progress, RunError, Setup, Watcher},
    scenario::{Overrides, Scenario},
    target::Target,
};
use sendoff_tests::simulation::{Process, World, WorldClock};

use crate::fake::{Fake, Faults};

/// The scenario of a text, which has to be one.
pub(crate) fn scenario(text: &str) -> Scenario {
    Scenario::parse(Path::new("test.toml"), text, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn run_id() -> RunId {
    "test".parse().unwrap()
}

/// Everything in one place.
const TOGETHER: Host = Host { courier, apart: |generating| generating };

fn courier(target: Arc<dyn Target>, via: Via, clock: Arc<dyn Clock>) -> Courier {
    Arc::new(move |parcels| {
        let (target, clock) = (target.clone(), clock.clone());
        Box::pin(async move {
            let answers = target.send(via, &parcels).await;
            (clock.now(), answers)
        })
    })
}

/// A host must be able to run the generator elsewhere: its future belongs to nobody.
const _: fn(BoxFuture<'static, Health>) -> BoxFuture<'static, Health> = TOGETHER.apart;

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Ears {
    pub(crate) accepted: Mutex<Vec<(u64, EventId)>>,
    pub(crate) last: Mutex<Progress>,
}

impl Watcher for Ears {
    fn progress(&self, progress: &Progress) {
        *self.last.lock().unwrap() = progress.clone();
    }

    fn accepted(&self, events: &[(u64, EventId)]) -> std::io::Result<()> {
        self.accepted.lock().unwrap().extend_from_slice(events);
        Ok(())
    }
}

/// What came out of a run in virtual time.
pub(crate) struct Ran {
    pub(crate) report: Report,
    pub(crate) target: Arc<Fake>,
    pub(crate) ears: Arc<Ears>,
    pub(crate) outcome: Outcome,
}

/// Runs a scenario against a system that misbehaves.
pub(crate) fn ran(text: &str, faults: Faults) -> Ran {
    ran_until(text, faults, |_, _| {})
}

/// The same, with something that happens meanwhile.
pub(crate) fn ran_until(text: &str, faults: Faults, meanwhile: impl FnOnce(&WorldClock, Arc<Halt>)) -> Ran {
    tried(text, faults, meanwhile).unwrap_or_else(|e| panic!("{e}"))
}

/// The same, where it may not even begin.
pub(crate) fn tried(
    text: &str,
    faults: Faults,
    meanwhile: impl FnOnce(&WorldClock, Arc<Halt>),
) -> Result<Ran, RunError> {
    tried_with(text, faults, Ended::default(), meanwhile)
}

/// What else ends a run, or stands against it.
#[derive(Default)]
pub(crate) struct Ended {
    /// The file that is the kill switch.
    pub(crate) switch: Option<PathBuf>,
    /// When nobody wants to wait for its end any more, so long after the beginning.
    pub(crate) enough: Option<Duration>,
    /// Whether it is a soak test.
    pub(crate) soak: bool,
}

/// The same, with what else ends it.
pub(crate) fn tried_with(
    text: &str,
    faults: Faults,
    ended: Ended,
    meanwhile: impl FnOnce(&WorldClock, Arc<Halt>),
) -> Result<Ran, RunError> {
    let scenario = Scenario { soak: ended.soak, ..scenario(text) };
    let mut world = World::new(scenario.seed);
    let clock = world.clock();
    let target = Fake::new(clock.clone(), world.rng(), faults);
    let (ears, halt) = (Arc::new(Ears::default()), Arc::new(Halt::default()));
    let setup = Setup {
        scenario: scenario.clone(),
        run: run_id(),
        target: target.clone(),
        clock: Arc::new(clock.clone()),
        host: TOGETHER,
        watcher: ears.clone(),
        halt: halt.clone(),
        enough: ended.enough.map_or_else(Stop::never, |after| {
            let (stopper, enough) = Stop::pair();
            clock.later(after, move || stopper.stop());
            enough
        }),
        switch: ended.switch,
    };
    meanwhile(&clock, halt);
    let slot = Arc::new(Mutex::new(None));
    let result = slot.clone();
    world.spawn(Process(1), async move {
        let outcome = run::run(setup).await;
        *result.lock().unwrap() = Some(outcome);
    });
    while world.alive(Process(1)) > 0 {
        assert!(world.step(), "the run waits for something that never comes");
    }
    let outcome = slot.lock().unwrap().take().expect("it has ended")?;
    let report = Report::of(&scenario, &run_id(), Place { target: target.name(), ..Place::default() }, &outcome);
    assert_eq!(report.total.sent(), report.total.accounted(), "the account adds up, whatever happened");
    for account in &report.accounts {
        assert_eq!(account.sent(), account.accounted(), "{account:?}");
    }
    Ok(Ran { report, target, ears, outcome })
}

/// Ends a run at a moment.
pub(crate) fn halt_at(seconds: u64) -> impl FnOnce(&WorldClock, Arc<Halt>) {
    move |clock, halt| {
        clock.later(Duration::from_secs(seconds), move || halt.halt(Reason::Signal("Ctrl-C".into())));
    }
}
