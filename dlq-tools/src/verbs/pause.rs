//! `dlq pause`.

use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{Common, Output, run::locked};
use crate::{
    Session,
    deployment::Access,
    run::{
        control::{Wanted, want},
        folder::RunFolder,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `dlq runs` shows it, a beginning of it, or its plan
    run: String,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let by = common.who(session)?;
    let deployment = common.open(session, Access::Look).await?;
    let folder = RunFolder::find(&deployment.work, &session.folder, &args.run)?;
    let name = folder.name();
    if locked(&*session.clock, &folder).await?.is_some() {
        let why = format!("run {name} isn't being carried out now: there is nothing to pause. `dlq runs` says how it stands");
        return Err(Stopped::new(Exit::NothingMatched, why));
    }
    want(folder.path(), &Wanted::Wait { by })?;
    done(session, common, &name, "pause")?;
    session.prose(format_args!("run {name} waits from its next second on, with what is under way finished; `dlq resume {name}` lets it go on"));
    Ok(Exit::Done)
}

/// Says what was asked of a run, as data.
pub(super) fn done(session: &mut Session, common: &Common, run: &str, asked: &str) -> Result<(), Stopped> {
    let document = json!({ "run": run, "asked": asked });
    match common.output {
        Output::Json => session.json(&document)?,
        Output::Ndjson => session.json_line(&document)?,
        Output::Table => {}
    }
    Ok(())
}
