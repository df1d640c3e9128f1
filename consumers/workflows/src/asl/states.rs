//! Blocks and steps as states.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Functions, Output, limits,
    names::{Scope, variable},
};
use crate::{
    Plan, Type,
    expr::{Call, Expr, Node},
    plan::{Block, Kind, Step, Wait},
};

/// The name of the first state.
const FIRST: &str = "Start";
/// The name of the last one.
const LAST: &str = "End";
/// The error of a list that is too long, which ends a run.
const TOO_MANY: &str = "Workflow.TooManyItems";

/// States in the making.
pub(super) struct States<'a> {
    pub(super) plan: &'a Plan,
    pub(super) functions: &'a Functions,
    output: Output,
    /// Those of the level that is worked at.
    states: BTreeMap<String, Value>,
}

impl<'a> States<'a> {
    pub(super) fn new(plan: &'a Plan, functions: &'a Functions, output: Output) -> Self {
        Self { plan, functions, output, states: BTreeMap::new() }
    }

    pub(super) fn done(self) -> BTreeMap<String, Value> {
        self.states
    }

    pub(super) fn put(&mut self, name: &str, state: Value) {
        self.states.insert(name.to_owned(), state);
    }

    /// The whole workflow. Gives the name of its first state.
    pub(super) fn workflow(&mut self) -> &'static str {
        let plan = self.plan;
        let mut scope = Scope::outermost();
        let mut assign = Map::from_iter([
            (
                "run".to_owned(),
                json!({
                    "id": "{% $states.context.Execution.Name %}",
                    "started": "{% $states.context.Execution.StartTime %}",
                }),
            ),
            ("tenant".to_owned(), json!("{% $states.input.tenant %}")),
            ("hops".to_owned(), json!("{% $states.input.hops %}")),
            ("submission".to_owned(), json!("{% $states.input.submission %}")),
        ]);
        for name in plan.fields.keys() {
            assign.insert(variable("f", name), json!(query(&format!("$states.input.fields.`{name}`"))));
        }
        for (name, var) in &plan.vars {
            assign.insert(variable("v", name), literal(&var.initial));
        }
        nothing_yet(&plan.block, &mut scope, &mut assign);
        let next = self.block(&plan.block, &scope, LAST);
        self.put(FIRST, json!({ "Type": "Pass", "Assign": assign, "Next": next }));
        self.put(LAST, self.end(&scope));
        FIRST
    }

    /// The steps of a block, after which comes `next`. Gives the name of its first state.
    pub(super) fn block(&mut self, block: &Block, scope: &Scope, next: &str) -> String {
        let mut next = next.to_owned();
        for step in block.iter().rev() {
            next = self.step(step, scope, &next);
        }
        next
    }

    /// A step, after which comes `next`. Gives the name of its first state.
    fn step(&mut self, step: &Step, scope: &Scope, next: &str) -> String {
        let id = &*step.id;
        let mut state = match &step.kind {
            Kind::Act(act) => self.act(id, act, scope, next),
            Kind::Approval(approval) => self.approval(id, approval, scope, next),
            Kind::If { branches, otherwise } => {
                let choices = branches.iter().map(|(condition, block)| (condition.clone(), block)).collect();
                self.choice(choices, otherwise, scope, next)
            }
            Kind::Switch { value, cases, otherwise } => {
                let choices = cases.iter().map(|(values, block)| (is_one_of(value, values), block)).collect();
                self.choice(choices, otherwise, scope, next)
            }
            Kind::Parallel { branches, on_error } => {
                let state = self.parallel(id, branches, scope, next);
                let state = self.caught(id, state, &result_of(&step.kind), on_error, scope, next);
                self.passed_on(id, state, branches)
            }
            Kind::ForEach { list, item, at_once, block, collect, on_error } => {
                let each = Each { list, item, at_once: *at_once, block, collect: collect.as_ref() };
                let state = self.for_each(id, &each, scope, next);
                let state = self.caught(id, state, &result_of(&step.kind), on_error, scope, next);
                self.passed_on(id, state, std::slice::from_ref(block))
            }
            Kind::Wait(wait) => self.wait(id, wait, scope, next),
            Kind::Set(values) => {
                let assign =
                    values.iter().map(|(name, value)| (variable("v", name), json!(query(&value.jsonata(scope)))));
                json!({ "Type": "Pass", "Assign": Map::from_iter(assign), "Next": next })
            }
            Kind::Stop => self.end(scope),
            Kind::Fail { message } => {
                json!({ "Type": "Fail", "Error": "Workflow.Failed", "Cause": message.asl(scope) })
            }
        };
        if let (Some(label), Some(fields)) = (&step.label, state.as_object_mut()) {
            fields.insert("Comment".into(), json!(label));
        }
        self.put(id, state);
        match &step.kind {
            Kind::ForEach { list, block, .. } => self.counted(id, list, block, scope),
            _ => id.to_owned(),
        }
    }

    /// Lets a list with more items than a run has room for end the run before the first of them, and not in the middle. Gives the
    /// name of the state that looks.
    fn counted(&mut self, id: &str, list: &Expr, block: &Block, scope: &Scope) -> String {
        let Some(most) = limits::most(self.plan, list, block) else { return id.to_owned() };
        let (counts, too_many) = (format!("{id} count"), format!("{id} too many"));
        let more = format!("($list := {}; $list = null ? false : $count($list) > {most})", list.jsonata(scope));
        let choice = json!({ "Condition": query(&more), "Next": too_many });
        self.put(&counts, json!({ "Type": "Choice", "Choices": [choice], "Default": id }));
        let why = format!("the list has more items than the {most} that the events of a run have room for");
        self.put(&too_many, json!({ "Type": "Fail", "Error": TOO_MANY, "Cause": why }));
        counts
    }

    /// Lets a list that is too long somewhere in a step's blocks end the run, whatever is done when the step fails otherwise.
    fn passed_on(&mut self, id: &str, mut state: Value, blocks: &[Block]) -> Value {
        let Some(catchers) = state.get_mut("Catch").and_then(Value::as_array_mut) else { return state };
        if blocks.iter().any(|block| limits::may_be_too_long(self.plan, block)) {
            let ends = format!("{id} too many inside");
            catchers.insert(0, json!({ "ErrorEquals": [TOO_MANY], "Next": ends }));
            let cause = query("$states.input.Cause");
            self.put(&ends, json!({ "Type": "Fail", "Error": TOO_MANY, "Cause": cause }));
        }
        state
    }

    fn choice(&mut self, choices: Vec<(Expr, &Block)>, otherwise: &Block, scope: &Scope, next: &str) -> Value {
        let mut rules = Vec::new();
        for (condition, block) in choices {
            let next = self.block(block, scope, next);
            rules.push(json!({ "Condition": query(&condition.condition(scope)), "Next": next }));
        }
        let default = self.block(otherwise, scope, next);
        json!({ "Type": "Choice", "Choices": rules, "Default": default })
    }

    fn parallel(&mut self, id: &str, branches: &[Block], scope: &Scope, next: &str) -> Value {
        let mut assign = Map::new();
        let mut printed = Vec::new();
        for (number, block) in branches.iter().enumerate() {
            let mut inner = scope.inner();
            let mut initial = Map::new();
            let steps = nothing_yet(block, &mut inner, &mut initial);
            let (first, last) = (format!("{id} {number}"), format!("{id} {number} end"));
            let output =
                steps.iter().map(|step| (step.clone(), json!(format!("{{% ${} %}}", inner.clone().result(step)))));
            let output: Map<String, Value> = output.collect();
            for step in steps {
                let there = format!("{{% $states.result[{number}].`{step}` %}}");
                assign.insert(scope.clone().result(&step), json!(there));
            }
            let outer = std::mem::take(&mut self.states);
            let begins = self.block(block, &inner, &last);
            self.put(&last, json!({ "Type": "Pass", "Output": output, "End": true }));
            if !initial.is_empty() {
                self.put(&first, json!({ "Type": "Pass", "Assign": initial, "Next": begins }));
            }
            let start = if self.states.contains_key(&first) { first } else { begins };
            let states = Map::from_iter(std::mem::replace(&mut self.states, outer));
            printed.push(json!({ "StartAt": start, "States": states }));
        }
        assign.insert(scope.clone().result(id), json!({ "status": "done", "error": null }));
        json!({ "Type": "Parallel", "Branches": printed, "Assign": assign, "Next": next })
    }

    fn for_each(&mut self, id: &str, each: &Each<'_>, scope: &Scope, next: &str) -> Value {
        let mut inner = scope.of_item(each.item);
        let (item, index) = inner.item(each.item);
        let mut initial =
            Map::from_iter([(item, json!("{% $states.input.value %}")), (index, json!("{% $states.input.index %}"))]);
        nothing_yet(each.block, &mut inner, &mut initial);
        let (first, last) = (format!("{id} item"), format!("{id} item end"));
        let outer = std::mem::take(&mut self.states);
        let begins = self.block(each.block, &inner, &last);
        self.put(&first, json!({ "Type": "Pass", "Assign": initial, "Next": begins }));
        let output = each.collect.map_or_else(|| json!(null), |collect| json!(query(&collect.jsonata(&inner))));
        self.put(&last, json!({ "Type": "Pass", "Output": output, "End": true }));
        let states = Map::from_iter(std::mem::replace(&mut self.states, outer));
        let list = each.list.jsonata(scope);
        let mut result = json!({ "status": "done", "error": null, "count": "{% $count($states.result) %}" });
        if each.collect.is_some() {
            result["results"] = json!("{% $states.result %}");
        }
        json!({
            "Type": "Map",
            "Items": query(&format!("($list := {list}; $list = null ? [] : $list)")),
            "ItemSelector": {
                "value": "{% $states.context.Map.Item.Value %}",
                "index": "{% $states.context.Map.Item.Index %}",
            },
            "MaxConcurrency": each.at_once,
            "ItemProcessor": { "ProcessorConfig": { "Mode": "INLINE" }, "StartAt": first, "States": states },
            "Assign": Map::from_iter([(scope.clone().result(id), result)]),
            "Next": next,
        })
    }

    fn wait(&mut self, id: &str, wait: &Wait, scope: &Scope, next: &str) -> Value {
        match wait {
            Wait::For(seconds) => {
                let seconds = match &seconds.node {
                    Node::Literal(Value::Number(number)) => json!(number.as_f64().unwrap_or(0.0).floor() as u32),
                    _ => json!(query(&format!(
                        "($seconds := {}; $seconds = null or $seconds < 0 ? 0 : $seconds > {YEAR} ? {YEAR} : $floor($seconds))",
                        seconds.jsonata(scope)
                    ))),
                };
                json!({ "Type": "Wait", "Seconds": seconds, "Next": next })
            }
            Wait::Until { when, .. } if when.ty == Type::DateTime => until(&when.jsonata(scope), next),
            Wait::Until { when, minute, zone } => {
                let (own, waits) = (scope.own(id), format!("{id} until"));
                self.put(&waits, until(&format!("${own}"), next));
                self.moment(&own, &json!(query(&when.jsonata(scope))), *minute, zone, &waits)
            }
        }
    }

    fn end(&self, scope: &Scope) -> Value {
        let output = match self.output {
            Output::Nothing => json!({}),
            Output::Everything => {
                let vars = self
                    .plan
                    .vars
                    .keys()
                    .map(|name| (name.clone(), json!(format!("{{% ${} %}}", variable("v", name)))));
                let mut steps = Vec::new();
                with_results(&self.plan.block, &mut |step| steps.push(step.id.clone()));
                let results = steps.into_iter().map(|step| {
                    let variable = format!("{{% ${} %}}", scope.clone().result(&step));
                    (step, json!(variable))
                });
                json!({ "vars": Map::from_iter(vars), "results": Map::from_iter(results) })
            }
        };
        json!({ "Type": "Succeed", "Output": output })
    }
}

