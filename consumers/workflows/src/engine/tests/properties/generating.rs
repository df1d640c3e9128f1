//! Plans of any form.

use proptest::prelude::*;
use serde_json::json;

use super::super::making::*;
use crate::plan::{Block, Kind, OnError, Step};

/// What a plan may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct May {
    /// `fail` steps, which never heal.
    pub(super) fail: bool,
}

/// A block of a workflow, with ids that say where they stand: `s0`, `s1` and so on in the order of the text.
pub(super) fn blocks(may: May) -> impl Strategy<Value = Block> {
    let inner = block(may, 3);
    let outer = prop_oneof![
        6 => inner.clone(),
        1 => Just(vec![step("", Kind::Stop)]),
        2 => literal().prop_map(|value| vec![set("", "total", value)]),
    ];
    prop::collection::vec(outer, 0..5).prop_map(|blocks| {
        let mut block = blocks.concat();
        number(&mut block, &mut 0);
        wire(&mut block, &mut Vec::new());
        block
    })
}

fn literal() -> impl Strategy<Value = crate::expr::Expr> {
    prop_oneof![Just(json!(1)), Just(json!(2)), Just(json!("x")), Just(json!(null)), Just(json!(true))].prop_map(lit)
}

fn on_error(may: May, depth: u32) -> BoxedStrategy<OnError> {
    let flat = prop_oneof![3 => Just(OnError::Stop), 2 => Just(OnError::Continue)];
    if depth == 0 {
        return flat.boxed();
    }
    prop_oneof![5 => flat, 1 => block(may, depth - 1).prop_map(OnError::Steps)].boxed()
}

fn leaf(may: May, depth: u32) -> BoxedStrategy<Step> {
    let fails = if may.fail { 1 } else { 0 };
    prop_oneof![
        8 => on_error(may, depth).prop_map(|on_error| telling("", lit(json!(null)), on_error)),
        1 => (0..100_i64).prop_map(|seconds| wait("", seconds)),
        1 => (1..100_u32, on_error(may, depth)).prop_map(|(deadline, on_error)| approval("", deadline, on_error)),
        fails => Just(fail("")),
    ]
    .boxed()
}

fn block(may: May, depth: u32) -> BoxedStrategy<Block> {
    if depth == 0 {
        return prop::collection::vec(leaf(may, 0), 0..3).boxed();
    }
    let inner = move || block(may, depth - 1);
    let step = prop_oneof![
        4 => leaf(may, depth),
        1 => (any::<bool>(), inner(), inner()).prop_map(|(holds, then, other)| when("", lit(json!(holds)), then, other)),
        1 => (literal(), inner(), inner()).prop_map(|(value, then, otherwise)| {
            step("", Kind::Switch { value, cases: vec![(vec![json!(1), json!("x")], then)], otherwise })
        }),
        2 => (prop::collection::vec(inner(), 1..4), on_error(may, depth))
            .prop_map(|(branches, on_error)| parallel("", branches, on_error)),
        2 => (0..4_usize, 1..4_u32, inner(), any::<bool>(), on_error(may, depth)).prop_map(
            |(items, at_once, block, collects, on_error)| {
                let collect = collects.then(item);
                step("", Kind::ForEach { list: list(items), item: "item".into(), at_once, block, collect, on_error })
            }
        ),
    ];
    prop::collection::vec(step, 0..4).boxed()
}

fn number(block: &mut Block, next: &mut usize) {
    for step in block {
        step.id = format!("s{next}");
        *next += 1;
        each_block(step, &mut |block| number(block, next));
    }
}

/// Lets every action tell what became of the last step before it that has a result there.
fn wire(block: &mut Block, before: &mut Vec<String>) {
    for step in block {
        if let (Kind::Act(act), Some(id)) = (&mut step.kind, before.last()) {
            let mut wired = telling("", result(id, "status"), OnError::Stop);
            if let Kind::Act(telling) = &mut wired.kind {
                std::mem::swap(&mut act.call, &mut telling.call);
            }
        }
        each_block(step, &mut |block| wire(block, &mut before.clone()));
        if matches!(step.kind, Kind::Act(_) | Kind::Approval(_) | Kind::Parallel { .. } | Kind::ForEach { .. }) {
            before.push(step.id.clone());
        }
    }
}

fn each_block(step: &mut Step, look: &mut dyn FnMut(&mut Block)) {
    let on_error = match &mut step.kind {
        Kind::If { branches, otherwise } => {
            branches.iter_mut().for_each(|(_, block)| look(block));
            look(otherwise);
            return;
        }
        Kind::Switch { cases, otherwise, .. } => {
            cases.iter_mut().for_each(|(_, block)| look(block));
            look(otherwise);
            return;
        }
        Kind::Parallel { branches, on_error } => {
            branches.iter_mut().for_each(&mut *look);
            on_error
        }
        Kind::ForEach { block, on_error, .. } => {
            look(block);
            on_error
        }
        Kind::Act(act) => &mut act.on_error,
        Kind::Approval(approval) => &mut approval.on_error,
        _ => return,
    };
    if let OnError::Steps(block) = on_error {
        look(block);
    }
}
