//! Carries a run on, from step to step, as far as it goes without waiting for anything.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Command, Entry, Failure, Instance, Signal, What, call,
    cursor::{Asked, At, Branch, Cursor, Items},
    limits::{self, MAX_STEPS, Work},
    parts,
    scope::{Level, Names, Place},
    state::Facts,
    walk,
};
use crate::{
    expr::{Expr, Template},
    plan::{Kind, OnError, Step},
};

/// How far something has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It waits for something.
    Open,
    /// It is through.
    Done,
    /// The whole run is.
    End,
}

/// What has failed.
#[derive(Debug)]
pub(super) enum Failing {
    /// A step, which may be caught around it.
    Step(Failure),
    /// The run.
    Run(Failure),
}

/// Why a step is looked at.
#[derive(Clone, Copy)]
pub(super) enum Told<'a> {
    /// The run comes to it, or is taken up again there: whatever isn't through is begun anew.
    Afresh,
    /// Something has happened, at this instance or another.
    Signal(&'a Instance, &'a Signal),
}

/// A step that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) step: &'a Step,
    /// When the run came to it.
    pub(super) since: Timestamp,
    pub(super) told: Told<'a>,
}

/// Carries a run on.
pub(super) struct Driver<'a> {
    pub(super) facts: &'a Facts,
    pub(super) vars: &'a mut BTreeMap<String, Value>,
    pub(super) steps: &'a mut u32,
    pub(super) redrives: u32,
    pub(super) now: Timestamp,
    pub(super) jitter: &'a mut dyn FnMut() -> f64,
    pub(super) work: Work,
    /// The indices of the items around.
    pub(super) items: Vec<u32>,
    pub(super) commands: Vec<Command>,
    pub(super) history: Vec<Entry>,
}

