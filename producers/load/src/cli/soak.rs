//! `load soak`.

use sendoff_host::{Exit, Stopped};

use super::{
    Output, Session,
    place::PlaceArgs,
    run::carry_out,
    shared::{PaceArgs, ScenarioArgs},
    stopping::Stopping,
};
use crate::scenario::Scenario;

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
    let scenario = Scenario { soak: true, ..args.scenario.read(session, &args.pace)? };
    carry_out(session, output, (&args.scenario, &args.place), &scenario, &stopping).await
}
