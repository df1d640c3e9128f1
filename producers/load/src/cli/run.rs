//! `load run`.

use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Output, Session,
    execute::{check, execute, exit},
    place::PlaceArgs,
    shared::{PaceArgs, ScenarioArgs, describe},
    stopping::Stopping,
};
use crate::{arrivals::Rate, report::time, scenario::Scenario, slo::Slo};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    place: PlaceArgs,
    /// Only says what would be sent, and whether the guards let it
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(session: &mut Session, output: Output, args: Args) -> Result<Exit, Stopped> {
    let stopping = Stopping::listen()?;
    let scenario = args.scenario.read(session, &args.pace)?;
    if args.dry_run {
        let switch = args.scenario.switch(session, &args.place.out);
        check(session, &args.place, &scenario, &switch)?;
        return dry_run(session, output, &args.place, &scenario);
    }
    carry_out(session, output, (&args.scenario, &args.place), &scenario, &stopping).await
}

/// Carries it out, and shows the report.
pub(super) async fn carry_out(
    session: &mut Session,
    output: Output,
    (given, place): (&ScenarioArgs, &PlaceArgs),
    scenario: &Scenario,
    stopping: &Stopping,
) -> Result<Exit, Stopped> {
    let switch = given.switch(session, &place.out);
    let id = given.run(session, scenario)?;
    session.prose(format_args!("{id}: {}", describe(scenario)));
    let done = execute(session, place, scenario, &id, switch, stopping).await?;
    let shown = match output {
        Output::Table => session.data(done.report.text()),
        Output::Json => session.json(&done.report, true),
        Output::Ndjson => session.json(&done.report, false),
    };
    session.prose(format_args!("The report is in {}", done.page.display()));
    Session::ended(exit(&done.report), shown)
}

/// Says what would be sent.
fn dry_run(session: &mut Session, output: Output, place: &PlaceArgs, scenario: &Scenario) -> Result<Exit, Stopped> {
    let slo: Vec<String> = Slo::with_defaults(&scenario.slo).into_iter().map(|slo| slo.text).collect();
    let consumers = Slo::consumers(scenario);
    let unchecked = if place.is_own() { Vec::new() } else { consumers };
    if !unchecked.is_empty() {
        let told = format!("not checked, since only the system knows its consumers: {}", unchecked.join(", "));
        session.prose(told);
    }
    let document = || {
        json!({
            "name": scenario.name,
            "seed": scenario.seed,
            "via": scenario.via.word(),
            "rate": scenario.shape.to_string(),
            "duration_s": scenario.duration.as_secs_f64(),
            "events": scenario.expected(),
            "left_out": scenario.left_out(),
            "peak_per_s": scenario.shape.peak(),
            "slo": slo,
            "unchecked_consumers": unchecked,
        })
    };
    let shown = match output {
        Output::Json => session.json(&document(), true),
        Output::Ndjson => session.json(&document(), false),
        Output::Table => session.data(format_args!(
            "{}: {}, over {}, at most {}\nit has to hold: {}\n",
            scenario.name,
            describe(scenario),
            time(scenario.duration.as_secs_f64()),
            Rate::of(scenario.shape.peak()),
            slo.join(", ")
        )),
    };
    Session::ended(Exit::Done, shown)
}
