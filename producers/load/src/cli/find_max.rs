//! `load find-max`.

use std::time::Duration;

use jiff::SignedDuration;
use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Output, Session,
    execute::{Done, execute, exit},
    place::PlaceArgs,
    shared::{PaceArgs, ScenarioArgs, step},
    stopping::Stopping,
};
use crate::{
    arrivals::{Rate, Shape},
    find_max::{Early, Ladder, Step},
    guards::{self, Reason},
    report::{Report, Word},
    scenario::{Guards, Scenario},
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
    /// How exactly the highest rate is to be known, in percent: 0.1 to 100
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = percent)]
    precision: f64,
    /// How long each rate is tried
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = seconds)]
    step: Duration,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|percent| (0.1..=100.0).contains(percent));
    percent.ok_or_else(|| "it is a number from 0.1 to 100".into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    duration.filter(|duration| *duration >= Duration::from_secs(1)).ok_or_else(|| "it is a time of 1s or more".into())
}

pub(super) async fn run(session: &mut Session, output: Output, args: Args) -> Result<Exit, Stopped> {
    let stopping = Stopping::listen()?;
    let scenario = args.scenario.read(session, &PaceArgs::default())?;
    if !args.scenario.says_slo(&scenario) {
        return Err(Stopped::new(
            Exit::Usage,
            "say what has to hold: --slo 'e2e p99<5s', or `[slo] require` in the scenario",
        ));
    }
    let most = scenario.guards.max_rate.a_second();
    let ladder = Ladder::new(args.from.a_second(), most, args.precision / 100.0);
    let mut search = Search { scenario, args, ladder, spent: 0.0 };
    let ended = search.go(session, &stopping).await;
    let tried = !search.ladder.steps().is_empty();
    match ended {
        Ok(Some(early)) if !tried => Err(Stopped::new(early.exit(), early)),
        Ok(early) => search.show(session, output, early.as_ref()),
        Err(stopped) => {
            // What is known by then isn't thrown away.
            if tried {
                let _ = search.show(session, output, Some(&Early::Broken));
            }
            Err(stopped)
        }
    }
}

/// The search for the highest rate.
struct Search {
    scenario: Scenario,
    args: Args,
    ladder: Ladder,
    /// Dollars so far.
    spent: f64,
}

impl Search {
    /// Tries one rate after the other, until it is known or something ends the search before.
    async fn go(&mut self, session: &mut Session, stopping: &Stopping) -> Result<Option<Early>, Stopped> {
        let whole = self.args.scenario.run(session, &self.scenario)?;
        let switch = self.args.scenario.switch(session, &self.args.place.out);
        while let Some(rate) = self.ladder.next() {
            if let Some(reason) = stopping.reason() {
                return Ok(Some(Early::Interrupted(reason.to_string())));
            }
            let trial = self.at(rate);
            if let Err(refusal) = guards::check(&trial) {
                return Ok(Some(Early::Limit(format!("at {rate:.1}/s {refusal}"))));
            }
            let most = self.scenario.guards.max_cost;
            if self.spent > 0.0 && self.spent >= most {
                return Ok(Some(Early::Guard(format!("all steps have cost ${:.2} (guards.max_cost)", self.spent))));
            }
            let id = step(&whole, self.ladder.steps().len() + 1)?;
            let done = match execute(session, &self.args.place, &trial, &id, switch.clone(), stopping).await {
                Ok(done) => done,
                Err(stopped) => return stopped_early(stopped).map(Some),
            };
            self.spent += done.report.usage.cost.unwrap_or_default();
            if let Some(early) = halted(&done, rate)? {
                return Ok(Some(early));
            }
            self.tried(session, rate, &done.report);
        }
        Ok(None)
    }

    /// The scenario at this rate, for one step. All steps together may cost what one run may.
    fn at(&self, rate: f64) -> Scenario {
        let (scenario, step, rate) = (self.scenario.clone(), self.args.step, Rate::of(rate));
        let is_random = matches!(scenario.shape, Shape::Poisson(_));
        let shape = if is_random { Shape::Poisson(rate) } else { Shape::Constant(rate) };
        // The warm-up may be as long as a step.
        let warm_up = scenario.warm_up.min(step / 4);
        let max_cost = (scenario.guards.max_cost - self.spent).max(0.0);
        let guards = Guards { max_cost, ..scenario.guards };
        Scenario { shape, duration: step, warm_up, guards, ..scenario }
    }

    fn tried(&mut self, session: &mut Session, rate: f64, report: &Report) {
        let (verdict, why) = (report.verdict.word, why(report));
        let holds = verdict == Word::Ok;
        session.prose(format_args!("{rate:.1}/s: {}, {why}", if holds { "holds" } else { "doesn't hold" }));
        self.ladder.tried(Step { run: report.run.clone(), rate, holds, verdict, why });
    }

