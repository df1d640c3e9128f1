//! One run: prepare, send, follow, drain, and give everything that is known.

mod interrupt;
mod sample;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{
    future::{Either, select},
    join,
};
use interrupt::Interrupt;
pub use sample::{Overall, Progress, Sample, Watcher};
use sample::{Sampler, Samples};
use sendoff_consumers::{Attributes, Depth, Stop, Subscriber};
use sendoff_events::{BoxFuture, Clock, Timestamp};

use crate::{
    RunId, Via,
    generator::{Courier, Generator, Health, Limits},
    guards::{self, Halt, Reason, Refusal},
    payload::{PayloadError, Payloads},
    reconcile::{Ledger, Reconciler, Settled},
    scenario::{Kind, Scenario},
    slo::{Slo, SloError},
    target::{Target, TargetError},
};

/// What a run needs.
pub struct Setup {
    /// What it does.
    pub scenario: Scenario,
    /// What it is called.
    pub run: RunId,
    /// The system.
    pub target: Arc<dyn Target>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where its parts run.
    pub host: Host,
    /// Who is told how it goes on.
    pub watcher: Arc<dyn Watcher>,
    /// Ends the sending; once that is over, the waiting after it.
    pub halt: Arc<Halt>,
    /// Ends the waiting after it.
    pub enough: Stop,
    /// The file whose being there ends the sending.
    pub switch: Option<PathBuf>,
}

