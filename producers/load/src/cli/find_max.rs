//! `load find-max`.

mod outcome;
mod settle;

use std::time::Duration;

use jiff::SignedDuration;
use outcome::{ended, halted, steps, stopped_early, why};
use sendoff_host::{Exit, Stopped};

use super::{
    Output, Session,
    execute::execute,
    place::PlaceArgs,
    shared::{PaceArgs, ScenarioArgs, step},
    stopping::Stopping,
};
use crate::{
    RunId,
    arrivals::{Rate, Shape},
    find_max::{Backlog, Early, Found, Ladder, Step, shown},
    guards,
    report::Report,
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
    let run = args.scenario.run(session, &scenario)?;
    let mut search = Search::new(scenario, args, run);
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
    /// What its runs are called, with their numbers.
    run: RunId,
    ladder: Ladder,
    /// Dollars so far.
    spent: f64,
    /// What the queues held before the first rate.
    before: Option<Backlog>,
}

impl Search {
    fn new(scenario: Scenario, args: Args, run: RunId) -> Self {
        let most = scenario.guards.max_rate.a_second();
        // Below that, a step would be over before the second event is due.
        let least = args.step.as_secs_f64().recip();
        let ladder = Ladder::new(args.from.a_second(), most, args.precision / 100.0, least);
        Self { scenario, args, run, ladder, spent: 0.0, before: None }
    }

    /// Tries one rate after the other, until it is known or something ends the search before.
    async fn go(&mut self, session: &mut Session, stopping: &Stopping) -> Result<Option<Early>, Stopped> {
        while let Some(rate) = self.ladder.next() {
            let rate = self.exactly(rate);
            let ended = match self.step(session, rate, stopping).await {
                Ok(ended) => ended,
                Err(stopped) => Some(stopped_early(stopped)?),
            };
            if ended.is_some() {
                return Ok(ended);
            }
        }
        Ok(None)
    }

    /// Tries one rate. Gives why the search ends here, where it does.
    async fn step(&mut self, session: &mut Session, rate: Rate, stopping: &Stopping) -> Result<Option<Early>, Stopped> {
        if let Some(reason) = stopping.reason() {
            return Ok(Some(Early::Interrupted(reason.to_string())));
        }
        let a_second = rate.a_second();
        if let Err(refusal) = guards::check(&self.at(rate)) {
            return Ok(Some(Early::Limit(format!("at {} {refusal}", shown(a_second)))));
        }
        let most = self.scenario.guards.max_cost;
        if self.spent > 0.0 && self.spent >= most {
            return Ok(Some(Early::Guard(format!("all steps have cost ${:.2} (guards.max_cost)", self.spent))));
        }
        let switch = self.args.scenario.switch(session, &self.args.place.out);
        let backlog = match self.settle(session, rate, &switch, stopping).await? {
            Ok(backlog) => backlog,
            Err(early) => return Ok(Some(early)),
        };
        let id = step(&self.run, self.ladder.steps().len() + 1)?;
        let done = execute(session, &self.args.place, &self.at(rate), &id, switch, stopping).await?;
        self.spent += done.report.usage.cost.unwrap_or_default();
        let ended = halted(&done, a_second)?;
        if ended.is_none() {
            self.tried(session, a_second, &done.report, backlog);
        }
        Ok(ended)
    }

    /// The rate to try: none above what may be sent, and what was said as it was said.
    fn exactly(&self, rate: f64) -> Rate {
        let (most, from) = (self.scenario.guards.max_rate, self.args.from);
        match rate {
            rate if rate >= most.a_second() => most,
            rate if rate == from.a_second() => from,
            rate => Rate::at_most(rate),
        }
    }

    /// The scenario at this rate, for one step. All steps together may cost what one run may.
    fn at(&self, rate: Rate) -> Scenario {
        let (scenario, step) = (self.scenario.clone(), self.args.step);
        let is_random = matches!(scenario.shape, Shape::Poisson(_));
        let shape = if is_random { Shape::Poisson(rate) } else { Shape::Constant(rate) };
        // The warm-up may be as long as a step.
        let warm_up = scenario.warm_up.min(step / 4);
        let max_cost = (scenario.guards.max_cost - self.spent).max(0.0);
        let guards = Guards { max_cost, ..scenario.guards };
        Scenario { shape, duration: step, warm_up, guards, ..scenario }
    }

