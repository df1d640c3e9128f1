//! `dlq approve`.

use sendoff_embedded::program::print::one_line;
use sendoff_host::{Exit, Stopped};

use super::{Common, Output, audit::stopped, run::is_for};
use crate::{Session, deployment::Access, plan};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plan: its file, or 8 digits or more of its hash
    plan: String,
    /// The plan's hash as you were told it: 8 digits or more
    hash: String,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = common.who(session)?;
    let deployment = common.open(session, Access::Change).await?;
    let plan = plan::find(&deployment.work, &session.folder, &args.plan)?;
    if !plan.is_called(&args.hash) {
        let why = format!(
            "the plan's hash is {}, and not `{}`: somebody means another plan. Name at least 8 digits of the right one",
            plan.hash(),
            args.hash.escape_debug()
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    is_for(&deployment, &plan)?;
    if plan::is_same_person(&plan.head().by, &who) {
        let why = format!(
            "{} made this plan: somebody else has to approve it. Who you are is taken from --by or $USER",
            one_line(&who)
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    let approved = plan::approve(&plan, &who, &args.because, &*deployment.audit).await.map_err(stopped)?;
    let approval = match approved {
        Ok(approval) => approval,
        Err(error) => {
            session.prose(format_args!("the audit has it, but {error}"));
            return Ok(Exit::Partly);
        }
    };
    match common.output {
        Output::Json => session.json(&approval)?,
        Output::Ndjson => session.json_line(&approval)?,
        Output::Table => session.data(format_args!("approved by {}: {}\n", one_line(&approval.by), approval.hash))?,
    }
    session.prose("who approved is what they said of themselves (--by, $USER): nothing proves it");
    Ok(Exit::Done)
}
