//! `dlq resume`.

use sendoff_host::{Exit, Stopped};

use super::{
    Common,
    pause::done,
    run::{How, carry_out, locked},
};
use crate::{
    Session,
    deployment::Access,
    run::{
        control::{Wanted, want, wanted},
        folder::RunFolder,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `dlq runs` shows it, a beginning of it, or its plan
    run: String,
    #[command(flatten)]
    how: How,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = common.who(session)?;
    let deployment = common.open(session, Access::Change).await?;
    let folder = RunFolder::find(&deployment.work, &session.folder, &args.run)?;
    if locked(&*session.clock, &folder).await?.is_none() {
        let name = folder.name();
        if matches!(wanted(folder.path()), Wanted::Abort { .. }) {
            let why = format!("run {name} is being aborted by its process, and stays so: `dlq runs` says when it is over");
            return Err(Stopped::new(Exit::Refused, why));
        }
        want(folder.path(), &Wanted::Go)?;
        done(session, common, &name, "resume")?;
        session.prose(format_args!("run {name} is being carried out by another process, which goes on within a second"));
        return Ok(Exit::Done);
    }
    carry_out(session, common, &deployment, &folder, &who, &args.how).await
}
