//! `sendoff workflow dry-run`: what a run would do.

mod answered;
mod cost;
mod given;
mod message;
mod page;
mod users;
mod world;

use cost::{Cost, Prices};
use jiff::Timestamp;
use message::{Message, Writer};
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::Clock as _;
use sendoff_host::SystemClock;
use sendoff_workflows::{
    Plan,
    engine::{Entry, Failure, Instance, Status, virtual_run},
    plan::Kind,
};
use serde::Serialize;
use users::Users;
use world::MadeUp;

use super::{
    args::{DryRun, Of},
    input,
};
use crate::cli::args::TableOrJson;

/// What a run would do.
#[derive(Serialize)]
struct Played {
    /// `APP/WORKFLOW`.
    workflow: String,
    trigger: &'static str,
    started: Timestamp,
    ended: Timestamp,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    history: Vec<Entry>,
    messages: Vec<Message>,
    cost: Cost,
}

pub(super) fn run(config: &Config, args: &DryRun) -> Result<Exit, Stopped> {
    let plan = input::checked(&args.definition)?.plan;
    known(&plan, args)?;
    let prices = Prices::read(args.prices.as_deref())?;
    let started = sendoff_events::at_millis(args.at.unwrap_or_else(|| SystemClock.now()));
    let mut submission = args.submission.as_deref().map(input::submission).transpose()?;
    let users = Users::read(args, submission.as_mut().and_then(|found| found.users.take()))?;
    let given = given::given(&plan, args, submission, started)?;
    let writer = Writer { templates: &config.templates, locale: &args.locale, users: &users, now: started };
    let mut world = MadeUp::new(args, writer);
    let played = virtual_run(&plan, RUN, &given.input, started, &mut world)
        .map_err(|failure| Stopped::failed(format!("it can't be started: {}: {}", failure.error, failure.cause)))?;
    let cost = Cost::of(&plan, &played.history, &world.messages, &prices);
    let played = Played {
        workflow: format!("{}/{}", plan.app, plan.name),
        trigger: given.trigger,
        started,
        ended: played.ended,
        status: played.state.status(),
        failure: played.state.failure().cloned(),
        history: played.history,
        messages: world.messages,
        cost,
    };
    match args.output {
        TableOrJson::Json => print::json(&played)?,
        TableOrJson::Table => print::data(page::page(&plan, &played))?,
    }
    Ok(if played.status == Status::Succeeded { Exit::Done } else { Exit::Failed })
}

/// What the run is called.
const RUN: &str = "dry-run";
/// Whose it is. Nothing of a tenant is looked up.
const TENANT: &str = "acme";

/// Whether all steps that the flags name are there and of the right kind, and can answer so.
fn known(plan: &Plan, args: &DryRun) -> Result<(), Stopped> {
    let wrong = |flag: &str, step: &Instance, why: &str| {
        Stopped::new(Exit::Usage, format!("{flag}: the definition has no step `{step}` that {why}"))
    };
    for said in &args.approve {
        if !matches!(cost::find(&plan.block, &said.step.step), Some(Kind::Approval(_))) {
            return Err(wrong("--approve", &said.step, "asks somebody"));
        }
    }
    let act = |flag: &str, step: &Instance| match cost::find(&plan.block, &step.step) {
        Some(Kind::Act(act)) => Ok(act),
        _ => Err(wrong(flag, step, "does something: a message, `http`, `database` or `record`")),
    };
    for said in &args.fail {
        act("--fail", &said.step)?;
    }
    for Of { step, what } in &args.answer {
        answered::check(act("--answer", step)?, &what.0)
            .map_err(|why| Stopped::new(Exit::Usage, format!("--answer: `{step}` can't answer that: {why}")))?;
    }
    Ok(())
}
