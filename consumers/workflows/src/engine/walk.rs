//! Looks at all that is under way in a run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Instance,
    cursor::{At, Cursor},
    parts,
    scope::{Level, Names},
    state::Facts,
};
use crate::plan::{Kind, OnError, Step};

/// Something that is under way.
pub(super) struct Leaf<'a> {
    pub(super) instance: Instance,
    pub(super) step: &'a Step,
    pub(super) at: &'a At,
    pub(super) names: Names<'a>,
}

/// Looks at all that is under way.
pub(super) struct Walk<'a> {
    pub(super) facts: &'a Facts,
    pub(super) vars: &'a BTreeMap<String, Value>,
    /// The indices of the items around.
    pub(super) items: Vec<u32>,
    pub(super) found: &'a mut dyn FnMut(Leaf<'_>),
}

impl Walk<'_> {
    /// In a block.
    pub(super) fn block(&mut self, block: &[Step], cursor: &Cursor, level: &Level<'_>) {
        if let (Some(step), Some(at)) = (block.get(cursor.step), &cursor.at) {
            self.at(step, at, cursor.since(), level);
        }
    }

    /// At a step that the run came to at the moment `now`.
    pub(super) fn at(&mut self, step: &Step, at: &At, now: Timestamp, level: &Level<'_>) {
        // All of it was worked out before.
        let names = Names { facts: self.facts, vars: self.vars, level, now, work: None };
        match (at, &step.kind) {
            (At::Act(asked) | At::Ask(asked, _), _) if asked.failed => {}
            (At::Act(_) | At::Ask(..) | At::Wait(..) | At::Pause(..), _) => {
                (self.found)(Leaf { instance: Instance::new(&step.id, &self.items), step, at, names });
            }
            (At::Pick(number, cursor), kind) => {
                if let Some(block) = parts::block(kind, *number) {
                    self.block(block, cursor, level);
                }
            }
            (At::Handle(cursor), _) => {
                if let Some(OnError::Steps(block)) = parts::on_error(step) {
                    self.block(block, cursor, level);
                }
            }
            (At::All(all), Kind::Parallel { branches, .. }) => {
                for (block, branch) in branches.iter().zip(all) {
                    let inside = Level { results: &branch.results, item: None, outer: Some(level) };
                    self.block(block, &branch.cursor, &inside);
                }
            }
            (At::Each(items), Kind::ForEach { list, item, block, .. }) if !items.open.is_empty() => {
                let list = list.eval(&names);
                for (index, branch) in &items.open {
                    let value = list.get(*index as usize).unwrap_or(&Value::Null);
                    let inside = Level { results: &branch.results, item: Some((item, value)), outer: Some(level) };
                    self.items.push(*index);
                    self.block(block, &branch.cursor, &inside);
                    self.items.pop();
                }
            }
            _ => {}
        }
    }
}
