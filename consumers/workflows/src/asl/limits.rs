//! What Step Functions has no room for:
//! <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::{
    Plan, Problem, Problems,
    expr::{Expr, Node},
    plan::{Block, Kind, Step},
};

/// The most bytes of a definition.
const DEFINITION: usize = 1024 * 1024;
/// The most events of a run: 25,000, of which a fifth is left for attempts that are made again.
const EVENTS: usize = 20_000;
/// The events of an item besides those of its steps: it starts and ends, and so do the states before and behind them.
const ITEM: usize = 6;

/// Whether the definition is small enough.
pub(super) fn size(machine: &Value) -> Result<(), Problems> {
    let bytes = machine.to_string().len();
    if bytes <= DEFINITION {
        return Ok(());
    }
    let problem =
        Problem::new("", format!("its state machine has {bytes} bytes, and Step Functions takes {DEFINITION}"));
    Err(Problems(vec![problem.help("write shorter texts, or divide it into several workflows")]))
}

/// Whether a run has room for its events if every list has one item, or as many as are written in it.
pub(super) fn history(plan: &Plan) -> Result<(), Problems> {
    let events = of_block(&plan.block);
    if events <= EVENTS {
        return Ok(());
    }
    let problem = format!(
        "a run has up to {events} events, and Step Functions keeps 25,000, of which {EVENTS} are for what goes well"
    );
    Err(Problems(vec![Problem::new("", problem).help("divide it into several workflows")]))
}

/// The most items of a list that a run has room for, if no other one is long; `None` where it is written out, and counted with
/// the whole workflow.
pub(super) fn most(plan: &Plan, list: &Expr, block: &Block) -> Option<usize> {
    written(list).is_none().then(|| room(plan, block).max(1))
}

/// How many more items of this block the events of a run have room for.
fn room(plan: &Plan, block: &Block) -> usize {
    EVENTS.saturating_sub(of_block(&plan.block)) / of_block(block).saturating_add(ITEM)
}

/// Whether a list in this block may have more items than a run has room for.
pub(super) fn may_be_too_long(plan: &Plan, block: &Block) -> bool {
    let mut found = false;
    lists(block, &mut Vec::new(), &mut |_, list, block, _| found |= most(plan, list, block).is_some());
    found
}

/// What there is to say of lists in lists: each may be short, and all their items together more than a run has room for. Only
/// the run itself comes to that, and Step Functions ends it then.
#[must_use]
pub fn nested_lists(plan: &Plan) -> Problems {
    let mut found = Vec::new();
    lists(&plan.block, &mut Vec::new(), &mut |step, list, block, around| {
        let is_open = written(list).is_none() || around.iter().any(|(_, list)| written(list).is_none());
        if let (Some((outer, _)), true) = (around.last(), is_open) {
            let most = room(plan, block);
            let problem = format!(
                "`{}` is done for each item of `{outer}`, and Step Functions has room for about {most} of its items in a \
                 whole run, those of all items of `{outer}` counted",
                step.id
            );
            let help = "see to it that the lists are short, or start a run for each item by a record";
            found.push(Problem::new("", problem).help(help));
        }
    });
    Problems(found)
}

/// A list that stands around, by the id of its step.
type Around<'a> = (&'a str, &'a Expr);

/// Calls `look` for each list in a block: its step, itself, what is done for each item, and the lists around, outermost first.
fn lists<'a>(
    block: &'a Block,
    around: &mut Vec<Around<'a>>,
    look: &mut impl FnMut(&'a Step, &'a Expr, &'a Block, &[Around<'a>]),
) {
    for step in block {
        step.kind.blocks_in_view(&mut |block| lists(block, around, look));
        if let Kind::ForEach { list, block, .. } = &step.kind {
            look(step, list, block, around);
            around.push((&step.id, list));
            lists(block, around, look);
            around.pop();
        }
    }
}

/// How many items a list has that is written out.
fn written(list: &Expr) -> Option<usize> {
    match &list.node {
        Node::List(items) => Some(items.len()),
        _ => None,
    }
}

/// The events of a block whose attempts all go well, whatever way it takes.
fn of_block(block: &Block) -> usize {
    block.iter().map(|step| of_kind(&step.kind)).fold(0, usize::saturating_add)
}

fn of_kind(kind: &Kind) -> usize {
    let longest = |blocks: &[&Block]| blocks.iter().map(|block| of_block(block)).max().unwrap_or(0);
    // A task is scheduled, started, perhaps submitted, and ends as well; an item starts and ends.
    let inside = match kind {
        Kind::Act(act) => act.on_error.block().map_or(0, of_block).saturating_add(3),
        Kind::Approval(approval) => approval.on_error.block().map_or(0, of_block).saturating_add(4),
        Kind::If { branches, otherwise } => {
            let mut blocks: Vec<&Block> = branches.iter().map(|(_, block)| block).collect();
            blocks.push(otherwise);
            longest(&blocks)
        }
        Kind::Switch { cases, otherwise, .. } => {
            let mut blocks: Vec<&Block> = cases.iter().map(|(_, block)| block).collect();
            blocks.push(otherwise);
            longest(&blocks)
        }
        Kind::Parallel { branches, on_error } => {
            let branches = branches.iter().map(|block| of_block(block).saturating_add(4));
            let handled = on_error.block().map_or(0, of_block);
            branches.fold(2, usize::saturating_add).saturating_add(handled)
        }
        Kind::ForEach { list, block, on_error, .. } => {
            let items = of_block(block).saturating_add(ITEM).saturating_mul(written(list).unwrap_or(1));
            // Its items are counted before, and it begins and ends.
            items.saturating_add(4).saturating_add(on_error.block().map_or(0, of_block))
        }
        Kind::Wait(_) => 7,
        Kind::Set(_) | Kind::Stop | Kind::Fail { .. } => 0,
    };
    // A state is entered and exited.
    inside.saturating_add(2)
}