/// The most seconds of a wait: a year, as long as an execution may take.
const YEAR: u32 = 365 * 24 * 60 * 60;
/// A moment that nobody waits for.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// A wait until the moment that an expression gives, at most for a year. Moments are in UTC with milliseconds, so the later one is
/// the greater text.
fn until(when: &str, next: &str) -> Value {
    let last = format!("$fromMillis($toMillis($states.context.State.EnteredTime) + {YEAR}000)");
    let at = format!("($when := {when}; $last := {last}; $when = null ? \"{EPOCH}\" : $when > $last ? $last : $when)");
    json!({ "Type": "Wait", "Timestamp": query(&at), "Next": next })
}

struct Each<'a> {
    list: &'a Expr,
    item: &'a str,
    at_once: u32,
    block: &'a Block,
    collect: Option<&'a Expr>,
}

/// The names in a step's result; none where it has no result.
pub(super) fn result_of(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Act(act) => act.output.keys().map(String::as_str).collect(),
        Kind::Approval(_) => vec!["status", "error", "decision", "by", "comment", "at"],
        Kind::Parallel { .. } => vec!["status", "error"],
        Kind::ForEach { collect, .. } => {
            let mut names = vec!["status", "error", "count"];
            names.extend(collect.as_ref().map(|_| "results"));
            names
        }
        _ => Vec::new(),
    }
}

