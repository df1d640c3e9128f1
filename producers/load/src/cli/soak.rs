//! `load soak`.

use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Output, Session,
    execute::{execute, exit},
    place::PlaceArgs,
    shared::{PaceArgs, ScenarioArgs, describe},
    stopping::Stopping,
};
use crate::soak::drifts;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) async fn run(session: &mut Session, output: Output, args: Args) -> Result<Exit, Stopped> {
    let stopping = Stopping::listen()?;
    let scenario = args.scenario.read(session, &args.pace)?;
    let id = args.scenario.run(session, &scenario)?;
    session.prose(format_args!("{id}: {}", describe(&scenario)));
    let switch = args.scenario.switch(session, &args.place.out);
    let done = execute(session, &args.place, &scenario, &id, switch, &stopping).await?;
    let drifts = drifts(&done.report);
    let document = || json!({ "report": done.report, "drifts": drifts });
    let shown = match output {
        Output::Json => session.json(&document(), true),
        Output::Ndjson => session.json(&document(), false),
        Output::Table => {
            let rows =
                drifts.iter().map(|drift| [drift.what.to_owned(), drift.course.word().to_owned(), drift.shown.clone()]);
            session.data(format_args!("{}\n{}", done.report.text(), table(["what", "flat", "trend"], rows)))
        }
    };
    session.prose(format_args!("The report is in {}", done.page.display()));
    let found = exit(&done.report);
    let fails = drifts.iter().any(|drift| drift.course.fails());
    let fails = fails && matches!(found, Exit::Done | Exit::Partly | Exit::InDoubt);
    Session::ended(if fails { Exit::Failed } else { found }, shown)
}
