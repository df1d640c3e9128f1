//! Carrying out a plan, with all that guards it, and with its audit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{
    future::{Either, select},
    pin_mut,
};
use sendoff_consumers::{Audit, AuditNote, IdempotencyKey, Status};
use sendoff_embedded::program::print::one_line;
use sendoff_events::{Clock, Timestamp};
use sendoff_host::{Exit, Signals, Stopped};

use super::How;
use crate::{
    deployment::Deployment,
    plan::{self, Cover, Forecast, Plan},
    run::{
        self, Ended, OfQueue, Report, Run, RunError, Settings, Stage, State, Watcher,
        control::{self, FileControl, Wanted},
        folder::{Found, Lock, RunFolder, Standing},
        journal::FileJournal,
        leases::FileLeases,
    },
    verbs::audit::stopped,
};

/// A run that is to be carried out, whoever watches it.
pub(crate) struct Carrying<'a> {
    /// Where.
    pub(crate) deployment: &'a Deployment,
    /// Its folder.
    pub(crate) folder: &'a RunFolder,
    /// By whom.
    pub(crate) who: &'a str,
    /// In which way.
    pub(crate) how: &'a How,
    /// The time.
    pub(crate) clock: &'a dyn Clock,
    /// Set when this process is to leave it, so that it can be gone on with.
    pub(crate) leave: Arc<AtomicBool>,
}

/// A run that was carried out, as far as it came.
pub(crate) struct Carried {
    /// What it has done, by its journal.
    pub(crate) report: Report,
    /// How it ended.
    pub(crate) outcome: Result<Ended, RunError>,
    /// When it had been finished, if there was nothing left to do.
    pub(crate) over_since: Option<Timestamp>,
    /// Why its report or its end in the audit couldn't be written, as on a disk that is full.
    pub(crate) unkept: Option<Stopped>,
}

impl Carried {
    /// What the program's exit code says of it.
    pub(crate) fn exit(self) -> Result<Exit, Stopped> {
        let ended = self.outcome?;
        self.unkept.map_or(Ok(()), Err)?;
        match ended {
            Ended::Paused { unreachable: true, .. } if self.report.ambiguous == 0 => Ok(Exit::Unreachable),
            _ => Ok(self.report.exit()),
        }
    }
}

impl Carrying<'_> {
    /// Carries it out from where it is, with all that guards it, and with its audit.
    pub(crate) async fn out(self, watcher: &dyn Watcher) -> Result<Carried, Stopped> {
        let Self { deployment, folder, who, how, clock, leave } = self;
        let Some(_lock) = locked(clock, folder).await? else {
            let why = format!("run {} is being carried out by another process: `dlq runs` shows it", folder.name());
            return Err(Stopped::new(Exit::Refused, why));
        };
        // What was wanted of a process before this one is over, but for the end: whoever wanted that, wanted it for good. What is
        // wanted from now on is for this process.
        if !matches!(control::wanted(folder.path()), Wanted::Abort { .. }) {
            control::want(folder.path(), &Wanted::Go)?;
        }
        let Found { plan, stands: Standing { state, whole, ended, last_at } } = folder.read()?;
        let aborted = match &ended {
            Some(Ended::Aborted { by }) => Some(by.clone()),
            _ => None,
        };
        if aborted.is_some() && state.count(Stage::Sent) == 0 {
            let why = format!("run {} was aborted, and stays so: make a new plan of what is left", folder.name());
            return Err(Stopped::new(Exit::Refused, why));
        }
        let is_open = (0..state.len()).any(|place| state.is_open(place));
        if ended == Some(Ended::Finished) && !is_open {
            let report = Report::of(&plan, &state, ended.as_ref());
            // The process that finished it may have died before it said so here.
            folder.report(&report)?;
            return Ok(Carried { report, outcome: Ok(Ended::Finished), over_since: last_at, unkept: None });
        }
        if aborted.is_some() {
            control::want(folder.path(), &Wanted::Go)?;
            watcher.note("the run was aborted: what it had sent is deleted, and nothing more is done");
        }
        guard(deployment, &plan).await?;
        if plan.head().force_rerun.is_some() {
            no_doubts(deployment, &plan, &state).await?;
        }
        let queue = deployment.letters.queue(&plan.head().queue, Timestamp::MAX).await;
        let queue = queue.map_err(|error| Stopped::from(RunError::from(error)))?;
        if let Some(why) = &queue.untouchable {
            let why = format!("`{}` is better not touched: {}", queue.name, one_line(why));
            return Err(Stopped::new(Exit::Refused, why));
        }
        let elsewhere = run::elsewhere(&deployment.work, folder, &plan, |line| watcher.note(line))?;
        let head = plan.head();
        let because = how.because.clone().or_else(|| head.force_rerun.clone()).unwrap_or_default();
        let forced = head.force_rerun.is_some();
        let target = format!("{}, plan {}", head.queue, plan.hash());
        let note = |action: &str, because: &str| AuditNote {
            who: who.to_owned(),
            action: action.to_owned(),
            event: None,
            target: target.clone(),
            because: because.to_owned(),
        };
        audited(&*deployment.audit, &note(if forced { "force-rerun" } else { "replay" }, &because)).await?;
        let mut control = FileControl::new(folder.path());
        control.leave = leave;
        let journal = FileJournal::open(&folder.journal(), whole)?;
        let run = Run {
            plan: &plan,
            letters: &*deployment.letters,
            queues: &head.queues(queue.kind.target()),
            inbox: &*deployment.inbox,
            originals: &OfQueue { queue: &queue, blobs: &*deployment.blobs },
            journal: &journal,
            leases: &FileLeases::new(&folder.leases()),
            control: &control,
            clock,
            watcher,
            by: who,
            elsewhere: &elsewhere,
            aborted,
            settings: Settings { hold: how.hold.max(Duration::from_secs(1)), ..Settings::default() },
        };
        let gone = until_signalled(run.go(state), &control).await;
        drop(journal);
        // What counts is what stands in the journal, also when the run failed.
        let outcome = gone.map(|(ended, _)| ended);
        let Standing { state, ended, .. } = folder.stands(&plan)?;
        let stays = ended.filter(|ended| matches!(ended, Ended::Aborted { .. }));
        if let (Some(_), Ok(Ended::Paused { why, .. })) = (&stays, &outcome) {
            watcher.note(&format!("it stopped: {}", one_line(why)));
        }
        let report = Report::of(&plan, &state, stays.as_ref().or(outcome.as_ref().ok()));
        let kept = folder.report(&report).map_err(Stopped::from);
        let counts = format!(
            "{}: {} of {} moved, {} returned, {} skipped, {} gone, {} ambiguous, {} waiting",
            report.ended,
            report.moved,
            report.planned,
            report.returned,
            report.skipped,
            report.gone,
            report.ambiguous,
            report.waiting
        );
        let noted = audited(&*deployment.audit, &note("replay-ended", &counts)).await;
        // Whoever waits for it hears in any case how far it came.
        Ok(Carried { report, outcome, over_since: None, unkept: kept.and(noted).err() })
    }
}

