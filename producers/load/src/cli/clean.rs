//! `load clean`.

use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Output, Session,
    place::{PlaceArgs, unusable},
};
use crate::{RunId, targets};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run
    run: RunId,
    #[command(flatten)]
    place: PlaceArgs,
    /// Removes it; without it, only says what there is
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(session: &mut Session, output: Output, args: Args) -> Result<Exit, Stopped> {
    let options = args.place.options(session, &[])?;
    let target = targets::open(&options).await.map_err(|error| unusable(&error))?;
    let cleaned = target.clean(&args.run, !args.yes).await;
    let stopped = target.stop().await;
    let cleaned = cleaned.map_err(|error| unusable(&error))?;
    stopped.map_err(|error| unusable(&error))?;
    match output {
        Output::Json => session.json(&json!({ "run": args.run.as_str(), "removed": args.yes, "of": cleaned }), true)?,
        Output::Ndjson => {
            session.json(&json!({ "run": args.run.as_str(), "removed": args.yes, "of": cleaned }), false)?
        }
        Output::Table => {
            let heading = ["what", if args.yes { "removed" } else { "there" }];
            let text = table(heading, cleaned.iter().map(|(what, count)| [what.clone(), count.to_string()]));
            session.data(text)?;
        }
    }
    if cleaned.values().sum::<u64>() == 0 {
        session.prose(format_args!("there is nothing of the run `{}`", args.run));
        return Ok(Exit::NothingMatched);
    }
    if !args.yes {
        session.prose("Nothing was removed: say --yes.");
    }
    Ok(Exit::Done)
}
