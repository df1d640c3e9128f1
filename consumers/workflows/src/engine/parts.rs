//! What is in a step, and which part of it is meant.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    Span, Type,
    expr::{Binary, Env, Expr, Node, Root},
    plan::{Block, Kind, OnError, Step},
};

/// The blocks of an `if` or a `switch`, counted as they are written, the last one for `else`.
pub(super) fn block(kind: &Kind, number: usize) -> Option<&Block> {
    match kind {
        Kind::If { branches, otherwise } => chosen(branches, otherwise, number),
        Kind::Switch { cases, otherwise, .. } => chosen(cases, otherwise, number),
        _ => None,
    }
}

fn chosen<'a, T>(branches: &'a [(T, Block)], otherwise: &'a Block, number: usize) -> Option<&'a Block> {
    branches.get(number).map(|(_, block)| block).or((number == branches.len()).then_some(otherwise))
}

/// What is done when the step fails; nothing if that isn't for the step to say.
pub(super) fn on_error(step: &Step) -> Option<&OnError> {
    match &step.kind {
        Kind::Act(act) => Some(&act.on_error),
        Kind::Approval(approval) => Some(&approval.on_error),
        Kind::Parallel { on_error, .. } | Kind::ForEach { on_error, .. } => Some(on_error),
        _ => None,
    }
}

/// Whether two values are equal, as expressions have it.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    let span = Span { start: 0, end: 0 };
    let literal = |value: &Value| Box::new(Expr { node: Node::Literal(value.clone()), ty: Type::Text, span });
    let node = Node::Binary(Binary::Equal, literal(a), literal(b));
    Expr { node, ty: Type::Boolean, span }.eval(&Nothing) == Value::Bool(true)
}

/// No names.
struct Nothing;

impl Env for Nothing {
    fn value(&self, _: &Root) -> Cow<'_, Value> {
        Cow::Owned(Value::Null)
    }
}