/// Where the parts of a run run. In a simulation all are in one place; a real generator has a thread of its own.
#[derive(Clone)]
pub struct Host {
    /// Carries parcels to the system.
    pub courier: fn(Arc<dyn Target>, Via, Arc<dyn Clock>) -> Courier,
    /// Runs the generator.
    pub apart: fn(BoxFuture<'static, Health>) -> BoxFuture<'static, Health>,
}

/// Everything that is known of a run.
pub struct Outcome {
    /// When it began.
    pub started: Timestamp,
    /// When the last parcel was handed over, or the sending was ended early.
    pub sent_until: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// How good the generator was.
    pub health: Health,
    /// What became of everything.
    pub settled: Settled,
    /// What was sent, with how long it took.
    pub ledger: Arc<Mutex<Ledger>>,
    /// How things stood, each second; at longer, equal distances where that would be more than 600 times.
    pub samples: Vec<Sample>,
    /// What is known of every second.
    pub overall: Overall,
    /// What a reader of the figures has to know of the way in.
    pub remark: Option<&'static str>,
    /// Why the sending ended before its end.
    pub halted: Option<Reason>,
    /// Who ended the waiting after it before its end.
    pub cut_short: Option<Reason>,
}

/// A run could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A guard says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The system isn't ready for it. Nothing was made in it.
    #[error(transparent)]
    Unready(TargetError),
    /// It couldn't be prepared. What it speaks of may have been made in the system.
    #[error(transparent)]
    Unprepared(TargetError),
    /// It was ended before anything was sent. What it speaks of may have been made in the system.
    #[error("{0}, before it had begun")]
    Interrupted(Reason),
    /// The payloads can't be made.
    #[error("the events can't be made: {0}")]
    Payload(#[from] PayloadError),
    /// What has to hold could never be measured.
    #[error(transparent)]
    Slo(#[from] SloError),
    /// Nobody gets what would be sent.
    #[error("no consumer has subscribed to `{0}`: nothing could be measured")]
    Nobody(&'static str),
    /// So many consumers get one kind of event that they can't be told apart any more.
    #[error("{0} consumers are more than can be followed: {most} at most", most = Ledger::MOST_CONSUMERS)]
    TooMany(usize),
}

/// How long there is between the preparation and the first parcel.
const TAKE_OFF: Duration = Duration::from_millis(200);

/// Windows of latencies in a run.
const WINDOWS: u32 = 240;

/// Runs a scenario.
///
/// # Errors
///
/// [`RunError`] when it can't begin.
pub async fn run(setup: Setup) -> Result<Outcome, RunError> {
    let Setup { scenario, run, target, clock, host, watcher, halt, enough, switch } = setup;
    guards::check(&scenario)?;
    if let Some(switch) = &switch {
        guards::check_switch(switch)?;
    }
    let preparing = pin!(prepare(&scenario, &run, &*target, clock.clone()));
    let prepared = match select(preparing, halt.stop().requested()).await {
        Either::Left((prepared, _)) => Some(prepared?),
        Either::Right(_) => None,
    };
    let Prepared { by_kind, payloads, before } = match (prepared, halt.reason()) {
        (Some(prepared), None) => prepared,
        (_, reason) => return Err(RunError::Interrupted(reason.unwrap_or_else(|| Reason::Signal("a stop".into())))),
    };

    let start = clock.now().saturating_add(TAKE_OFF).unwrap_or(Timestamp::MAX);
    let window = (scenario.duration / WINDOWS).max(Duration::from_secs(1));
    let ledger = Arc::new(Mutex::new(Ledger::new(start, scenario.warm_up, window, &by_kind)));
    let reconciler = Arc::new(Reconciler {
        target: target.clone(),
        run: run.clone(),
        ledger: ledger.clone(),
        clock: clock.clone(),
        via: scenario.via,
        before,
    });
    // What is requested of the run is one thing, and what ends its sending another: a request may come after that.
    let sending_halt = Arc::new(Halt::default());
    let (interrupt, enough) = Interrupt::new(halt, sending_halt.clone(), enough, watcher.clone());
    let generator = Generator {
        start,
        arrivals: scenario.shape.arrivals(scenario.duration, scenario.seed),
        payloads,
        courier: (host.courier)(target.clone(), scenario.via, clock.clone()),
        ledger: ledger.clone(),
        halt: sending_halt.clone(),
        clock: clock.clone(),
        patience: scenario.drain,
        enough: enough.clone(),
        limits: Limits::of(&scenario),
    };
    let sampler = Sampler {
        reconciler: reconciler.clone(),
        halt: sending_halt.clone(),
        watcher,
        switch,
        max_cost: scenario.guards.max_cost,
        expected: scenario.expected(),
    };

    let ((sent, all_sent), (over, is_over)) = (Stop::pair(), Stop::pair());
    let sending = async {
        let health = (host.apart)(Box::pin(generator.run())).await;
        let mut ledger = reconciler.ledger();
        // One that broke off hasn't said so.
        if ledger.sent_until().is_none() {
            ledger.sending_ended(clock.now());
        }
        drop(ledger);
        sent.stop();
        health
    };
    let following = async {
        reconciler.follow(scenario.generator.look_behind, all_sent.clone(), enough.clone()).await;
        let settled = if is_unbegun(&reconciler, &sending_halt) {
            Settled::default()
        } else {
            drained(&reconciler, scenario.drain, enough).await
        };
        over.stop();
        settled
    };
    let interrupting = interrupt.heed(&reconciler, is_over.clone());
    let (health, settled, samples, cut_short) = join!(sending, following, sampler.run(is_over), interrupting);
    let halted = sending_halt.reason();
    if is_unbegun(&reconciler, &sending_halt)
        && let Some(reason) = halted
    {
        return Err(RunError::Interrupted(reason));
    }
    let sent_until = {
        let mut ledger = reconciler.ledger();
        ledger.cut_off(clock.now(), &settled.evidence.census);
        ledger.sent_until().unwrap_or_else(|| clock.now())
    };
    let ended = clock.now();
    let remark = target.remark(scenario.via);
    let Samples { kept: samples, overall, .. } = samples;
    Ok(Outcome {
        started: start,
        sent_until,
        ended,
        health,
        settled,
        ledger,
        samples,
        overall,
        remark,
        halted,
        cut_short,
    })
}

/// Whether it was ended before anything was sent.
fn is_unbegun(reconciler: &Reconciler, halt: &Halt) -> bool {
    halt.reason().is_some() && reconciler.ledger().counts().sent == 0
}

/// Waits until everything is at its end, or for so long.
async fn drained(reconciler: &Reconciler, time: Duration, enough: Stop) -> Settled {
    let deadline = reconciler.clock.now().saturating_add(time).unwrap_or(Timestamp::MAX);
    let timing_out = pin!(reconciler.time_out());
    match select(timing_out, pin!(reconciler.drain(deadline, enough))).await {
        Either::Left((never, _)) => match never {},
        Either::Right((settled, _)) => settled,
    }
}

/// What there is before the first parcel.
struct Prepared {
    by_kind: BTreeMap<Kind, Vec<String>>,
    payloads: Payloads,
    /// How many messages stand in each consumer's queue.
    before: BTreeMap<String, u64>,
}

/// Makes what the run speaks of, if the system is ready for it.
async fn prepare(
    scenario: &Scenario,
    run: &RunId,
    target: &dyn Target,
    clock: Arc<dyn Clock>,
) -> Result<Prepared, RunError> {
    target.ready(run, scenario.via).await.map_err(RunError::Unready)?;
    let subscribers = target.subscribers().await.map_err(RunError::Unready)?;
    let by_kind = subscriptions(scenario, &subscribers)?;
    let consumers: Vec<&str> = by_kind.values().flatten().map(String::as_str).collect();
    Slo::check_names(scenario, Some(&consumers))?;
    let payloads = Payloads::new(scenario, run, clock)?;
    target.prepare(run, &payloads.people()).await.map_err(RunError::Unprepared)?;
    let depths = target.depths().await.map_err(RunError::Unprepared)?;
    let waiting = |(name, depth): (String, Depth)| (name, depth.visible + depth.in_flight + depth.delayed);
    Ok(Prepared { by_kind, payloads, before: depths.into_iter().map(waiting).collect() })
}

/// The consumers of each kind of event that the scenario sends.
fn subscriptions(scenario: &Scenario, subscribers: &[Subscriber]) -> Result<BTreeMap<Kind, Vec<String>>, RunError> {
    let mut by_kind = BTreeMap::new();
    for kind in scenario.mix.iter().map(|event| event.kind) {
        let attributes = Attributes::from([("type".to_owned(), kind.event_type().to_string())]);
        let wants = |s: &&Subscriber| s.filter.as_ref().is_some_and(|filter| filter.accepts(&attributes));
        let names: Vec<String> = subscribers.iter().filter(wants).map(|s| s.queue.clone()).collect();
        if names.is_empty() {
            return Err(RunError::Nobody(kind.word()));
        }
        by_kind.insert(kind, names);
    }
    let mut all: Vec<&String> = by_kind.values().flatten().collect();
    all.sort();
    all.dedup();
    if all.len() > Ledger::MOST_CONSUMERS { Err(RunError::TooMany(all.len())) } else { Ok(by_kind) }
}
