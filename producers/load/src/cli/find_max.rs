//! `load find-max`.

use std::time::Duration;

use jiff::SignedDuration;
use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Output, Session,
    execute::execute,
    place::PlaceArgs,
    shared::{ScenarioArgs, step},
};
use crate::{
    arrivals::{Rate, Shape},
    find_max::{Ladder, Step},
    report::{Report, Word},
    scenario::Scenario,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    place: PlaceArgs,
    /// The rate to begin with
    #[arg(long, value_name = "RATE", default_value = "100/s")]
    from: Rate,
    /// How exactly the highest rate is to be known, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    precision: f64,
    /// How long each rate is tried
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = seconds)]
    step: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    duration.filter(|duration| *duration >= Duration::from_secs(1)).ok_or_else(|| "it is a time of 1s or more".into())
}

pub(super) async fn run(session: &mut Session, output: Output, args: Args) -> Result<Exit, Stopped> {
    let scenario = args.scenario.read(session)?;
    if !args.scenario.says_slo(&scenario) {
        return Err(Stopped::new(
            Exit::Usage,
            "say what has to hold: --slo 'e2e p99<5s', or `[slo] require` in the scenario",
        ));
    }
    let whole = args.scenario.run(session, &scenario)?;
    let switch = args.scenario.switch(session, &args.place.out);
    let most = scenario.guards.max_rate.a_second();
    let mut ladder = Ladder::new(args.from.a_second(), most, args.precision / 100.0);
    let mut is_interrupted = false;
    while let Some(rate) = ladder.next() {
        let id = step(&whole, ladder.steps().len() + 1)?;
        let done = execute(session, &args.place, &at(&scenario, rate, args.step), &id, switch.clone()).await?;
        if done.is_interrupted {
            is_interrupted = true;
            break;
        }
        let (holds, why) = (done.report.verdict.word == Word::Ok, why(&done.report));
        session.prose(format_args!("{rate:.1}/s: {}, {why}", if holds { "holds" } else { "doesn't hold" }));
        ladder.tried(Step { run: id.to_string(), rate, holds, why });
    }
    show(session, output, &ladder, most)?;
    Ok(match (ladder.best(), is_interrupted) {
        (_, true) => Exit::Partly,
        (Some(_), false) => Exit::Done,
        (None, false) => Exit::Failed,
    })
}

/// The scenario at this rate, for so long.
fn at(scenario: &Scenario, rate: f64, step: Duration) -> Scenario {
    let rate = Rate::of(rate);
    let shape = if matches!(scenario.shape, Shape::Poisson(_)) { Shape::Poisson(rate) } else { Shape::Constant(rate) };
    // The warm-up may be as long as a step.
    let warm_up = scenario.warm_up.min(step / 4);
    Scenario { shape, duration: step, warm_up, ..scenario.clone() }
}

/// What didn't hold, or how well it went.
fn why(report: &Report) -> String {
    if report.verdict.word == Word::Invalid {
        return "the generator was too slow".into();
    }
    let missed: Vec<String> =
        report.verdict.checks.iter().filter(|c| !c.holds).map(|c| format!("{} was {}", c.slo, c.shown)).collect();
    if !missed.is_empty() {
        return missed.join(", ");
    }
    if report.verdict.word != Word::Ok {
        return report.verdict.notes.first().cloned().unwrap_or_else(|| report.verdict.word.text().into());
    }
    report.verdict.checks.last().map(|check| format!("{} was {}", check.slo, check.shown)).unwrap_or_default()
}

fn show(session: &mut Session, output: Output, ladder: &Ladder, most: f64) -> Result<(), Stopped> {
    let document = json!({ "best": ladder.best(), "worst": ladder.worst(), "steps": ladder.steps() });
    match output {
        Output::Json => return Ok(session.json(&document, true)?),
        Output::Ndjson => return Ok(session.json(&document, false)?),
        Output::Table => {}
    }
    let rows = ladder.steps().iter().map(|step| {
        let holds = if step.holds { "yes" } else { "no" };
        [format!("{:.1}/s", step.rate), holds.to_owned(), step.why.clone(), step.run.clone()]
    });
    session.data(table(["rate", "holds", "why", "run"], rows))?;
    let verdict = match (ladder.best(), ladder.worst()) {
        (Some(best), Some(worst)) => format!("\nat least {best:.1}/s, less than {worst:.1}/s"),
        (Some(best), None) => format!("\nat least {best:.1}/s: guards.max_rate is {most:.1}/s"),
        (None, _) => "\nno rate held".into(),
    };
    Ok(session.data(format_args!("{verdict}\n"))?)
}