    fn tried(&mut self, session: &mut Session, rate: f64, report: &Report, backlog: u64) {
        let step = Step::new(report.run.clone(), rate, report.verdict.word, why(report), backlog);
        let holds = match step.holds {
            Some(true) => "holds",
            Some(false) => "doesn't hold",
            None => "unknown",
        };
        let began =
            if backlog > 0 { format!("; it began with {backlog} messages in the queues") } else { String::new() };
        session.prose(format_args!("{}: {holds}, {}{began}", shown(rate), step.why));
        let is_unknown = step.holds.is_none();
        self.ladder.tried(step);
        if is_unknown && self.ladder.next().is_some() {
            session.prose("the same rate once more: of the system nothing is known at it");
        }
    }

    fn show(&self, session: &mut Session, output: Output, early: Option<&Early>) -> Result<Exit, Stopped> {
        let most = self.scenario.guards.max_rate;
        let found = Found::of(&self.ladder, self.run.as_str(), &most.to_string(), early);
        let kept = found.keep(&session.folder.join(&self.args.place.out));
        let shown = match output {
            Output::Json => session.json(&found, true),
            Output::Ndjson => session.json(&found, false),
            Output::Table => session.data(format_args!("{}\n{}\n", steps(found.steps), found.verdict)),
        };
        let exit = ended(&self.ladder, early);
        match kept {
            Ok(path) => {
                session.prose(format_args!("The result is in {}", path.display()));
                Session::ended(exit, shown)
            }
            Err(error) => {
                let exit = if exit == Exit::Done { Exit::Failed } else { exit };
                Err(Stopped::new(exit, format_args!("the result can't be written to {}: {error}", Found::FILE)))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::*;
    use crate::{report::Word, scenario::Overrides};

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: Args,
    }

    /// A search of a scenario with these guards.
    pub(super) fn search(guards: &str, flags: &[&str]) -> Search {
        let text = format!(
            "duration = \"60s\"\n[rate]\nrate = \"10/s\"\n[[event]]\ntype = \"app.assigned\"\n[guards]\n{guards}\n"
        );
        let scenario = Scenario::parse(Path::new("x.toml"), &text, &Overrides::default()).unwrap();
        let Only { args } = Only::parse_from(["find-max", "x.toml"].iter().chain(flags));
        Search::new(scenario, args, "search".parse().unwrap())
    }

    #[test]
    fn all_steps_of_a_search_together_may_cost_what_one_run_may() {
        let (mut search, rate) = (search("max_cost = 2", &[]), Rate::per_second(40));
        assert_eq!(search.at(rate).guards.max_cost, 2.0);
        search.spent = 1.5;
        let trial = search.at(rate);
        assert_eq!((trial.guards.max_cost, trial.duration), (0.5, Duration::from_secs(20)));
        search.spent = 2.5;
        assert_eq!(search.at(rate).guards.max_cost, 0.0);
    }

    /// The rates that are tried where all of them hold.
    fn tried(search: &mut Search) -> Vec<String> {
        let mut rates = Vec::new();
        while let Some(rate) = search.ladder.next() {
            let rate = search.exactly(rate);
            assert_eq!(guards::check(&search.at(rate)), Ok(()), "{rate}");
            search.ladder.tried(Step::new("search-1", rate.a_second(), Word::Ok, String::new(), 0));
            rates.push(rate.to_string());
        }
        rates
    }

    #[test]
    fn a_search_goes_up_to_the_most_that_may_be_sent_however_that_is_said() {
        let guards = "max_rate = \"100/min\"";
        assert_eq!(tried(&mut search(guards, &[])), ["100/min"]);
        let mut slow = search(guards, &["--from", "1/s"]);
        assert_eq!(tried(&mut slow), ["1/s", "100/min"]);
        assert_eq!(slow.ladder.verdict("100/min", None), "at least 1.67/s: guards.max_rate is 100/min");
        assert_eq!(tried(&mut search(guards, &["--from", "30/min"])), ["30/min", "1/s", "100/min"]);
    }

    #[test]
    fn a_search_goes_down_as_far_as_a_step_has_something_to_send() {
        let mut search = search("", &["--from", "1/s", "--step", "20s"]);
        let mut last = None;
        while let Some(rate) = search.ladder.next() {
            let rate = search.exactly(rate);
            search.ladder.tried(Step::new("search-1", rate.a_second(), Word::Failed, String::new(), 0));
            last = Some(rate.to_string());
        }
        assert_eq!(last.as_deref(), Some("3.75/min"));
    }

    #[test]
    fn a_precision_is_a_share_that_can_be_kept_to() {
        assert_eq!(percent("10"), Ok(10.0));
        for wrong in ["-7", "NaN", "0", "0.01", "101", "inf", "ten"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
