//! What decides which steps are done, how often, and how a run ends.

use std::sync::Arc;

use serde_json::Value;

use super::{Apart, Around, Builder, MAX_BRANCHES, Seen, parts};
use crate::{
    Problem, Type,
    definition::{Case, Step},
    expr::normalize,
    place::{self, quoted},
    plan::{Block, Kind, OnError},
};

impl Builder {
    pub(super) fn branches(&mut self, step: &Step, place: &str, around: &Around) -> (Option<Kind>, Seen) {
        let at = |name: &str| place::field(place, name);
        let first = step.r#if.as_ref().map(|condition| (place.to_owned(), condition, step.then.as_deref()));
        let elif = step.elif.iter().flatten().enumerate();
        let others = elif.map(|(n, elif)| (place::item(&at("elif"), n), &elif.r#if, Some(elif.then.as_slice())));
        let written: Vec<_> = first.into_iter().chain(others).collect();
        self.not_too_many(written.len(), &at("elif"), "branches");
        let (mut branches, mut before) = (Some(Vec::new()), Seen::new());
        for (branch, condition, then) in written {
            let condition = self.expr(condition, &place::field(&branch, "if"), around, &Type::Boolean);
            let Some(then) = then else {
                self.report
                    .push(Problem::new(at("then"), "is missing").help("write what is done where the condition holds"));
                continue;
            };
            let block = self.branch(step, then, &place::field(&branch, "then"), around, &mut before);
            branches = branches.zip(condition).map(|(mut branches, condition)| {
                branches.push((condition, block));
                branches
            });
        }
        let otherwise = self.otherwise(step, place, around, &mut before);
        (branches.map(|branches| Kind::If { branches, otherwise }), before)
    }

    pub(super) fn switch(&mut self, step: &Step, place: &str, around: &Around) -> (Option<Kind>, Seen) {
        let at = place::field(place, "switch");
        let value = step.switch.as_ref().and_then(|value| self.any(value, &at, around));
        let value = value.filter(|value| {
            let fits = matches!(value.ty, Type::Text | Type::Number | Type::Boolean);
            if !fits {
                let message = format!("must be a text, a number or a boolean, but is {}", parts::article(&value.ty));
                self.wrong(&at, message, "compare other values with `if` and `elif`");
            }
            fits
        });
        let (mut before, mut known, mut cases) = (Seen::new(), Vec::new(), Vec::new());
        let written: &[Case] = step.cases.as_deref().unwrap_or_default();
        let at = place::field(place, "cases");
        if written.is_empty() {
            self.wrong(&at, "there must be at least one case", "write `- is: …` and `then`");
        }
        self.not_too_many(written.len(), &at, "cases");
        for (n, case) in written.iter().enumerate() {
            let place = place::item(&at, n);
            let values =
                self.values(case, &place::field(&place, "is"), value.as_ref().map(|value| &value.ty), &mut known);
            let block = match case.then.as_slice() {
                // A case may be there so that nothing is done for it.
                [] => Block::new(),
                then => self.branch(step, then, &place::field(&place, "then"), around, &mut before),
            };
            cases.push((values, block));
        }
        let otherwise = self.otherwise(step, place, around, &mut before);
        (value.map(|value| Kind::Switch { value, cases, otherwise }), before)
    }

    /// What a case is for.
    fn values(&mut self, case: &Case, place: &str, ty: Option<&Type>, known: &mut Vec<Value>) -> Vec<Value> {
        let values = match &case.is {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        if values.is_empty() {
            self.wrong(place, "has no values", "write one, or a list of several");
        }
        let mut normal = Vec::new();
        for value in values {
            let fits = match (&value, ty) {
                (Value::Null, _) => Err("is nothing; what is blank goes to `else`".to_owned()),
                (value, Some(ty)) => normalize(value, ty),
                (value, None) => Ok(value.clone()),
            };
            match fits {
                Err(why) => self.report.push(Problem::new(place, why)),
                Ok(value) if known.contains(&value) => {
                    self.report.push(Problem::new(place, format!("{value} is in another case already")));
                }
                Ok(value) => {
                    known.push(value.clone());
                    normal.push(value);
                }
            }
        }
        normal
    }

    /// A block that is taken in place of others, which come in `before` it. Their results aren't known in it, and its own are behind all.
    fn branch(&mut self, step: &Step, then: &[Step], place: &str, around: &Around, before: &mut Seen) -> Block {
        let mut inner = around.clone();
        for (id, _) in before.iter() {
            let why = format!("the step is in another branch of `{}`, and only one of them is taken", step.id);
            inner.scope.hide_step(id, why);
        }
        let (block, seen) = self.block(then, place, &mut inner);
        before.extend(seen);
        block
    }

    fn otherwise(&mut self, step: &Step, place: &str, around: &Around, before: &mut Seen) -> Block {
        match &step.r#else {
            None => Block::new(),
            Some(steps) => self.branch(step, steps, &place::field(place, "else"), around, before),
        }
    }

    pub(super) fn parallel(&mut self, step: &Step, at: &str, around: &Around) -> (Option<Kind>, Seen) {
        let written = step.parallel.as_deref().unwrap_or_default();
        if written.is_empty() {
            self.wrong(at, "has no branches", "write a list of lists of steps");
        }
        self.not_too_many(written.len(), at, "branches");
        let mut known = vec![(step.id.clone(), Type::Object(Arc::new(parts::result([]))))];
        let mut branches = Vec::new();
        for (n, steps) in written.iter().enumerate() {
            let mut inner = around.clone();
            inner.apart = Some(Apart { kind: "parallel", id: step.id.clone() });
            // Nothing of the other branches: those that come later say more than "the step comes later".
            for (other, steps) in written.iter().enumerate() {
                if other != n {
                    super::limits::each(steps, "", 0, &mut |other, _, _| {
                        let why = format!("the step is in another branch of `{}`, at the same time", step.id);
                        inner.scope.hide_step(&other.id, why);
                    });
                }
            }
            let (block, seen) = self.block(steps, &place::item(at, n), &mut inner);
            known.extend(seen);
            branches.push(block);
        }
        (Some(Kind::Parallel { branches, on_error: OnError::Stop }), known)
    }

    pub(super) fn set(&mut self, step: &Step, at: &str, around: &Around) -> Option<Kind> {
        self.not_apart("set", at, around, "its variables would depend on who comes first; collect results instead");
        let written = step.set.as_ref()?;
        if written.is_empty() {
            self.wrong(at, "sets nothing", "write `name: expression`");
        }
        let mut set = Some(Vec::new());
        for (name, value) in written {
            let place = place::field(at, name);
            let made = match self.vars.get(name).cloned() {
                Some(ty) => self.expr(value, &place, around, &ty),
                None => {
                    let known: Vec<&str> = self.vars.keys().map(String::as_str).collect();
                    let help = match known.as_slice() {
                        [] => "declare it under `vars`".to_owned(),
                        known => place::suggest(name, known),
                    };
                    self.wrong(&place, format!("there is no variable {}", quoted(name)), help);
                    None
                }
            };
            set = set.zip(made).map(|(mut set, made)| {
                set.push((name.clone(), made));
                set
            });
        }
        set.map(Kind::Set)
    }

    pub(super) fn stop(&mut self, step: &Step, at: &str, around: &Around) -> Option<Kind> {
        self.not_apart("stop", at, around, "the others would be given up in the middle; use `if` to leave steps out");
        if step.stop == Some(false) {
            self.wrong(at, "must be `true`", "leave the step out");
        }
        Some(Kind::Stop)
    }

    pub(super) fn fail(&mut self, step: &Step, at: &str, around: &Around) -> Option<Kind> {
        let message = self.filled(step.fail.as_ref()?, at, around)?;
        Some(Kind::Fail { message })
    }

    fn not_apart(&mut self, what: &str, place: &str, around: &Around, why: &str) {
        if let Some(Apart { kind, id }) = &around.apart {
            let message = format!("`{what}` can't stand inside of the {kind} `{id}`");
            self.wrong(place, message, why);
        }
    }

    fn not_too_many(&mut self, count: usize, place: &str, what: &str) {
        if count > MAX_BRANCHES {
            let message = format!("there are {count} {what}, and may be at most {MAX_BRANCHES}");
            self.report.push(Problem::new(place, message));
        }
    }
}
