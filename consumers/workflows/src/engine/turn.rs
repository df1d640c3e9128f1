//! From one state of a run to the next.

use jiff::Timestamp;
use sendoff_events::at_millis;
use serde_json::Value;

use super::{
    Command, Entry, Failure, Instance, RunState, Signal, Status, What, call,
    cursor::{At, Cursor},
    drive::{Driver, Failing, Progress, Told},
    limits::{self, MAX_STATE, Work},
    scope::{Level, Place},
    state::{Facts, Form},
    walk::{Leaf, Walk},
};
use crate::{Plan, plan::Kind};

/// What came of it. All three become durable together, or none does.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What the run remembers.
    pub state: RunState,
    /// What the host is to do.
    pub commands: Vec<Command>,
    /// What there is to tell.
    pub history: Vec<Entry>,
}

/// Starts a run named `run`. `input` has the form that both targets give it, with the fields normalised.
///
/// # Errors
///
/// If the input, with what variables are at first, has more than [`MAX_VALUE`](super::MAX_VALUE) bytes as JSON. Step Functions
/// doesn't carry such a run out either.
pub fn start(plan: &Plan, run: &str, input: &Value, now: Timestamp) -> Result<Turn, Failure> {
    limits::check_value("the run's input", input)?;
    let initial: Vec<&Value> = plan.vars.values().map(|var| &var.initial).collect();
    limits::check_size("the run's input, with what its variables are at first,", &(input, initial))?;
    let now = at_millis(now);
    let state = RunState {
        form: Form,
        status: Status::Running,
        failure: None,
        redrives: 0,
        steps: 0,
        facts: Facts { run: run.to_owned(), started: now, input: input.clone() },
        vars: plan.vars.iter().map(|(name, var)| (name.clone(), var.initial.clone())).collect(),
        results: Default::default(),
        cursor: Cursor::default(),
    };
    let mut started = Entry::new(now, What::Started);
    started.input = Some(input.clone());
    // Nothing was tried before, so nothing is tried again.
    Ok(carry(plan, state, Told::Afresh, now, &mut || 0.0, vec![started]))
}

/// Tells a run what has happened. `jitter` gives numbers in `0.0..1.0`.
#[must_use]
pub fn advance(
    plan: &Plan,
    mut state: RunState,
    signal: &Signal,
    now: Timestamp,
    jitter: &mut dyn FnMut() -> f64,
) -> Turn {
    let now = at_millis(now);
    match (signal, state.status) {
        (Signal::Redrive, Status::Failed) => {
            state.status = Status::Running;
            state.failure = None;
            state.redrives = state.redrives.saturating_add(1);
            carry(plan, state, Told::Afresh, now, jitter, vec![Entry::new(now, What::Redriven)])
        }
        (Signal::Stop, Status::Running) => stop(plan, state, now),
        (
            Signal::Done { instance, .. }
            | Signal::Failed { instance, .. }
            | Signal::Due { instance, .. }
            | Signal::Decided { instance, .. },
            Status::Running,
        ) => carry(plan, state, Told::Signal(instance, signal), now, jitter, Vec::new()),
        _ => Turn { state, commands: Vec::new(), history: Vec::new() },
    }
}

/// Everything that a run has asked of its host and still waits for.
#[must_use]
pub fn pending(plan: &Plan, state: &RunState) -> Vec<Command> {
    let mut commands = Vec::new();
    look(plan, state, &mut |leaf| commands.extend(asked_for(leaf, state.redrives)));
    commands
}

/// What a run still waits for at this instance and attempt: what to do, or whom to ask, or when to wake it. Nothing if it was
/// done or given up: then a host needn't begin with it.
#[must_use]
pub fn outstanding(plan: &Plan, state: &RunState, instance: &Instance, attempt: u32) -> Option<Command> {
    let mut found = None;
    look(plan, state, &mut |leaf| {
        if leaf.instance == *instance {
            found = asked_for(leaf, state.redrives).find(|command| command.attempt() == attempt);
        }
    });
    found
}

/// Looks at all that is under way.
fn look(plan: &Plan, state: &RunState, found: &mut dyn FnMut(Leaf<'_>)) {
    if state.status == Status::Running {
        let mut walk = Walk { facts: &state.facts, vars: &state.vars, items: Vec::new(), found };
        walk.block(&plan.block, &state.cursor, &Level { results: &state.results, item: None, outer: None });
    }
}

/// What was asked for there.
fn asked_for(leaf: Leaf<'_>, redrives: u32) -> impl Iterator<Item = Command> {
    let Leaf { instance, step, at, names } = leaf;
    let commands = match (at, &step.kind) {
        (At::Act(asked), Kind::Act(act)) => {
            [Some(Command::Act(call::act(act, asked, instance, redrives, &names))), None]
        }
        (At::Ask(asked, deadline), Kind::Approval(approval)) => {
            let ask = call::ask(approval, asked, *deadline, instance.clone(), &names);
            [Some(Command::Ask(ask)), Some(Command::Wake { instance, attempt: asked.attempt, due: *deadline })]
        }
        (At::Wait(attempt, due) | At::Pause(attempt, due), _) => {
            [Some(Command::Wake { instance, attempt: *attempt, due: *due }), None]
        }
        _ => [None, None],
    };
    commands.into_iter().flatten()
}

fn stop(plan: &Plan, mut state: RunState, now: Timestamp) -> Turn {
    let mut history = Vec::new();
    look(plan, &state, &mut |leaf| history.push(Entry::of(now, What::GivenUp, leaf.instance)));
    history.push(Entry::new(now, What::RunStopped));
    state.status = Status::Stopped;
    Turn { state, commands: Vec::new(), history }
}

/// Carries a run on, and sees to its end.
fn carry(
    plan: &Plan,
    mut state: RunState,
    told: Told<'_>,
    now: Timestamp,
    jitter: &mut dyn FnMut() -> f64,
    history: Vec<Entry>,
) -> Turn {
    // What becomes too large is given up, and the run fails as it was.
    let before = state.clone();
    let RunState { facts, vars, steps, redrives, results, cursor, .. } = &mut state;
    let (items, commands, redrives) = (Vec::new(), Vec::new(), *redrives);
    let work = Work::default();
    let mut driver = Driver { facts, vars, steps, redrives, now, jitter, work, items, commands, history };
    let mut place = Place { results, item: None, outer: None };
    let gone = driver.block(&plan.block, cursor, told, &mut place);
    if gone.is_err() {
        driver.items.clear();
        driver.given_up(|walk| walk.block(&plan.block, cursor, &place.level()));
    }
    let Driver { mut commands, mut history, .. } = driver;
    match gone {
        Ok(Progress::Open) => {}
        Ok(Progress::Done | Progress::End) => {
            state.cursor = Cursor::default();
            state.status = Status::Succeeded;
        }
        Err(Failing::Step(failure) | Failing::Run(failure)) => state.fail(failure),
    }
    if !limits::fits(&state, MAX_STATE) {
        state = before;
        let cause = format!("what the run remembers has more than {MAX_STATE} bytes as JSON");
        state.fail(Failure::new("Workflow.StateTooLarge", cause));
    }
    let what = match state.status {
        Status::Running => return Turn { state, commands, history },
        Status::Succeeded => What::RunSucceeded,
        _ => What::RunFailed,
    };
    commands.clear();
    let mut ended = Entry::new(now, what);
    ended.error.clone_from(&state.failure);
    history.push(ended);
    Turn { state, commands, history }
}

impl RunState {
    fn fail(&mut self, failure: Failure) {
        self.status = Status::Failed;
        self.failure = Some(failure);
    }
}
