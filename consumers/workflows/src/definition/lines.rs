//! Where what a text says stands in it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Problem, Problems, place};

/// What stands in a text, and where.
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) what: What,
}

pub(super) enum What {
    #[cfg_attr(not(feature = "yaml"), expect(dead_code, reason = "only what is made of YAML is read from here"))]
    Plain(Value),
    List(Vec<Node>),
    Object(BTreeMap<String, Node>),
}

impl Node {
    /// The same problems, each with the line of its place.
    pub(super) fn locate(&self, problems: Problems) -> Problems {
        let located = |problem: Problem| match problem.line {
            Some(_) => problem,
            None => Problem { line: Some(self.line_of(&problem.place)), ..problem },
        };
        Problems(problems.0.into_iter().map(located).collect())
    }

    /// The line of the innermost thing on the way to the place.
    fn line_of(&self, place: &str) -> usize {
        let (mut node, mut left) = (self, place);
        while let Some((next, rest)) = step(node, left) {
            (node, left) = (next, rest);
        }
        node.line
    }
}

/// What the first part of the place leads to, and the rest of the place.
fn step<'a, 'b>(node: &'a Node, place: &'b str) -> Option<(&'a Node, &'b str)> {
    match &node.what {
        What::Plain(_) => None,
        What::List(items) => {
            let (index, rest) = place.strip_prefix('[')?.split_once(']')?;
            Some((items.get(index.parse::<usize>().ok()?)?, rest))
        }
        What::Object(fields) if place.starts_with('[') => {
            fields.iter().find_map(|(name, value)| Some((value, place.strip_prefix(&place::field("", name))?)))
        }
        What::Object(fields) => {
            let place = place.strip_prefix('.').unwrap_or(place);
            let (name, rest) = place.split_at(place.find(['.', '[']).unwrap_or(place.len()));
            Some((fields.get(name)?, rest))
        }
    }
}
