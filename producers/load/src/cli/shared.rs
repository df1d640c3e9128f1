//! What the verbs that run scenarios share: which scenario, with what said over it.

use std::path::PathBuf;

use clap::Args;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};

use super::Session;
use crate::{
    RunId, Via,
    scenario::{Overrides, Scenario},
    slo::Slo,
};

/// Which scenario, with what is said over it.
#[derive(Debug, Clone, Args)]
pub(super) struct ScenarioArgs {
    /// The scenario
    #[arg(value_name = "SCENARIO.toml")]
    scenario: PathBuf,
    /// The way in
    #[arg(long, value_name = "api|topic|queue|table")]
    via: Option<String>,
    /// How long it waits, after the last send, for everything to come to its end
    #[arg(long, value_name = "TIME")]
    drain: Option<String>,
    /// What all its randomness comes from
    #[arg(long, value_name = "NUMBER")]
    seed: Option<String>,
    /// What has to hold besides, such as `e2e p99<5s`. May be repeated
    #[arg(long, value_name = "SLO")]
    slo: Vec<String>,
    /// What the run is called. By default the scenario's name and the time
    #[arg(long, value_name = "NAME")]
    run: Option<RunId>,
    /// The file whose being there ends the sending. By default `STOP` in the folder of all runs
    #[arg(long, value_name = "FILE")]
    kill_switch: Option<PathBuf>,
}

/// How fast and how long a run sends. A search chooses that by itself.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PaceArgs {
    /// How fast events come, in place of what the scenario says: `500/s`, `poisson:500/s`, `ramp:10/s..500/s`,
    /// `spike:100/s..900/s@20s+10s` (from one rate to the other after 20 s, for 10 s) or `trace:FILE`
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// How long it sends
    #[arg(long, value_name = "TIME")]
    duration: Option<String>,
}

impl ScenarioArgs {
    /// The scenario.
    pub(super) fn read(&self, session: &Session, pace: &PaceArgs) -> Result<Scenario, Stopped> {
        let mut over = Overrides::default();
        if let Some(rate) = &pace.rate {
            over.rate(rate);
        }
        let flags = [("via", &self.via), ("duration", &pace.duration), ("drain", &self.drain), ("seed", &self.seed)];
        for (key, value) in flags {
            if let Some(value) = value {
                over.set(key, &format!("--{key}"), value);
            }
        }
        let mut scenario = Scenario::read(&session.folder.join(&self.scenario), &over)
            .map_err(|error| Stopped::new(Exit::Usage, error))?;
        let slos = Slo::read_all(self.slo.iter().map(String::as_str)).map_err(|wrong| {
            let told: Vec<String> = wrong.iter().map(|error| format!("--slo {error}")).collect();
            Stopped::new(Exit::Usage, told.join("\n"))
        })?;
        scenario.slo.extend(slos);
        Ok(scenario)
    }

    /// What the run is called.
    pub(super) fn run(&self, session: &Session, scenario: &Scenario) -> Result<RunId, Stopped> {
        match &self.run {
            Some(run) => Ok(run.clone()),
            None => named(&scenario.name, session.clock.now(), ""),
        }
    }

    /// The file whose being there ends the sending.
    pub(super) fn switch(&self, session: &Session, out: &std::path::Path) -> PathBuf {
        let path = self.kill_switch.clone().unwrap_or_else(|| out.join("STOP"));
        session.folder.join(path)
    }

    /// Whether anything has to hold besides what always has to.
    pub(super) fn says_slo(&self, scenario: &Scenario) -> bool {
        !scenario.slo.is_empty() || !self.slo.is_empty()
    }
}

/// A run's name from the scenario's and the time.
pub(super) fn named(name: &str, now: Timestamp, suffix: &str) -> Result<RunId, Stopped> {
    let text = format!("{name}-{}{suffix}", now.strftime("%Y%m%d-%H%M%S"));
    text.parse().map_err(|error| Stopped::new(Exit::Usage, error))
}

/// One step of a longer search, named after the whole.
pub(super) fn step(run: &RunId, number: usize) -> Result<RunId, Stopped> {
    let text = format!("{run}-{number}");
    text.parse().map_err(|error| Stopped::new(Exit::Usage, format_args!("{error}. Give a shorter one with --run")))
}

/// The way in, for a message.
pub(super) fn describe(scenario: &Scenario) -> String {
    let via: Via = scenario.via;
    let left_out = match scenario.left_out() {
        0 => String::new(),
        count => format!("; {count} moments of the trace come after `duration` and are left out"),
    };
    format!("{} events at {} via {}{left_out}", scenario.expected(), scenario.shape, via.word())
}
