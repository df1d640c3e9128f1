//! Random workflows that are valid, each with a random submission: for tests of what checks them, prints them and carries them out.
//!
//! A case is made from a tape of numbers, one for each choice. Where the tape ends, every choice is the first, which is the simplest:
//! so a case that fails shrinks to a small one.

mod acts;
mod formulas;
mod steps;
mod submission;

use proptest::prelude::{Strategy, any, prop};
use serde_json::{Map, Value, json};

use self::formulas::Known;

/// A workflow and a submission that starts it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The definition as JSON.
    pub definition: Value,
    /// What was filled in: some of the declared fields, each of its type.
    pub fields: Map<String, Value>,
}

/// Cases with about so many steps at most, of all kinds, in blocks that stand at most five deep in each other. A block that begins
/// where none are left has one nevertheless.
pub fn cases(steps: usize) -> impl Strategy<Value = Case> {
    let tape = prop::collection::vec(any::<u16>(), 0..steps * 40);
    tape.prop_map(move |tape| {
        let mut tape = Tape { numbers: tape.into_iter() };
        let fields = submission::fields(&mut tape);
        Case { definition: definition(&mut tape, steps), fields }
    })
}

/// The choices that make a case.
struct Tape {
    numbers: std::vec::IntoIter<u16>,
}

impl Tape {
    /// One of the first `n` numbers.
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.numbers.next().unwrap_or(0)) % n.max(1)
    }

    /// One of them.
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// `true` once in `n` times.
    fn rarely(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }
}

fn definition(tape: &mut Tape, steps: usize) -> Value {
    let mut known = Known::default();
    let mut maker = steps::Maker { tape, left: steps.max(1), made: 0 };
    let block = maker.block(&mut known, 1, false);
    json!({
        "workflow": "random",
        "app": "random",
        "fields": {
            "amount": "number", "count": "number", "name": "text", "department": "text", "ok": "boolean", "due": "date",
            "moment": "datetime", "tags": { "list": "text" }, "lines": { "list": { "object": { "part": "text", "price": "number" } } },
        },
        "on": [{ "submission": "created" }],
        "vars": {
            "total": { "type": "number", "initial": 0 },
            "note": "text",
            "flag": { "type": "boolean", "initial": true },
            "day": "date",
            "names": { "type": { "list": "text" }, "initial": ["a", "b"] },
        },
        "steps": block,
    })
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeSet};

    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::{Definition, Plan, Published};

    #[test]
    fn random_workflows_are_valid_and_are_of_every_kind() {
        let (seen, sizes) = (RefCell::new(BTreeSet::new()), RefCell::new(Vec::new()));
        // Where a case fails, the panic says it all: nothing is to be shrunk.
        let mut runner =
            TestRunner::new(Config { max_shrink_iters: 0, failure_persistence: None, ..Config::with_cases(300) });
        let result = runner.run(&cases(25), |case| {
            let definition = Definition::of(case.definition.clone()).unwrap_or_else(|problems| panic!("{problems}"));
            let plan = Plan::of(&definition).unwrap_or_else(|problems| panic!("{problems}"));
            // The text is the same thing again, and so is what was published.
            assert_eq!(Definition::read(&definition.canonical()).unwrap(), definition);
            assert_eq!(Published::of(&definition, 1).unwrap().plan().unwrap(), plan);
            let fields = plan.input_fields(&case.fields).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(plan.input_fields(&fields).unwrap(), fields);
            let mut count = 0;
            kinds(&case.definition["steps"], &mut seen.borrow_mut(), &mut count);
            assert!((1..=40).contains(&count), "{count}");
            sizes.borrow_mut().push(count);
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{error}"));
        for kind in crate::definition::KINDS {
            assert!(seen.borrow().contains(kind), "there was no `{kind}`");
        }
        for more in
            ["elif", "else", "retry", "on_error", "collect", "at_once", "until", "returns", "response", "update"]
        {
            assert!(seen.borrow().contains(more), "there was no `{more}`");
        }
        assert!(sizes.borrow().iter().any(|size| *size >= 20));
    }

    /// The names that stand in the steps, and how many steps there are.
    fn kinds(value: &Value, seen: &mut BTreeSet<String>, count: &mut usize) {
        match value {
            Value::Object(map) => {
                *count +=
                    usize::from(map.contains_key("id") && map["id"].as_str().is_some_and(|id| id.starts_with("s_")));
                for (name, value) in map {
                    seen.insert(name.clone());
                    kinds(value, seen, count);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| kinds(item, seen, count)),
            _ => {}
        }
    }
}
