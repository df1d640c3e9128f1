//! Random steps.

use serde_json::{Map, Value, json};

use super::{
    Tape,
    formulas::{Kind, Known},
};

/// The most that blocks stand in each other.
const DEEPEST: usize = 4;

/// Makes steps as long as some are left.
pub(super) struct Maker<'a> {
    pub(super) tape: &'a mut Tape,
    pub(super) left: usize,
    pub(super) made: usize,
}

/// What a message's result has besides.
const MESSAGE: [(&str, Kind); 2] = [("status", Kind::Text), ("error", Kind::Text)];

impl Maker<'_> {
    /// Steps, at least one. What they add to what is known is added. `must` says that one is made although none is left.
    pub(super) fn block(&mut self, known: &mut Known, depth: usize, must: bool) -> Vec<Value> {
        let mut block = Vec::new();
        let most = if depth == 1 { self.left } else { 1 + self.tape.below(3) };
        while (block.len() < most && self.left > 0) || (block.is_empty() && must) {
            // What ends the block is its last step.
            let ends = self.tape.rarely(12);
            block.push(if ends { self.end(known) } else { self.step(known, depth) });
            if ends || (depth == 1 && self.tape.numbers.len() == 0) {
                break;
            }
        }
        block
    }

    fn id(&mut self) -> String {
        self.left = self.left.saturating_sub(1);
        self.made += 1;
        format!("s_{}", self.made)
    }

    fn end(&mut self, known: &Known) -> Value {
        let id = self.id();
        if known.apart || self.tape.below(2) == 1 {
            json!({ "id": id, "fail": self.tape.words(known) })
        } else {
            json!({ "id": id, "stop": true })
        }
    }

    fn step(&mut self, known: &mut Known, depth: usize) -> Value {
        let deeper = depth < DEEPEST && self.left > 1;
        let id = self.id();
        let mut step = Map::new();
        step.insert("id".into(), json!(id));
        let (kinds, apart) = (if deeper { 13 } else { 9 }, known.apart);
        match self.tape.below(kinds) {
            0..=2 => self.message(&id, &mut step, known),
            3 => self.http(&id, &mut step, known),
            4 => self.database(&id, &mut step, known),
            5 => self.record(&id, &mut step, known),
            6 if !apart => self.set(&mut step, known),
            6 | 7 => self.wait(&mut step, known),
            8 => {
                let approvers = self.tape.formula(Kind::Texts, known, 1);
                let title = format!("Ok? {}", self.tape.words(known));
                let text = self.tape.words(known);
                let names =
                    [("status", Kind::Text), ("decision", Kind::Text), ("by", Kind::Text), ("at", Kind::Moment)];
                known.add(&format!("steps.{id}"), &names);
                known.fallible.push(id.clone());
                step.insert(
                    "approval".into(),
                    json!({ "approvers": approvers, "title": title, "text": text, "deadline": "1d" }),
                );
            }
            9 => self.branches(&mut step, known, depth),
            10 => self.switch(&mut step, known, depth),
            11 => self.parallel(&id, &mut step, known, depth),
            _ => self.for_each(&id, &mut step, known, depth),
        }
        let fallible =
            ["email", "sms", "whatsapp", "push", "http", "database", "record", "approval", "parallel", "for_each"];
        if fallible.iter().any(|kind| step.contains_key(*kind)) {
            self.on_error(&id, &mut step, known, depth);
        }
        Value::Object(step)
    }

    /// What is done when the step fails. What it adds is known behind the step.
    fn on_error(&mut self, id: &str, step: &mut Map<String, Value>, known: &mut Known, depth: usize) {
        let acts = !["approval", "parallel", "for_each"].iter().any(|kind| step.contains_key(*kind));
        if acts && self.tape.rarely(3) {
            let again = self.tape.below(4);
            step.insert("retry".into(), json!({ "again": again, "interval": "1s", "backoff": 1.5, "max_delay": "1m" }));
            step.insert("timeout".into(), json!("30s"));
        }
        match self.tape.below(if self.left > 0 && depth <= DEEPEST { 4 } else { 3 }) {
            0 => {}
            1 => drop(step.insert("on_error".into(), json!("stop"))),
            2 => drop(step.insert("on_error".into(), json!("continue"))),
            _ => {
                // Of a `parallel`, its branches aren't known there.
                let mut inner = Known::default();
                (inner.apart, inner.items) = (known.apart, known.items);
                inner.add(&format!("steps.{id}"), &MESSAGE);
                let mark = inner.mark();
                let block = self.block(&mut inner, depth + 1, true);
                known.extend(&inner, mark);
                step.insert("on_error".into(), json!({ "steps": block }));
            }
        }
    }

    fn set(&mut self, step: &mut Map<String, Value>, known: &Known) {
        let vars = [
            ("total", Kind::Number),
            ("note", Kind::Text),
            ("flag", Kind::Boolean),
            ("day", Kind::Date),
            ("names", Kind::Texts),
        ];
        let mut set = Map::new();
        for _ in 0..=self.tape.below(2) {
            let (name, kind) = *self.tape.one(&vars);
            set.insert(name.to_owned(), json!(self.tape.formula(kind, known, 3)));
        }
        step.insert("set".into(), Value::Object(set));
    }

    fn wait(&mut self, step: &mut Map<String, Value>, known: &Known) {
        let wait = match self.tape.below(4) {
            0 => json!({ "for": "5s" }),
            1 => json!({ "for": format!("ABS({}) * 2", self.tape.formula(Kind::Number, known, 1)) }),
            2 => json!({ "until": self.tape.formula(Kind::Date, known, 1), "at": "08:30", "zone": "Europe/Berlin" }),
            _ => json!({ "until": self.tape.formula(Kind::Moment, known, 1) }),
        };
        step.insert("wait".into(), wait);
    }

    /// A block that is taken in place of others: it doesn't know theirs, and what it adds is known behind all.
    fn branch(&mut self, known: &Known, behind: &mut Known, depth: usize) -> Vec<Value> {
        let mut inner = known.clone();
        let mark = inner.mark();
        let block = self.block(&mut inner, depth + 1, true);
        behind.extend(&inner, mark);
        block
    }

    fn branches(&mut self, step: &mut Map<String, Value>, known: &mut Known, depth: usize) {
        let mut behind = known.clone();
        step.insert("if".into(), json!(self.tape.formula(Kind::Boolean, known, 3)));
        step.insert("then".into(), json!(self.branch(known, &mut behind, depth)));
        if self.left > 0 && self.tape.below(3) == 1 {
            let condition = self.tape.formula(Kind::Boolean, known, 2);
            let then = self.branch(known, &mut behind, depth);
            step.insert("elif".into(), json!([{ "if": condition, "then": then }]));
        }
        if self.left > 0 && self.tape.below(2) == 1 {
            step.insert("else".into(), json!(self.branch(known, &mut behind, depth)));
        }
        *known = behind;
    }

    fn switch(&mut self, step: &mut Map<String, Value>, known: &mut Known, depth: usize) {
        let mut behind = known.clone();
        let (kind, first, second) = match self.tape.below(3) {
            0 => (Kind::Text, json!(["HR", "IT"]), json!("a")),
            1 => (Kind::Number, json!([0, 1, 2.5]), json!(100)),
            _ => (Kind::Boolean, json!(true), json!([false])),
        };
        step.insert("switch".into(), json!(self.tape.formula(kind, known, 2)));
        let one = self.branch(known, &mut behind, depth);
        let other = if self.tape.below(3) == 0 { Vec::new() } else { self.branch(known, &mut behind, depth) };
        step.insert("cases".into(), json!([{ "is": first, "then": one }, { "is": second, "then": other }]));
        if self.left > 0 && self.tape.below(2) == 1 {
            step.insert("else".into(), json!(self.branch(known, &mut behind, depth)));
        }
        *known = behind;
    }

    fn parallel(&mut self, id: &str, step: &mut Map<String, Value>, known: &mut Known, depth: usize) {
        let (outer, mut behind) = (known.apart, known.clone());
        known.apart = true;
        let branches: Vec<_> = (0..=1 + self.tape.below(2)).map(|_| self.branch(known, &mut behind, depth)).collect();
        *known = behind;
        known.apart = outer;
        known.add(&format!("steps.{id}"), &MESSAGE);
        known.fallible.push(id.to_owned());
        step.insert("parallel".into(), json!(branches));
    }

    fn for_each(&mut self, id: &str, step: &mut Map<String, Value>, known: &mut Known, depth: usize) {
        let mut inner = known.clone();
        inner.apart = true;
        inner.items += 1;
        let item = format!("item{}", inner.items);
        if self.tape.below(2) == 1 {
            step.insert("for_each".into(), json!("{lines}"));
            inner.add(&item, &[("part", Kind::Text), ("price", Kind::Number)]);
        } else {
            step.insert("for_each".into(), json!(self.tape.formula(Kind::Texts, known, 1)));
            inner.add(&item, &[("", Kind::Text)]);
        }
        step.insert("as".into(), json!(item));
        step.insert("at_once".into(), json!(1 + self.tape.below(3)));
        step.insert("do".into(), json!(self.block(&mut inner, depth + 1, true)));
        let mut result = vec![("status", Kind::Text), ("error", Kind::Text), ("count", Kind::Number)];
        if self.tape.below(2) == 1 {
            step.insert("collect".into(), json!(self.tape.formula(Kind::Text, &inner, 2)));
            result.push(("results", Kind::Texts));
        }
        known.add(&format!("steps.{id}"), &result);
        known.fallible.push(id.to_owned());
    }
}
