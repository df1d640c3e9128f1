//! `dlq run`.

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
use sendoff_embedded::program::print::{one_line, table};
use sendoff_events::{Clock, at_millis};
use sendoff_host::{Exit, Signals, Stopped};

use super::{
    Common, Output,
    plan::{duration, show},
    source::letters,
};
use crate::{
    Session,
    deployment::{Access, Deployment},
    plan::{self, Forecast, Plan},
    run::{
        self, Ended, OfQueue, Report, Run, RunError, Screen, Settings, Watcher,
        control::{self, FileControl, Wanted},
        folder::{Found, Lock, RunFolder},
        journal::FileJournal,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan: its file, or 8 digits or more of its hash
    plan: String,
    /// Carries out the plan with this hash (8 digits or more of it), and no other. Without it, only says what would be done
    #[arg(long, value_name = "HASH")]
    apply: Option<String>,
    #[command(flatten)]
    how: How,
}

/// How a run works; none of it changes what it does.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// For how long each letter is leased. When the run breaks off, it is hidden from others for so long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    hold: Duration,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
}

#[cfg(feature = "tui")]
impl How {
    /// As without flags, but with this reason.
    pub(crate) const fn because(because: Option<String>) -> Self {
        Self { hold: Settings::DEFAULT.hold, because }
    }
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = common.who(session)?;
    let access = if args.apply.is_some() { Access::Change } else { Access::Look };
    let deployment = common.open(session, access).await?;
    let plan = plan::find(&deployment.work, &session.folder, &args.plan)?;
    let Some(hash) = &args.apply else {
        show(session, common, &plan)?;
        session.prose("nothing was done: --apply with the hash does it");
        return Ok(Exit::Done);
    };
    if !plan.is_called(hash) {
        let why = format!(
            "the plan's hash is {}, and not `{}`: look at the plan again (`dlq run {}`), and name at least 8 digits of its hash",
            plan.hash(),
            hash.escape_debug(),
            plan.path().display()
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    let folder = begin(&deployment, &plan).await?;
    carry_out(session, common, &deployment, &folder, &who, &args.how).await
}

/// The folder of the plan's run, if the plan may be carried out here and now.
pub(crate) async fn begin(deployment: &Deployment, plan: &Plan) -> Result<RunFolder, Stopped> {
    guard(deployment, plan).await?;
    Ok(RunFolder::of(&deployment.work, plan)?)
}

/// Refuses a plan that must not be carried out here, or not yet.
async fn guard(deployment: &Deployment, plan: &Plan) -> Result<(), Stopped> {
    let (head, here) = (plan.head(), deployment.letters.deployment());
    if head.deployment != here {
        let why = format!("the plan is for {}, and this is {here}: name the deployment with --backend", one_line(&head.deployment));
        return Err(Stopped::new(Exit::Refused, why));
    }
    let needed = head.approvals.max(u32::from(deployment.needs_approval));
    if needed > 0 {
        let by = plan::approvals(plan, &*deployment.audit).await;
        let by = by.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
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
async fn no_doubts(deployment: &Deployment, plan: &Plan) -> Result<(), Stopped> {
    const PAGE: usize = 500;
    let mut keys = Vec::new();
    for entry in plan.entries() {
        let entry = entry?;
        if entry.action == plan::Action::Send && entry.forecast == Forecast::Done {
            keys.extend(entry.consumer.zip(entry.event).map(|(consumer, event)| IdempotencyKey::new(&consumer, event)));
        }
    }
    for keys in keys.chunks(PAGE) {
        let records = deployment.letters.ledger(keys).await;
        let records = records.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
        let doubted = records.iter().flatten().find(|record| record.status == Status::InDoubt || record.is_doubted());
        if let Some(record) = doubted {
            let why = format!("`{}` is in doubt: settle it with `sendoff doubt resolve` first, then make a new plan", record.key);
            return Err(Stopped::new(Exit::Refused, why));
        }
    }
    Ok(())
}

/// Carries out the plan of a run's folder, from where it is, and says how it goes and what it has done.
pub(super) async fn carry_out(
    session: &mut Session,
    common: &Common,
    deployment: &Deployment,
    folder: &RunFolder,
    who: &str,
    how: &How,
) -> Result<Exit, Stopped> {
    let clock = Arc::clone(&session.clock);
    let screen = Screen::new(
        std::mem::replace(&mut session.err, Box::new(std::io::sink())),
        session.err_is_terminal,
        Arc::clone(&clock),
    );
    let carrying = Carrying { deployment, folder, who, how, clock: &*clock, leave: Arc::default() };
    let carried = carrying.out(&screen).await;
    session.err = screen.into_inner();
    let carried = carried?;
    tell(session, common, &carried.report, folder)?;
    carried.exit()
}

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
}

impl Carried {
    /// What the program's exit code says of it.
    pub(crate) fn exit(self) -> Result<Exit, Stopped> {
        match self.outcome? {
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
        let Found { plan, state, whole, ended, .. } = folder.read()?;
        if matches!(ended, Some(Ended::Aborted { .. })) {
            let why = format!("run {} was aborted, and stays so: make a new plan of what is left", folder.name());
            return Err(Stopped::new(Exit::Refused, why));
        }
        guard(deployment, &plan).await?;
        if plan.head().force_rerun.is_some() {
            no_doubts(deployment, &plan).await?;
        }
        let queue = deployment.letters.queue(&plan.head().queue, sendoff_events::Timestamp::MAX).await;
        let queue = queue.map_err(|error| Stopped::from(RunError::from(error)))?;
        if let Some(why) = &queue.untouchable {
            let why = format!("`{}` is better not touched: {}", queue.name, one_line(why));
            return Err(Stopped::new(Exit::Refused, why));
        }
        let elsewhere = run::elsewhere(&deployment.work, folder, &plan)?;
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
        control::want(folder.path(), &Wanted::Go)?;
        let mut control = FileControl::new(folder.path());
        control.leave = leave;
        let journal = FileJournal::open(&folder.journal(), whole)?;
        let run = Run {
            plan: &plan,
            letters: &*deployment.letters,
            inbox: &*deployment.inbox,
            originals: &OfQueue { queue: &queue, blobs: &*deployment.blobs },
            journal: &journal,
            control: &control,
            clock,
            watcher,
            by: who,
            elsewhere: &elsewhere,
            settings: Settings { hold: how.hold.max(Duration::from_secs(1)), ..Settings::default() },
        };
        let gone = until_signalled(run.go(state), &control).await;
        drop(journal);
        // What counts is what stands in the journal, also when the run failed.
        let outcome = gone.map(|(ended, _)| ended);
        let found = folder.read()?;
        let report = Report::of(plan.hash(), &found.state, outcome.as_ref().ok());
        folder.report(&report)?;
        let counts = format!(
            "{}: {} of {} moved, {} returned, {} skipped, {} gone, {} ambiguous, {} waiting",
            report.ended, report.moved, report.planned, report.returned, report.skipped, report.gone, report.ambiguous, report.waiting
        );
        audited(&*deployment.audit, &note("replay-ended", &counts)).await?;
        Ok(Carried { report, outcome })
    }
}

/// The lock of a run. `dlq runs` has it for a moment when it looks.
async fn locked(clock: &dyn Clock, folder: &RunFolder) -> Result<Option<Lock>, Stopped> {
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
    audit.append(note).await.map(drop).map_err(|error| Stopped::new(Exit::Unreachable, error))
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

/// Says what a run has done.
pub(crate) fn tell(
    session: &mut Session,
    common: &Common,
    report: &Report,
    folder: &RunFolder,
) -> Result<(), Stopped> {
    match common.output {
        Output::Json => session.json(report)?,
        Output::Ndjson => session.json_line(report)?,
        Output::Table => session.data(counts(report))?,
    }
    told(report, folder).into_iter().for_each(|line| session.prose(line));
    Ok(())
}

/// The table of a report.
pub(crate) fn counts(report: &Report) -> String {
    let counts = [
        ("moved", report.moved, "sent, and deleted"),
        ("sent", report.sent_not_deleted, "sent, and not deleted yet: `dlq resume` does only that"),
        ("ambiguous", report.ambiguous, "perhaps sent: `dlq resume` sends them once more, and their consumer does them once"),
        ("gone", report.gone, "moved by somebody else before"),
        ("skipped", report.skipped, "not sent"),
        ("waiting", report.waiting, "not sent yet"),
    ];
    let rows = counts.into_iter().filter(|(name, count, _)| *count > 0 || *name == "moved");
    let rows = rows.map(|(name, count, means)| [name.to_owned(), count.to_string(), means.to_owned()]);
    let sum = ["planned".to_owned(), report.planned.to_string(), "all of these".to_owned()];
    table(["LETTERS", "COUNT", "MEANS"], rows.chain([sum]))
}

/// What else there is to say of a report, and how to go on.
pub(crate) fn told(report: &Report, folder: &RunFolder) -> Vec<String> {
    let mut told = Vec::new();
    for (why, count) in &report.skips {
        told.push(format!("{} skipped: {}", letters(*count), one_line(why)));
    }
    if report.resent > 0 {
        told.push(format!("{} sent once more, since nobody knew whether they were: their consumer does them once", letters(report.resent)));
    }
    if report.returned > 0 {
        told.push(format!("{} failed again, of {} that were watched", letters(report.returned), report.watched));
    }
    let name = folder.name();
    match (&*report.ended, &report.why) {
        ("finished", _) if report.waiting + report.sent_not_deleted + report.ambiguous == 0 => {}
        ("aborted", _) => told.push("the run was aborted: what is left stays in the dead-letter queue".into()),
        (_, why) => {
            let why = why.as_ref().map(|why| format!("it stopped: {}; ", one_line(why))).unwrap_or_default();
            told.push(format!("{why}go on with `dlq resume {name}`, or end it with `dlq abort {name}`"));
        }
    }
    told
}

/// When a run's folder was last written, as it is shown.
pub(super) fn shown(at: Option<sendoff_events::Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at_millis(at).to_string())
}
