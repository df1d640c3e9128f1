//! `dlq abort`.

use sendoff_consumers::AuditNote;
use sendoff_events::at_millis;
use sendoff_host::{Exit, Stopped};

use super::{
    Common, ended,
    pause::done,
    run::{locked, tell},
};
use crate::{
    Session,
    deployment::Access,
    run::{
        Ended, Report,
        control::{Wanted, want},
        folder::RunFolder,
        journal::{FileJournal, Journal as _, Line, Step},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `dlq runs` shows it, a beginning of it, or its plan
    run: String,
    /// Ends it for good. Without it, only says what that would mean
    #[arg(long)]
    yes: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let by = common.who(session)?;
    let access = if args.yes { Access::Change } else { Access::Look };
    let deployment = common.open(session, access).await?;
    let folder = RunFolder::find(&deployment.work, &session.folder, &args.run)?;
    let found = folder.read()?;
    let is_over = |stands: Option<&Ended>| {
        let over = stands.is_some_and(|ended| !matches!(ended, Ended::Paused { .. }));
        let why = format!("run {} is over already: there is nothing to abort", folder.name());
        if over { Err(Stopped::new(Exit::NothingMatched, why)) } else { Ok(()) }
    };
    // One that was finished and begun again isn't over.
    if locked(&*session.clock, &folder).await?.is_some() {
        is_over(found.stands.ended.as_ref())?;
    }
    if !args.yes {
        tell(session, common, &Report::of(&found.plan, &found.stands.state, found.stands.ended.as_ref()), &folder)?;
        session.prose(
            "nothing was done: with --yes the run ends here for good, and what is left stays in the dead-letter queue",
        );
        return Ok(Exit::Done);
    }
    let note = AuditNote {
        who: by.clone(),
        action: "abort".into(),
        event: None,
        target: format!("{}, plan {}", found.plan.head().queue, found.plan.hash()),
        because: args.because,
    };
    deployment.audit.append(&note).await.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
    want(folder.path(), &Wanted::Abort { by: by.clone() })?;
    let Some(_lock) = locked(&*session.clock, &folder).await? else {
        done(session, common, &folder.name(), "abort")?;
        session.prose("its process ends it within a second or so, with what is under way finished");
        return Ok(Exit::Done);
    };
    // Nobody carries it out: it is written down here.
    let found = folder.read()?;
    is_over(found.stands.ended.as_ref())?;
    let journal = FileJournal::open(&folder.journal(), found.stands.whole)?;
    let at = at_millis(session.clock.now());
    journal.write(Line { at, step: Step::Aborted { by: by.clone() } }).await?;
    let report = Report::of(&found.plan, &found.stands.state, Some(&Ended::Aborted { by }));
    folder.report(&report)?;
    let told = tell(session, common, &report, &folder);
    ended(session, told, report.exit())
}