/// Refuses a plan that is for another deployment: neither its letters nor its audit are here.
pub(in crate::verbs) fn is_for(deployment: &Deployment, plan: &Cover) -> Result<(), Stopped> {
    let (head, here) = (plan.head(), deployment.letters.deployment());
    if head.deployment == here {
        return Ok(());
    }
    let why = format!(
        "the plan is for {}, and this is {here}: name the deployment with --backend",
        one_line(&head.deployment)
    );
    Err(Stopped::new(Exit::Refused, why))
}

/// Refuses a plan that must not be carried out here, or not yet.
pub(super) async fn guard(deployment: &Deployment, plan: &Cover) -> Result<(), Stopped> {
    is_for(deployment, plan)?;
    let head = plan.head();
    let needed = head.approvals.max(u32::from(deployment.needs_approval));
    if needed > 0 {
        let by = plan::approvals(plan, &*deployment.audit).await.map_err(stopped)?;
        if (by.len() as u64) < u64::from(needed) {
            let why = format!(
                "the plan needs {needed} approval by somebody else than {}: dlq approve {} {}",
                one_line(&head.by),
                plan.path().display(),
                plan.hash().get(..12).unwrap_or_default()
            );
            return Err(Stopped::new(Exit::Refused, why));
        }
    }
    Ok(())
}

/// A forced rerun doesn't go over a doubt that came up since the plan was made.
async fn no_doubts(deployment: &Deployment, plan: &Plan, state: &State) -> Result<(), Stopped> {
    const PAGE: usize = 500;
    let mut keys = Vec::new();
    // What was sent already is no longer for this run to decide.
    let is_unsent = |place: &u32| matches!(state.stage(*place), Stage::Waiting | Stage::Intended | Stage::Ambiguous);
    for place in (0..state.len()).filter(is_unsent) {
        let entry = plan.entry(place)?;
        if entry.forecast == Forecast::Done {
            keys.extend(entry.consumer.zip(entry.event).map(|(consumer, event)| IdempotencyKey::new(&consumer, event)));
        }
    }
    for keys in keys.chunks(PAGE) {
        let records = deployment.letters.ledger(keys).await;
        let records = records.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
        let doubted = records.iter().flatten().find(|record| record.status == Status::InDoubt || record.is_doubted());
        if let Some(record) = doubted {
            let why = format!(
                "`{}` is in doubt: settle it with `sendoff doubt resolve` first, then make a new plan",
                record.key
            );
            return Err(Stopped::new(Exit::Refused, why));
        }
    }
    Ok(())
}

/// The lock of a run; `None` when somebody carries it out. Whoever only looks at it, as `dlq runs` does, has the lock for a moment.
pub(in crate::verbs) async fn locked(clock: &dyn Clock, folder: &RunFolder) -> Result<Option<Lock>, Stopped> {
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        if let Some(lock) = folder.lock()? {
            return Ok(Some(lock));
        }
        clock.sleep(Duration::from_millis(50)).await;
    }
    Ok(None)
}

async fn audited(audit: &dyn Audit, note: &AuditNote) -> Result<(), Stopped> {
    audit.append(note).await.map(drop).map_err(stopped)
}

/// Lets a signal end the run cleanly: what is under way is finished, and the rest can be gone on with.
async fn until_signalled<T>(run: impl Future<Output = T>, control: &FileControl) -> T {
    let signalled = async {
        match Signals::listen() {
            Ok(mut signals) => drop(signals.next().await),
            Err(_) => futures::future::pending().await,
        }
    };
    pin_mut!(run, signalled);
    match select(run, signalled).await {
        Either::Left((done, _)) => done,
        Either::Right(((), run)) => {
            control.leave.store(true, Ordering::Relaxed);
            run.await
        }
    }
}
