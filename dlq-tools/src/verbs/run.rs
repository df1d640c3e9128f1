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
        self, Ended, OfQueue, Report, Run, RunError, Screen, Settings, Stage, State, Watcher,
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
    let access = if args.apply.is_some() { Access::Change } else { Access::Look };
    let deployment = common.open(session, access).await?;
    let plan = plan::find(&deployment.work, &session.folder, &args.plan)?;
    let Some(hash) = &args.apply else {
        show(session, common, &plan)?;
        for line in standing(&deployment, &plan).await? {
            session.prose(line);
        }
        session.prose("nothing was done: --apply with the hash does it");
        return Ok(Exit::Done);
    };
    let who = common.who(session)?;
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

/// What stands between a plan and its being carried out, and how its run stands.
async fn standing(deployment: &Deployment, plan: &Plan) -> Result<Vec<String>, Stopped> {
    let mut lines = Vec::new();
    let needed = plan.head().approvals.max(u32::from(deployment.needs_approval));
    if needed > 0 {
        let by = plan::approvals(plan, &*deployment.audit).await;
        let by = by.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
        let names: Vec<_> = by.iter().map(|by| one_line(by)).collect();
        let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        lines.push(format!("it needs {needed} approval, and was approved by {names}"));
    }
    let mut runs = RunFolder::all(&deployment.work)?;
    runs.retain(|run| plan.hash().starts_with(&run.name()));
    for run in runs {
        let Found { state, ended, last_at, .. } = run.read()?;
        let report = Report::of(plan.hash(), &state, ended.as_ref());
        let stands = stands(&run, &state, &report)?;
        lines.push(format!(
            "its run {} is {stands}: {} of {} moved; last written {}",
            run.name(),
            report.moved,
            report.planned,
            shown(last_at)
        ));
    }
    Ok(lines)
}

/// How a run stands, in a word.
pub(super) fn stands(run: &RunFolder, state: &State, report: &Report) -> Result<String, Stopped> {
    if run.lock()?.is_some() {
        return Ok(report.ended.clone());
    }
    let is_under_way = state.count(Stage::Intended) + state.count(Stage::Sent) > 0;
    let word = match control::wanted(run.path()) {
        Wanted::Wait { .. } if is_under_way => "pausing",
        Wanted::Wait { .. } => "paused",
        Wanted::Abort { .. } => "aborting",
        Wanted::Go | Wanted::Leave => "running",
    };
    Ok(word.to_owned())
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
    if let Some(at) = carried.over_since {
        session.prose(format_args!("run {} was finished at {at:.0}: nothing was done", folder.name()));
    }
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
    /// When it had been finished, if there was nothing left to do.
    pub(crate) over_since: Option<sendoff_events::Timestamp>,
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
        // What was wanted of a process before this one is over, but for the end: whoever wanted that, wanted it for good. What is
        // wanted from now on is for this process.
        if !matches!(control::wanted(folder.path()), Wanted::Abort { .. }) {
            control::want(folder.path(), &Wanted::Go)?;
        }
        let Found { plan, state, whole, ended, last_at } = folder.read()?;
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
            let report = Report::of(plan.hash(), &state, ended.as_ref());
            // The process that finished it may have died before it said so here.
            folder.report(&report)?;
            return Ok(Carried { report, outcome: Ok(Ended::Finished), over_since: last_at });
        }
        if aborted.is_some() {
            control::want(folder.path(), &Wanted::Go)?;
            watcher.note("the run was aborted: what it had sent is deleted, and nothing more is done");
        }
        guard(deployment, &plan).await?;
        if plan.head().force_rerun.is_some() {
            no_doubts(deployment, &plan, &state).await?;
        }
        let queue = deployment.letters.queue(&plan.head().queue, sendoff_events::Timestamp::MAX).await;
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
            inbox: &*deployment.inbox,
            originals: &OfQueue { queue: &queue, blobs: &*deployment.blobs },
            journal: &journal,
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
        let found = folder.read()?;
        let report = Report::of(plan.hash(), &found.state, outcome.as_ref().ok());
        folder.report(&report)?;
        let counts = format!(
            "{}: {} of {} moved, {} returned, {} skipped, {} gone, {} ambiguous, {} waiting",
            report.ended, report.moved, report.planned, report.returned, report.skipped, report.gone, report.ambiguous, report.waiting
        );
        audited(&*deployment.audit, &note("replay-ended", &counts)).await?;
        Ok(Carried { report, outcome, over_since: None })
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
        ("gone", report.gone, "not in the queue any more"),
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
    for (why, count) in &report.waits {
        told.push(format!("{} left for now: {}", letters(*count), one_line(why)));
    }
    if report.resent > 0 {
        told.push(format!("{} sent once more, since nobody knew whether they were: their consumer does them once", letters(report.resent)));
    }
    if report.returned > 0 {
        told.push(format!("{} failed again, of {} that were watched", letters(report.returned), report.watched));
    }
    if report.gone_in_doubt > 0 {
        told.push(format!("{} may have been sent, and then moved by somebody else: their consumer's records tell", letters(report.gone_in_doubt)));
    }
    if report.perhaps_twice > 0 {
        told.push(format!("{} sent, and gone before this run had deleted them: somebody else may have sent them, too", letters(report.perhaps_twice)));
    }
    if report.not_ended > 0 && report.watched > 0 {
        told.push(format!("{} done; the end of {} more isn't known", report.done, report.not_ended));
    }
    let name = folder.name();
    match (&*report.ended, &report.why) {
        ("finished", _) if report.waiting + report.sent_not_deleted + report.ambiguous == 0 => {}
        ("aborted", _) if report.sent_not_deleted > 0 => told.push(format!("the run was aborted: `dlq resume {name}` deletes what it has sent, and does nothing more")),
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
