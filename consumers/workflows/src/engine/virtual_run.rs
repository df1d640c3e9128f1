//! A run in a world that is made up: for tests, and to see beforehand what a workflow will do.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    ActCommand, AskCommand, Command, Decision, Entry, Failure, Instance, RunState, Signal, Turn, advance, moment,
    outstanding, start,
};
use crate::Plan;

/// A world that is made up.
pub trait World {
    /// What an action brings about.
    fn act(&mut self, act: &ActCommand) -> Outcome;

    /// What somebody decides.
    fn ask(&mut self, ask: &AskCommand) -> Answer;

    /// The next number in `0.0..=1.0` by which what is tried again is delayed. At 1, as long as it may take.
    fn jitter(&mut self) -> f64 {
        1.0
    }
}

/// What an action brings about.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How long it takes. What takes longer than the action's timeout fails with `States.Timeout` then.
    pub after: SignedDuration,
    /// How it ends.
    pub reply: Reply,
}

/// How an action ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is done, and this is its answer, an object.
    Done(Value),
    /// It has failed.
    Failed(Failure),
}

/// What somebody decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// They decide.
    Decided {
        /// How long after they were asked.
        after: SignedDuration,
        /// What.
        decision: Decision,
        /// Who.
        by: String,
        /// What they say about it.
        comment: Option<String>,
    },
    /// Nobody does.
    Nobody,
    /// They couldn't be asked.
    Failed(Failure),
}

/// A run at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// What it remembers.
    pub state: RunState,
    /// What it has done.
    pub history: Vec<Entry>,
    /// All that was done in the world, in order, each when it was due.
    pub acts: Vec<ActCommand>,
    /// All that was asked.
    pub asks: Vec<AskCommand>,
    /// When it came to its end.
    pub ended: Timestamp,
}

/// Starts a run and carries it to its end. What happens at the same time happens in a fixed order: first what is to be done
/// and asked, then what came of it, each by instance.
///
/// # Errors
///
/// If it can't be [started](start).
pub fn virtual_run(
    plan: &Plan,
    run: &str,
    input: &Value,
    now: Timestamp,
    world: &mut dyn World,
) -> Result<Played, Failure> {
    Ok(carry_on(plan, start(plan, run, input, now)?, now, world))
}

/// Carries a run on from a turn at `now` to its end, so that a run that was taken up again can be played too.
#[must_use]
pub fn carry_on(plan: &Plan, turn: Turn, now: Timestamp, world: &mut dyn World) -> Played {
    let Turn { state, commands, history } = turn;
    let mut stage = Stage { queue: BTreeMap::new(), count: 0 };
    commands.into_iter().for_each(|command| stage.put(command));
    let mut played = Played { state, history, acts: Vec::new(), asks: Vec::new(), ended: now };
    while let Some((Place { due, .. }, next)) = stage.queue.pop_first() {
        let signal = match next {
            Next::Do(command) => {
                if outstanding(plan, &played.state, command.instance(), command.attempt()).is_some() {
                    stage.perform(command, due, world, &mut played);
                }
                continue;
            }
            Next::Tell(signal) => signal,
        };
        let Turn { state, commands, history } = advance(plan, played.state, &signal, due, &mut || world.jitter());
        if !history.is_empty() {
            played.ended = due;
        }
        played.state = state;
        played.history.extend(history);
        commands.into_iter().for_each(|command| stage.put(command));
    }
    played
}

/// All that is still to happen.
struct Stage {
    queue: BTreeMap<Place, Next>,
    count: u64,
}

/// When something happens.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    due: Timestamp,
    told: bool,
    instance: Instance,
    count: u64,
}

/// What happens.
enum Next {
    Do(Command),
    Tell(Signal),
}

impl Stage {
    fn put(&mut self, command: Command) {
        let (due, instance) = (command.due(), command.instance().clone());
        let next = match command {
            Command::Wake { instance, attempt, .. } => Next::Tell(Signal::Due { instance, attempt }),
            command => Next::Do(command),
        };
        self.add(due, instance, next);
    }

    fn add(&mut self, due: Timestamp, instance: Instance, next: Next) {
        self.count += 1;
        let told = matches!(next, Next::Tell(_));
        self.queue.insert(Place { due, told, instance, count: self.count }, next);
    }

    /// Does what is due `now`.
    fn perform(&mut self, command: Command, now: Timestamp, world: &mut dyn World, played: &mut Played) {
        match &command {
            Command::Act(act) => played.acts.push(act.clone()),
            Command::Ask(ask) => played.asks.push(ask.clone()),
            Command::Wake { .. } => {}
        }
        let instance = command.instance().clone();
        if let Some((after, signal)) = news(command, now, world) {
            self.add(moment::later(now, after), instance, Next::Tell(signal));
        }
    }
}

/// What comes of a command that is carried out `now`, and how long after; nothing if nobody answers.
pub(super) fn news(command: Command, now: Timestamp, world: &mut dyn World) -> Option<(SignedDuration, Signal)> {
    Some(match command {
        Command::Act(act) => {
            let Outcome { after, reply } = world.act(&act);
            let ActCommand { instance, attempt, timeout, .. } = act;
            let most = SignedDuration::from_secs(timeout.into());
            match reply {
                _ if after > most => {
                    let failure = Failure::new("States.Timeout", format!("it took longer than {timeout} s"));
                    (most, failed(instance, attempt, failure))
                }
                Reply::Done(output) => (after, Signal::Done { instance, attempt, output }),
                Reply::Failed(failure) => (after, failed(instance, attempt, failure)),
            }
        }
        Command::Ask(ask) => match world.ask(&ask) {
            Answer::Decided { after, decision, by, comment } => {
                let at = moment::later(now, after);
                (after, Signal::Decided { instance: ask.instance, decision, by, comment, at })
            }
            Answer::Failed(failure) => (SignedDuration::ZERO, failed(ask.instance, ask.attempt, failure)),
            Answer::Nobody => return None,
        },
        Command::Wake { instance, attempt, due } => (due.duration_since(now), Signal::Due { instance, attempt }),
    })
}

fn failed(instance: Instance, attempt: u32, failure: Failure) -> Signal {
    Signal::Failed { instance, attempt, error: failure.error, cause: failure.cause }
}
