//! What names stand for at a place of a run.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{cursor::Results, limits::Work, moment, state::Facts};
use crate::expr::{Env, Root};

/// A block with results of its own, as it is seen from inside: what isn't known here is looked for in the one around.
#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    pub(super) results: &'a Results,
    /// The item that the block is about, and what it is called.
    pub(super) item: Option<(&'a str, &'a Value)>,
    pub(super) outer: Option<&'a Level<'a>>,
}

impl<'a> Level<'a> {
    fn outwards(&'a self) -> impl Iterator<Item = &'a Self> {
        std::iter::successors(Some(self), |level| level.outer)
    }
}

/// The same, where steps put their results.
pub(super) struct Place<'a> {
    pub(super) results: &'a mut Results,
    pub(super) item: Option<(&'a str, &'a Value)>,
    pub(super) outer: Option<&'a Level<'a>>,
}

impl Place<'_> {
    pub(super) fn level(&self) -> Level<'_> {
        Level { results: self.results, item: self.item, outer: self.outer }
    }
}

/// All names at a place.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) facts: &'a Facts,
    pub(super) vars: &'a BTreeMap<String, Value>,
    pub(super) level: &'a Level<'a>,
    /// When the run came to the step.
    pub(super) now: Timestamp,
    /// What is counted of it; nothing where it was counted before.
    pub(super) work: Option<&'a Work>,
}

impl Env for Names<'_> {
    fn value(&self, root: &Root) -> Cow<'_, Value> {
        let input = |name: &str| self.facts.input.get(name);
        let found = match root {
            Root::Field(name) => input("fields").and_then(|fields| fields.get(name)),
            Root::Submission => input("submission"),
            Root::Run => {
                return Cow::Owned(json!({ "id": self.facts.run, "started": moment::text(self.facts.started) }));
            }
            Root::Now => return Cow::Owned(moment::text(self.now).into()),
            Root::Step(id) => self.level.outwards().find_map(|level| level.results.get(id)),
            Root::Var(name) => self.vars.get(name),
            Root::Item(name) => {
                self.level.outwards().find_map(|level| level.item.filter(|item| item.0 == name).map(|item| item.1))
            }
        };
        found.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
    }

    fn may_go_on(&self, bytes: usize) -> bool {
        self.work.is_none_or(|work| work.add(bytes))
    }
}