/// Gives every step of the block that has a result the result `null`, and lets the scope know it. Gives their ids.
fn nothing_yet(block: &Block, scope: &mut Scope, assign: &mut Map<String, Value>) -> Vec<String> {
    let mut steps = Vec::new();
    with_results(block, &mut |step| {
        assign.insert(scope.result(&step.id), Value::Null);
        steps.push(step.id.clone());
    });
    steps
}

/// All steps with results whose results are known behind the block, those of parallel branches among them.
fn with_results(block: &Block, found: &mut impl FnMut(&Step)) {
    for step in block {
        if !result_of(&step.kind).is_empty() {
            found(step);
        }
        step.kind.blocks_in_view(&mut |block| with_results(block, found));
    }
}

/// A query of JSONata, as state machines have them in their texts.
pub(super) fn query(expression: &str) -> String {
    format!("{{% {expression} %}}")
}

/// A value that nobody takes for a query, whatever it looks like.
fn literal(value: &Value) -> Value {
    crate::expr::Template::Literal(value.clone()).asl(&Scope::outermost())
}

/// Whether the value is one of these.
fn is_one_of(value: &Expr, values: &[Value]) -> Expr {
    let span = value.span;
    let items = values.iter().map(|one| Expr { node: Node::Literal(one.clone()), ty: value.ty.clone(), span });
    let list = Expr { node: Node::List(items.collect()), ty: Type::List(Box::new(value.ty.clone())), span };
    Expr { node: Node::Call(Call::Includes, vec![list, value.clone()]), ty: Type::Boolean, span }
}
