//! Steps for each item of a list.

use std::sync::Arc;

use super::{Apart, Around, Builder, Seen, limits, parts};
use crate::{
    Problem, Type,
    definition::Step,
    place::{self, quoted},
    plan::{Kind, OnError},
};

/// The most items of a list that are done at the same time: as many as Step Functions does inline.
const MAX_AT_ONCE: u32 = 40;

impl Builder {
    pub(super) fn for_each(&mut self, step: &Step, place: &str, around: &mut Around) -> (Option<Kind>, Seen) {
        let at = |name: &str| place::field(place, name);
        let list = step.for_each.as_ref().and_then(|list| self.any(list, &at("for_each"), around));
        let item_type = list.as_ref().and_then(|list| match &list.ty {
            Type::List(item) => Some((**item).clone()),
            other => {
                let message = format!("must be a list, but is {}", parts::article(other));
                self.report.push(Problem::new(at("for_each"), message));
                None
            }
        });
        let item = step.r#as.clone().unwrap_or_else(|| "item".to_owned());
        self.item(&item, &at("as"), around);
        let at_once = step.at_once.unwrap_or(1);
        if !(1..=MAX_AT_ONCE).contains(&at_once) {
            self.report.push(Problem::new(at("at_once"), format!("must be from 1 to {MAX_AT_ONCE}")));
        }
        let Some(steps) = &step.r#do else {
            self.report.push(Problem::new(at("do"), "is missing").help("write what is done for each item"));
            return (None, Seen::new());
        };
        // Behind it, nothing of one item is known.
        let hide = |around: &mut Around| {
            limits::each(steps, "", 0, &mut |inner, _, _| {
                let why =
                    format!("the step is done for each item of `{}`; keep what is needed with `collect`", step.id);
                around.scope.hide_step(&inner.id, why);
            });
        };
        // Without the item's type each of its names would be another problem.
        let Some(item_type) = item_type else {
            hide(around);
            around.scope.hide_step(&step.id, "there is something wrong with its list");
            return (None, Seen::new());
        };
        let mut inner = around.clone();
        inner.apart = Some(Apart { kind: "for_each", id: step.id.clone() });
        inner.scope.add_item(&item, item_type);
        inner.items.push(item.clone());
        let (block, _) = self.block(steps, &at("do"), &mut inner);
        let collect = step.collect.as_ref().map(|collect| self.any(collect, &at("collect"), &inner));
        hide(around);
        let own = match &collect {
            Some(Some(collect)) => {
                let mut own = parts::result([("count", Type::Number)]);
                own.insert("results".to_owned(), Type::List(Box::new(collect.ty.clone())));
                own
            }
            _ => parts::result([("count", Type::Number)]),
        };
        let seen = match &collect {
            Some(None) => {
                around.scope.hide_step(&step.id, "there is something wrong with its `collect`");
                Seen::new()
            }
            _ => vec![(step.id.clone(), Type::Object(Arc::new(own)))],
        };
        let collect = match collect {
            Some(None) => return (None, seen),
            collect => collect.flatten(),
        };
        let kind = list.map(|list| Kind::ForEach { list, item, at_once, block, collect, on_error: OnError::Stop });
        (kind, seen)
    }

    /// The name of an item.
    fn item(&mut self, name: &str, place: &str, around: &Around) {
        const RESERVED: [&str; 5] = ["fields", "submission", "run", "steps", "vars"];
        self.name(place, name);
        if RESERVED.contains(&name) {
            self.wrong(place, format!("`{name}` has another meaning in expressions"), "call it something else");
        }
        if around.items.iter().any(|outer| outer == name) {
            let message = format!("{} is the item of a `for_each` around this one too", quoted(name));
            self.wrong(place, message, "give one of them another name with `as`");
        }
    }
}
