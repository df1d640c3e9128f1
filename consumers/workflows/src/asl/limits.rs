//! What Step Functions has no room for:
//! <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.

use serde_json::Value;

use crate::{
    Plan, Problem, Problems,
    plan::{Block, Kind},
};

/// The most bytes of a definition.
const DEFINITION: usize = 1024 * 1024;
/// The most events of a run: 25,000, of which a fifth is left for attempts that are made again.
const EVENTS: usize = 20_000;

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

/// Whether a run has room for its events if every list has one item.
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

/// The most items that the run has room for in this block, if it is the only one with many.
pub(super) fn items(plan: &Plan, block: &Block) -> usize {
    let others = of_block(&plan.block);
    (EVENTS.saturating_sub(others) / (of_block(block) + 4)).max(1)
}

/// The events of a block whose attempts all go well, whatever way it takes.
fn of_block(block: &Block) -> usize {
    block.iter().map(|step| of_kind(&step.kind)).sum()
}

fn of_kind(kind: &Kind) -> usize {
    let longest = |blocks: &[&Block]| blocks.iter().map(|block| of_block(block)).max().unwrap_or(0);
    // A state is entered and exited; a task is scheduled, started, perhaps submitted, and ends as well; an item starts and ends.
    2 + match kind {
        Kind::Act(act) => 3 + act.on_error.block().map_or(0, of_block),
        Kind::Approval(approval) => 4 + approval.on_error.block().map_or(0, of_block),
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
            let inside: usize = branches.iter().map(|block| 4 + of_block(block)).sum();
            2 + inside + on_error.block().map_or(0, of_block)
        }
        Kind::ForEach { block, on_error, .. } => 8 + of_block(block) + on_error.block().map_or(0, of_block),
        Kind::Wait(_) => 7,
        Kind::Set(_) | Kind::Stop | Kind::Fail { .. } => 0,
    }
}