impl Driver<'_> {
    /// Carries a block on.
    pub(super) fn block(
        &mut self,
        block: &[Step],
        cursor: &mut Cursor,
        told: Told<'_>,
        place: &mut Place<'_>,
    ) -> Result<Progress, Failing> {
        while let Some(step) = block.get(cursor.step) {
            // A step that has failed before it was begun is come to again when the run is taken up.
            let since = *cursor.since.get_or_insert(self.now);
            self.work.next();
            let progress = match &mut cursor.at {
                None if self.work.is_enough() => {
                    cursor.at = Some(Box::new(self.pause(step)));
                    Progress::Open
                }
                None => self.enter(Here { step, since, told: Told::Afresh }, &mut cursor.at, place)?,
                Some(at) => match **at {
                    At::Pause(attempt, _) if !self.is_woken(step, told, attempt) => Progress::Open,
                    At::Pause(..) => {
                        cursor.at = None;
                        self.enter(Here { step, since, told: Told::Afresh }, &mut cursor.at, place)?
                    }
                    _ => self.resume(Here { step, since, told }, at, place)?,
                },
            };
            if progress != Progress::Done {
                return Ok(progress);
            }
            *cursor = Cursor { step: cursor.step + 1, ..Cursor::default() };
        }
        Ok(Progress::Done)
    }

    /// Comes to a step.
    fn enter(&mut self, here: Here<'_>, at: &mut Option<Box<At>>, place: &mut Place<'_>) -> Result<Progress, Failing> {
        let step = here.step;
        if *self.steps >= MAX_STEPS {
            let cause = format!("the run has come to {MAX_STEPS} steps, the most that are allowed");
            return Err(Failing::Run(Failure::new("Workflow.TooManySteps", cause)));
        }
        *self.steps += 1;
        self.note(step, What::Entered, |_| {});
        let begun = match &step.kind {
            Kind::Act(_) => At::Act(Asked::never(self.now)),
            Kind::Approval(_) => At::Ask(Asked::never(self.now), self.now),
            Kind::Wait(_) => At::Wait(0, self.now),
            Kind::If { branches, .. } => {
                let mut number = 0;
                for (condition, _) in branches {
                    if self.value(condition, here, place)? == Value::Bool(true) {
                        break;
                    }
                    number += 1;
                }
                self.pick(step, number)
            }
            Kind::Switch { value, cases, .. } => {
                let value = self.value(value, here, place)?;
                let number = cases.iter().position(|(cases, _)| cases.iter().any(|case| parts::equal(case, &value)));
                self.pick(step, number.unwrap_or(cases.len()))
            }
            Kind::Parallel { branches, .. } => At::All(vec![Branch::default(); branches.len()]),
            Kind::ForEach { .. } => At::Each(Items::default()),
            Kind::Set(values) => return self.set(here, values, place),
            Kind::Stop => {
                self.note(step, What::Done, |_| {});
                return Ok(Progress::End);
            }
            Kind::Fail { message } => return Err(self.fail(here, message, place)),
        };
        self.resume(here, at.insert(Box::new(begun)), place)
    }

    /// Goes on at a step that the run has come to before.
    fn resume(&mut self, here: Here<'_>, at: &mut At, place: &mut Place<'_>) -> Result<Progress, Failing> {
        let Here { step, told, .. } = here;
        let gone = match (&step.kind, &mut *at) {
            (_, At::Handle(cursor)) => {
                return match parts::on_error(step) {
                    Some(OnError::Steps(block)) => self.block(block, cursor, told, place),
                    _ => Err(mismatch(step)),
                };
            }
            (kind, At::Pick(number, cursor)) => {
                return match parts::block(kind, *number) {
                    Some(block) => self.block(block, cursor, told, place),
                    None => Err(mismatch(step)),
                };
            }
            (Kind::Wait(wait), At::Wait(attempt, until)) => {
                return self.wait(here, wait, (attempt, until), place);
            }
            (Kind::Act(act), At::Act(asked)) => self.act(here, act, asked, place),
            (Kind::Approval(approval), At::Ask(asked, until)) => self.approval(here, approval, (asked, until), place),
            (Kind::Parallel { branches, .. }, At::All(all)) => self.all(here, branches, all, place),
            (Kind::ForEach { .. }, At::Each(items)) => self.each(here, items, place),
            _ => return Err(mismatch(step)),
        };
        match gone {
            Err(Failing::Step(failure)) => self.caught(here, at, failure, place),
            gone => gone,
        }
    }

    /// A step that has an `on_error` has failed.
    fn caught(
        &mut self,
        here: Here<'_>,
        at: &mut At,
        failure: Failure,
        place: &mut Place<'_>,
    ) -> Result<Progress, Failing> {
        let step = here.step;
        let on_error = parts::on_error(step).unwrap_or(&OnError::Stop);
        if *on_error != OnError::Stop {
            let given_up = self.given_up(|walk| walk.at(step, at, here.since, &place.level()));
            self.commands.retain(|command| !given_up.contains(command.instance()));
        }
        self.note(step, What::Failed, |entry| entry.error = Some(failure.clone()));
        if *on_error == OnError::Stop {
            return Err(Failing::Step(failure));
        }
        if let Some(result) = call::failed(step, &failure.error) {
            place.results.insert(step.id.clone(), result);
        }
        let OnError::Steps(block) = on_error else { return Ok(Progress::Done) };
        *at = At::Handle(Cursor::default());
        match at {
            At::Handle(cursor) => self.block(block, cursor, Told::Afresh, place),
            _ => Ok(Progress::Done),
        }
    }

    /// Notes what is under way in a part of the run, which is given up, and gives its instances.
    pub(super) fn given_up(&mut self, visit: impl FnOnce(&mut walk::Walk<'_>)) -> BTreeSet<Instance> {
        let mut given_up = BTreeSet::new();
        let mut found = |leaf: walk::Leaf<'_>| {
            given_up.insert(leaf.instance);
        };
        visit(&mut walk::Walk { facts: self.facts, vars: self.vars, items: self.items.clone(), found: &mut found });
        let entries = given_up.iter().map(|instance| Entry::of(self.now, What::GivenUp, instance.clone()));
        self.history.extend(entries);
        given_up
    }

    /// Puts a step off to another turn, before which others have theirs, and a stop is heard.
    fn pause(&mut self, step: &Step) -> At {
        // Counted down, and never twice the same, so that it is none of what the step itself waits for.
        let attempt = u32::MAX - *self.steps;
        self.commands.push(Command::Wake { instance: self.instance(step), attempt, due: self.now });
        At::Pause(attempt, self.now)
    }

    /// Whether a step that was put off is to begin.
    fn is_woken(&self, step: &Step, told: Told<'_>, attempt: u32) -> bool {
        match told {
            Told::Afresh => true,
            Told::Signal(instance, signal) => {
                let is_due = matches!(signal, Signal::Due { attempt: of, .. } if *of == attempt);
                is_due && self.is_at(step, instance)
            }
        }
    }

    fn pick(&mut self, step: &Step, number: usize) -> At {
        self.note(step, What::Chosen, |entry| entry.output = Some(json!(number)));
        At::Pick(number, Cursor::default())
    }

    fn set(&mut self, here: Here<'_>, values: &[(String, Expr)], place: &Place<'_>) -> Result<Progress, Failing> {
        let made = values.iter().map(|(name, expr)| {
            let value = self.value(expr, here, place)?;
            limits::check_value(&format!("the variable `{name}`"), &value).map_err(Failing::Run)?;
            Ok((name, value))
        });
        let values: Vec<_> = made.collect::<Result<_, _>>()?;
        let output: serde_json::Map<_, _> =
            values.iter().map(|(name, value)| ((*name).clone(), value.clone())).collect();
        limits::check_size(&format!("what `{}` sets", here.step.id), &output).map_err(Failing::Run)?;
        self.vars.extend(values.into_iter().map(|(name, value)| (name.clone(), value)));
        self.note(here.step, What::Done, |entry| entry.output = Some(output.into()));
        Ok(Progress::Done)
    }

    fn fail(&mut self, here: Here<'_>, message: &Template, place: &Place<'_>) -> Failing {
        let level = place.level();
        let text = call::text(message, &self.names(here, &level));
        if let Err(failing) = self.within(here.step) {
            return failing;
        }
        let failure = Failure::new("Workflow.Failed", text);
        self.note(here.step, What::Failed, |entry| entry.error = Some(failure.clone()));
        Failing::Step(failure)
    }

    /// A step is done, and this is its result.
    pub(super) fn done(
        &mut self,
        step: &Step,
        what: What,
        attempt: Option<u32>,
        result: Value,
        place: &mut Place<'_>,
    ) -> Result<Progress, Failing> {
        limits::check_value(&format!("the result of `{}`", step.id), &result).map_err(Failing::Run)?;
        self.note(step, what, |entry| {
            entry.attempt = attempt;
            entry.output = Some(result.clone());
        });
        place.results.insert(step.id.clone(), result);
        Ok(Progress::Done)
    }

    pub(super) fn note(&mut self, step: &Step, what: What, fill: impl FnOnce(&mut Entry)) {
        let mut entry = Entry::of(self.now, what, self.instance(step));
        fill(&mut entry);
        self.history.push(entry);
    }

    pub(super) fn instance(&self, step: &Step) -> Instance {
        Instance::new(&step.id, &self.items)
    }

    pub(super) fn is_at(&self, step: &Step, instance: &Instance) -> bool {
        step.id == instance.step && self.items == instance.items
    }

    pub(super) fn names<'n>(&'n self, here: Here<'_>, level: &'n Level<'n>) -> Names<'n> {
        Names { facts: self.facts, vars: self.vars, level, now: here.since, work: Some(&self.work) }
    }

    pub(super) fn value(&self, expr: &Expr, here: Here<'_>, place: &Place<'_>) -> Result<Value, Failing> {
        let value = expr.eval(&self.names(here, &place.level()));
        self.within(here.step).map(|()| value)
    }

    /// That what the step needed could be made: else parts of it are missing.
    pub(super) fn within(&self, step: &Step) -> Result<(), Failing> {
        self.work.check(&step.id).map_err(Failing::Run)
    }
}

/// The state and the plan don't belong together.
fn mismatch(step: &Step) -> Failing {
    let cause =
        format!("the run's state doesn't fit the plan at `{}`: it was made with another version of it", step.id);
    Failing::Run(Failure::new("Workflow.OtherPlan", cause))
}
