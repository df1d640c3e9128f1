//! `load clean`.

use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Output, Session, folder,
    place::{PlaceArgs, unusable},
};
use crate::{RunId, Via, targets};

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
    if args.place.is_gone_afterwards() {
        return Err(Stopped::new(Exit::Usage, nowhere(session, &args)));
    }
    let options = args.place.options(session, &[])?;
    if let Some(folder) = options.keep_data.as_deref().filter(|folder| !targets::is_kept(folder)) {
        let why = format!(
            "--keep-data: no run of `load` has kept its data in {}, or it was served since. A folder that isn't ours alone is cleaned \
             by --backend sqlite:DIR",
            folder.display()
        );
        return Err(Stopped::new(Exit::NothingMatched, why));
    }
    targets::check(&options, Via::Topic).map_err(|error| unusable(&error))?;
    let target = targets::open(&options).await.map_err(|error| unusable(&error))?;
    let cleaned = target.clean(&args.run, !args.yes).await;
    let stopped = target.stop().await;
    let cleaned = cleaned.map_err(|error| unusable(&error))?;
    stopped.map_err(|error| unusable(&error))?;
    let document = || json!({ "run": args.run.as_str(), "removed": args.yes, "of": cleaned });
    let shown = match output {
        Output::Json => session.json(&document(), true),
        Output::Ndjson => session.json(&document(), false),
        Output::Table => {
            let heading = ["what", if args.yes { "removed" } else { "there" }];
            let text = table(heading, cleaned.iter().map(|(what, count)| [what.clone(), count.to_string()]));
            session.data(text)
        }
    };
    if cleaned.values().sum::<u64>() == 0 {
        session.prose(format_args!("there is nothing of the run `{}`", args.run));
        return Session::ended(Exit::NothingMatched, shown);
    }
    if !args.yes {
        session.prose("Nothing was removed: say --yes.");
    }
    Session::ended(Exit::Done, shown)
}

/// A system of our own that keeps nothing has nothing to be cleaned: where was the run?
fn nowhere(session: &Session, args: &Args) -> String {
    let report = folder::read(&session.folder.join(&args.place.out), &session.folder, args.run.as_str());
    let was = report.map_or_else(
        |_| String::new(),
        |report| format!(" The report of `{}` says that it was run against {}.", args.run, report.place.target),
    );
    format!(
        "say where the run was: --backend sqlite:DIR or aws, or --keep-data DIR.{was} Without --keep-data a system of our own \
         has left nothing"
    )
}
