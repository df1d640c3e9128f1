//! The same plans by a shorter way: without time, without anything at the same time, and without a memory of where it is.
//! It is right for worlds in which all that fails fails alike, since then it doesn't matter what fails first.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::worlds::value;
use crate::{
    expr::{Node, Ref, Root, Template},
    plan::{Block, Kind, OnError, Step},
};

/// What a run comes to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Oracle {
    pub(super) total: Value,
    pub(super) results: BTreeMap<String, Value>,
}

/// Why a block isn't gone on with.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    Stopped,
    Failed,
}

impl Oracle {
    /// `fails` says which instances of actions and approvals do; an approval that doesn't expires.
    pub(super) fn block(&mut self, block: &Block, items: &[usize], fails: &dyn Fn(&str) -> bool) -> Result<(), Ended> {
        block.iter().try_for_each(|step| self.step(step, items, fails))
    }

    /// What an action is told: the status of an earlier step, or nothing.
    fn told(&self, call: &Template) -> Value {
        let Template::Object(fields) = call else { panic!("a call is an object") };
        let Template::Expr(expr) = &fields["say"] else { panic!("it is told an expression") };
        match &expr.node {
            Node::Ref(Ref { root: Root::Step(id), .. }) => {
                self.results.get(id).map_or(Value::Null, |found| found["status"].clone())
            }
            _ => Value::Null,
        }
    }

    fn step(&mut self, step: &Step, items: &[usize], fails: &dyn Fn(&str) -> bool) -> Result<(), Ended> {
        let instance = items.iter().fold(step.id.clone(), |instance, item| format!("{instance}/{item}"));
        let before = self.results.clone();
        let (gone, names, on_error) = match &step.kind {
            Kind::If { branches, otherwise } => {
                let holds = branches[0].0.node == Node::Literal(json!(true));
                return self.block(if holds { &branches[0].1 } else { otherwise }, items, fails);
            }
            Kind::Switch { value: of, cases, otherwise } => {
                let is = cases[0].0.iter().any(|case| of.node == Node::Literal(case.clone()));
                return self.block(if is { &cases[0].1 } else { otherwise }, items, fails);
            }
            Kind::Set(values) => {
                let Node::Literal(total) = &values[0].1.node else { panic!("only literals are set") };
                self.total.clone_from(total);
                return Ok(());
            }
            Kind::Wait(_) => return Ok(()),
            Kind::Stop => return Err(Ended::Stopped),
            Kind::Fail { .. } => return Err(Ended::Failed),
            Kind::Act(act) => {
                let gone = if fails(&instance) {
                    Err(Ended::Failed)
                } else {
                    Ok(json!({ "status": "done", "error": null, "value": value(&instance, &self.told(&act.call)) }))
                };
                (gone, vec!["value"], &act.on_error)
            }
            Kind::Approval(approval) => {
                let names = vec!["decision", "by", "comment", "at"];
                let expired = json!({ "status": "expired", "error": null, "decision": null, "by": null, "comment": null, "at": null });
                (if fails(&instance) { Err(Ended::Failed) } else { Ok(expired) }, names, &approval.on_error)
            }
            Kind::Parallel { branches, on_error } => {
                let gone = branches.iter().try_for_each(|branch| self.block(branch, items, fails));
                (gone.map(|()| json!({ "status": "done", "error": null })), vec![], on_error)
            }
            Kind::ForEach { list, block, collect, on_error, .. } => {
                let Node::List(list) = &list.node else { panic!("the list is one") };
                let gone = (0..list.len()).try_for_each(|item| self.block(block, &[items, &[item]].concat(), fails));
                self.results.clone_from(&before);
                let mut result = json!({ "status": "done", "error": null, "count": list.len() });
                let mut names = vec!["count"];
                if collect.is_some() {
                    result["results"] = (0..list.len()).collect();
                    names.push("results");
                }
                (gone.map(|()| result), names, on_error)
            }
        };
        let ended = match gone {
            Ok(result) => {
                self.results.insert(step.id.clone(), result);
                return Ok(());
            }
            Err(ended) => ended,
        };
        if *on_error == OnError::Stop || ended == Ended::Stopped {
            return Err(ended);
        }
        self.results = before;
        let mut result: serde_json::Map<_, _> = names.into_iter().map(|name| (name.to_owned(), Value::Null)).collect();
        result.extend([("status".to_owned(), json!("failed")), ("error".to_owned(), json!("Workflow.Failed"))]);
        self.results.insert(step.id.clone(), result.into());
        match on_error {
            OnError::Steps(block) => self.block(block, items, fails),
            _ => Ok(()),
        }
    }
}
