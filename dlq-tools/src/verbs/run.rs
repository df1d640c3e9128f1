//! `dlq run`.

mod carrying;
mod told;

use std::{sync::Arc, time::Duration};

#[cfg(feature = "tui")]
pub(crate) use carrying::Carried;
pub(crate) use carrying::Carrying;
use carrying::guard;
pub(super) use carrying::{is_for, locked};
use sendoff_embedded::program::print::one_line;
use sendoff_host::{Exit, Stopped};
pub(super) use told::shown;
pub(crate) use told::tell;
#[cfg(feature = "tui")]
pub(crate) use told::{counts, told};

use super::{Common, audit::stopped, ended, plan::show, source::duration};
#[cfg(feature = "tui")]
use crate::run::Settings;
use crate::{
    Session,
    deployment::{Access, Deployment},
    plan::{self, Cover, Plan},
    run::{
        Report, Screen, Stage, State,
        control::{self, Wanted},
        folder::{Found, RunFolder, Standing},
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
    /// For how long each letter is leased. When the run breaks off, it is hidden from others for so long, or until somebody goes on
    /// with the run
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
        show(session, common, &Plan::open(plan.path())?)?;
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
pub(crate) async fn begin(deployment: &Deployment, plan: &Cover) -> Result<RunFolder, Stopped> {
    guard(deployment, plan).await?;
    Ok(RunFolder::of(&deployment.work, plan)?)
}

/// What stands between a plan and its being carried out, and how its run stands.
async fn standing(deployment: &Deployment, plan: &Cover) -> Result<Vec<String>, Stopped> {
    let mut lines = Vec::new();
    let needed = plan.head().approvals.max(u32::from(deployment.needs_approval));
    if needed > 0 {
        let by = plan::approvals(plan, &*deployment.audit).await.map_err(stopped)?;
        let names: Vec<_> = by.iter().map(|by| one_line(by)).collect();
        let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        lines.push(format!("it needs {needed} approval, and was approved by {names}"));
    }
    let mut runs = RunFolder::all(&deployment.work)?;
    runs.retain(|run| plan.hash().starts_with(&run.name()));
    for run in runs {
        let Found { plan, stands: Standing { state, ended, last_at, .. } } = run.read()?;
        let report = Report::of(&plan, &state, ended.as_ref());
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
    let told = tell(session, common, &carried.report, folder);
    let exit = carried.exit()?;
    ended(session, told, exit)
}
