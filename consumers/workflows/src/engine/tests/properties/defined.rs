//! Definitions of any form, as authors write them, with outcomes of any form.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    super::making::now,
    worlds::{Random, chance},
};
use crate::{
    Plan, Type,
    arbitrary::{Case, cases},
    engine::{
        ActCommand, Answer, AskCommand, Outcome, Reply, RunState, Signal, Status, World, advance, carry_on, pending,
        start, virtual_run,
    },
    plan::{Block, Kind, OnError},
};

/// A world that answers what each action declares.
struct Declared<'a> {
    random: Random,
    outputs: &'a BTreeMap<String, BTreeMap<String, Type>>,
}

impl World for Declared<'_> {
    fn act(&mut self, act: &ActCommand) -> Outcome {
        let outcome = self.random.act(act);
        if matches!(outcome.reply, Reply::Failed(_)) {
            return outcome;
        }
        let about = (self.random.seed, act.instance.to_string());
        let outputs = &self.outputs[&act.instance.step];
        let mut output: Map<String, Value> =
            outputs.iter().map(|(name, ty)| (name.clone(), any_of(ty, chance((&about, name), 1 << 32)))).collect();
        output.insert("status".into(), "done".into());
        Outcome { reply: Reply::Done(output.into()), ..outcome }
    }

    fn ask(&mut self, ask: &AskCommand) -> Answer {
        self.random.ask(ask)
    }

    fn jitter(&mut self) -> f64 {
        self.random.jitter()
    }
}

/// Some value of the type.
fn any_of(ty: &Type, chance: u64) -> Value {
    if chance.is_multiple_of(7) {
        return Value::Null;
    }
    match ty {
        Type::Text => json!(format!("text {}", chance % 3)),
        Type::Number => json!((chance % 100) as f64 / 4.0),
        Type::Boolean => json!(chance.is_multiple_of(2)),
        Type::Date => json!("2026-11-30"),
        Type::DateTime => json!("2026-11-26T08:00:00.000Z"),
        Type::List(item) => (0..chance % 4).map(|n| any_of(item, chance / 4 + n)).collect(),
        Type::Object(names) => names.iter().map(|(name, ty)| (name.clone(), any_of(ty, chance / 3))).collect(),
    }
}

fn outputs(block: &Block, found: &mut BTreeMap<String, BTreeMap<String, Type>>) {
    for step in block {
        match &step.kind {
            Kind::Act(act) => drop(found.insert(step.id.clone(), act.output.clone())),
            Kind::If { branches, otherwise } => {
                branches.iter().for_each(|(_, block)| outputs(block, found));
                outputs(otherwise, found);
            }
            Kind::Switch { cases, otherwise, .. } => {
                cases.iter().for_each(|(_, block)| outputs(block, found));
                outputs(otherwise, found);
            }
            Kind::Parallel { branches, .. } => branches.iter().for_each(|block| outputs(block, found)),
            Kind::ForEach { block, .. } => outputs(block, found),
            _ => {}
        }
        if let Some(OnError::Steps(block)) = super::super::super::parts::on_error(step) {
            outputs(block, found);
        }
    }
}

fn prepared(case: &Case) -> (Plan, Value, BTreeMap<String, BTreeMap<String, Type>>) {
    let plan = Plan::read(&case.definition.to_string()).unwrap();
    let input = json!({
        "tenant": "acme", "workflow": plan.name, "version": 1, "hops": 0,
        "trigger": { "kind": "created", "event_id": null },
        "submission": { "app": plan.app, "id": "s1", "author": "ada", "revision": 1 },
        "fields": plan.input_fields(&case.fields).unwrap(),
    });
    let mut found = BTreeMap::new();
    outputs(&plan.block, &mut found);
    (plan, input, found)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_defined_workflow_comes_to_the_same_end_over_crashes_and_is_taken_up_again(case in cases(25), seed: u64) {
        let (plan, input, outputs) = prepared(&case);
        let world = |heals| Declared { random: Random { seed, heals }, outputs: &outputs };
        let smooth = virtual_run(&plan, "run-1", &input, now(), &mut world(u32::MAX)).unwrap();
        prop_assert_ne!(smooth.state.status(), Status::Running);

        let mut turn = start(&plan, "run-1", &input, now()).unwrap();
        let mut history = turn.history;
        while turn.state.status() == Status::Running {
            let state: RunState = serde_json::from_str(&serde_json::to_string(&turn.state).unwrap()).unwrap();
            let (at, signal) = super::next(&plan, &state, &mut world(u32::MAX));
            turn = advance(&plan, state, &signal, at, &mut || 0.5);
            for command in &turn.commands {
                prop_assert!(pending(&plan, &turn.state).contains(command));
            }
            history.append(&mut turn.history);
        }
        prop_assert_eq!(&turn.state, &smooth.state);
        prop_assert_eq!(&history, &smooth.history);

        if smooth.state.status() == Status::Failed {
            let by_design = smooth.state.failure().is_some_and(|failure| failure.error.starts_with("Workflow."));
            let turn = advance(&plan, smooth.state, &Signal::Redrive, smooth.ended, &mut || 0.5);
            let again = carry_on(&plan, turn, smooth.ended, &mut world(0));
            // A `fail` step may come later, too.
            let failed = again.state.failure().map(|failure| &*failure.error);
            prop_assert!(matches!(failed, None | Some("Workflow.Failed")), "{:?}", failed);
            prop_assert!(!by_design || failed.is_some());
        }
    }
}