    fn show(&self, session: &mut Session, output: Output, early: Option<&Early>) -> Result<Exit, Stopped> {
        let ladder = &self.ladder;
        let most = self.scenario.guards.max_rate;
        let verdict = ladder.verdict(&most.to_string(), early);
        let document =
            || json!({ "best": ladder.best(), "worst": ladder.worst(), "steps": ladder.steps(), "verdict": verdict });
        let shown = match output {
            Output::Json => session.json(&document(), true),
            Output::Ndjson => session.json(&document(), false),
            Output::Table => {
                let rows = ladder.steps().iter().map(|step| {
                    let holds = if step.holds { "yes" } else { "no" };
                    [format!("{:.1}/s", step.rate), holds.to_owned(), step.why.clone(), step.run.clone()]
                });
                session.data(format_args!("{}\n{verdict}\n", table(["rate", "holds", "why", "run"], rows)))
            }
        };
        let found = if ladder.best().is_some() { Exit::Done } else { Exit::Failed };
        let exit = match early {
            // As where it goes up to the highest rate that it may.
            Some(Early::Limit(_)) if found == Exit::Done => Exit::Done,
            Some(early) => early.exit(),
            None => found,
        };
        Session::ended(exit, shown)
    }
}

/// Why the search ends where a step couldn't be done.
fn stopped_early(stopped: Stopped) -> Result<Early, Stopped> {
    match (stopped.exit, &stopped.message) {
        (Exit::Partly, Some(why)) => Ok(Early::Interrupted(why.clone())),
        (Exit::Refused, Some(why)) => Ok(Early::Guard(why.clone())),
        _ => Err(stopped),
    }
}

/// Why the search ends where a step was ended; none where that says something about the rate.
fn halted(done: &Done, rate: f64) -> Result<Option<Early>, Stopped> {
    let Done { report, page, .. } = done;
    if report.verdict.word == Word::Unasked {
        let why = report.verdict.notes.first().cloned().unwrap_or_default();
        return Err(Stopped::new(
            exit(report),
            format_args!("at {rate:.1}/s {why}. The report is in {}", page.display()),
        ));
    }
    Ok(match &done.halted {
        Some(reason) if reason.is_failure() => return Err(Stopped::failed(reason)),
        Some(reason @ Reason::Signal(_)) => Some(Early::Interrupted(reason.to_string())),
        // More on its way in than may be: the system doesn't take so much.
        Some(Reason::Outstanding(_)) | None => None,
        Some(reason) => Some(Early::Guard(format!("at {rate:.1}/s {reason}"))),
    })
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::*;
    use crate::scenario::Overrides;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn all_steps_of_a_search_together_may_cost_what_one_run_may() {
        let text =
            "duration = \"60s\"\n[rate]\nrate = \"10/s\"\n[[event]]\ntype = \"app.assigned\"\n[guards]\nmax_cost = 2\n";
        let scenario = Scenario::parse(Path::new("x.toml"), text, &Overrides::default()).unwrap();
        let Only { args } = Only::parse_from(["find-max", "x.toml"]);
        let mut search = Search { scenario, args, ladder: Ladder::new(40.0, 100.0, 0.1), spent: 0.0 };
        assert_eq!(search.at(40.0).guards.max_cost, 2.0);
        search.spent = 1.5;
        let trial = search.at(40.0);
        assert_eq!((trial.guards.max_cost, trial.duration), (0.5, Duration::from_secs(20)));
        search.spent = 2.5;
        assert_eq!(search.at(40.0).guards.max_cost, 0.0);
    }

    #[test]
    fn a_step_that_could_not_ask_the_system_says_nothing_about_its_rate() {
        let report = serde_json::from_str(include_str!("../../tests/golden/report.json")).unwrap();
        let mut done = Done { report, page: "report.html".into(), halted: None };
        assert_eq!(halted(&done, 40.0).ok(), Some(None));
        let verdict = &mut done.report.verdict;
        (verdict.word, verdict.exit, verdict.notes) = (Word::Unasked, 7, vec!["it couldn't be asked".into()]);
        let stopped = halted(&done, 40.0).err().unwrap();
        assert_eq!(stopped.exit, Exit::Unreachable);
        assert_eq!(stopped.message.unwrap(), "at 40.0/s it couldn't be asked. The report is in report.html");
    }

    #[test]
    fn a_precision_is_a_share_that_can_be_kept_to() {
        assert_eq!(percent("10"), Ok(10.0));
        for wrong in ["-7", "NaN", "0", "0.01", "101", "inf", "ten"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
