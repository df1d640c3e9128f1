//! Which kinds of steps a run has come to.

use std::collections::BTreeSet;

use sendoff_workflows::plan::{Action, Block, Kind};

/// All that there are: the actions, and the rest.
pub(super) fn all() -> BTreeSet<&'static str> {
    const REST: [&str; 9] = ["if", "switch", "parallel", "for_each", "wait", "approval", "set", "stop", "fail"];
    Action::ALL.map(Action::name).into_iter().chain(REST).collect()
}

/// Those of the steps that `taken` names, wherever they stand.
pub(super) fn of(block: &Block, taken: &BTreeSet<String>) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    for step in block {
        // A new kind has to be named here, and to stand in the workflow of this test.
        let name = match &step.kind {
            Kind::Act(act) => act.action.name(),
            Kind::If { .. } => "if",
            Kind::Switch { .. } => "switch",
            Kind::Parallel { .. } => "parallel",
            Kind::ForEach { block, .. } => {
                kinds.extend(of(block, taken));
                "for_each"
            }
            Kind::Wait(_) => "wait",
            Kind::Approval(_) => "approval",
            Kind::Set(_) => "set",
            Kind::Stop => "stop",
            Kind::Fail { .. } => "fail",
        };
        if taken.contains(&step.id) {
            kinds.insert(name);
        }
        step.kind.blocks_in_view(&mut |block| kinds.extend(of(block, taken)));
    }
    kinds
}
