//! Plans, inputs and worlds for the tests.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    Plan, Span, Type,
    engine::{
        ActCommand, Answer, AskCommand, Command, Decision, Failure, Outcome, Played, Reply, Signal, Turn, World,
        advance, start, virtual_run,
    },
    expr::{Expr, Node, Ref, Root, Template},
    plan::{Act, Action, Approval, Block, Kind, OnError, Retry, Step, Var, Wait},
};

/// The moment at which all runs start.
pub(super) fn now() -> Timestamp {
    "2026-11-26T08:00:00Z".parse().unwrap()
}

pub(super) fn at(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub(super) fn lit(value: Value) -> Expr {
    Expr { node: Node::Literal(value), ty: Type::Text, span: Span { start: 0, end: 0 } }
}

pub(super) fn list(items: usize) -> Expr {
    let node = Node::List((0..items).map(|n| lit(json!(n))).collect());
    Expr { node, ty: Type::List(Box::new(Type::Number)), span: Span { start: 0, end: 0 } }
}

pub(super) fn name(root: Root, path: &[&str]) -> Expr {
    let path = path.iter().map(|part| (*part).to_owned()).collect();
    Expr { node: Node::Ref(Ref { root, path, each: None }), ty: Type::Text, span: Span { start: 0, end: 0 } }
}

pub(super) fn result(step: &str, part: &str) -> Expr {
    name(Root::Step(step.into()), &[part])
}

pub(super) fn step(id: &str, kind: Kind) -> Step {
    Step { id: id.into(), label: None, kind }
}

pub(super) fn output() -> BTreeMap<String, Type> {
    ["status", "error", "value"].into_iter().map(|name| (name.to_owned(), Type::Text)).collect()
}

/// An action that is told `say`.
pub(super) fn telling(id: &str, say: Expr, on_error: OnError) -> Step {
    let call = Template::Object(BTreeMap::from([("say".to_owned(), Template::Expr(say))]));
    let (action, retry) = (Action::Http, Retry::DEFAULT);
    step(id, Kind::Act(Act { action, call, output: output(), retry, timeout: 30, on_error }))
}

pub(super) fn act(id: &str) -> Step {
    telling(id, lit(json!(id)), OnError::Stop)
}

pub(super) fn when(id: &str, condition: Expr, then: Block, otherwise: Block) -> Step {
    step(id, Kind::If { branches: vec![(condition, then)], otherwise })
}

pub(super) fn parallel(id: &str, branches: Vec<Block>, on_error: OnError) -> Step {
    step(id, Kind::Parallel { branches, on_error })
}

pub(super) fn each(id: &str, list: Expr, at_once: u32, block: Block, collect: Option<Expr>) -> Step {
    step(id, Kind::ForEach { list, item: "item".into(), at_once, block, collect, on_error: OnError::Stop })
}

pub(super) fn item() -> Expr {
    name(Root::Item("item".into()), &[])
}

pub(super) fn set(id: &str, var: &str, value: Expr) -> Step {
    step(id, Kind::Set(vec![(var.into(), value)]))
}

pub(super) fn wait(id: &str, seconds: i64) -> Step {
    step(id, Kind::Wait(Wait::For(lit(json!(seconds)))))
}

pub(super) fn fail(id: &str) -> Step {
    step(id, Kind::Fail { message: Template::Literal(json!("as it was drawn")) })
}

pub(super) fn approval(id: &str, deadline: u32, on_error: OnError) -> Step {
    let approvers = lit(json!(["ada", null, "bob"]));
    let (title, text) = (Template::Literal(json!("May we?")), Template::Literal(Value::Null));
    step(id, Kind::Approval(Approval { approvers, title, text, deadline, on_error }))
}

pub(super) fn plan(block: Block) -> Plan {
    Plan {
        name: "test".into(),
        app: "expenses".parse().unwrap(),
        fields: BTreeMap::new(),
        triggers: vec![],
        vars: BTreeMap::from([("total".into(), Var { ty: Type::Number, initial: json!(0) })]),
        block,
    }
}

pub(super) fn input() -> Value {
    json!({ "tenant": "acme", "workflow": "test", "version": 1, "hops": 2,
        "trigger": { "kind": "manual", "event_id": null },
        "submission": { "app": "expenses", "id": "s1", "author": "ada", "revision": 1 },
        "fields": { "amount": 12, "lines": ["a", "b", "c"] } })
}

/// A world whose actions do as they are told, step by step, and otherwise succeed after a second with their name as `value`.
#[derive(Default)]
pub(super) struct Scripted {
    pub(super) script: BTreeMap<String, VecDeque<Outcome>>,
    pub(super) answer: Option<Answer>,
}

impl Scripted {
    /// The next outcomes of an instance.
    pub(super) fn says(mut self, instance: &str, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.script.entry(instance.into()).or_default().extend(outcomes);
        self
    }

    pub(super) fn run(&mut self, block: Block) -> Played {
        virtual_run(&plan(block), "run-1", &input(), now(), self).unwrap()
    }
}

impl World for Scripted {
    fn act(&mut self, act: &ActCommand) -> Outcome {
        let next = self.script.get_mut(&act.instance.to_string()).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| done(1, json!({ "status": "done", "value": act.instance.to_string() })))
    }

    fn ask(&mut self, _: &AskCommand) -> Answer {
        self.answer.clone().unwrap_or(Answer::Nobody)
    }
}

pub(super) fn done(seconds: i64, output: Value) -> Outcome {
    Outcome { after: SignedDuration::from_secs(seconds), reply: Reply::Done(output) }
}

pub(super) fn fails(error: &str) -> Outcome {
    let failure = Failure { error: error.into(), cause: "it was to be".into() };
    Outcome { after: SignedDuration::from_secs(1), reply: Reply::Failed(failure) }
}

pub(super) fn decides(seconds: i64, decision: Decision) -> Answer {
    let (after, by) = (SignedDuration::from_secs(seconds), "bob".to_owned());
    Answer::Decided { after, decision, by, comment: Some("well".into()) }
}

/// The steps that something was done at, with the second at which it was due.
pub(super) fn acts(played: &Played) -> Vec<(String, i64)> {
    let second = |act: &ActCommand| act.due.duration_since(now()).as_secs();
    played.acts.iter().map(|act| (act.instance.to_string(), second(act))).collect()
}

/// A run that is told things one by one.
pub(super) struct Told {
    pub(super) plan: Plan,
    pub(super) turn: Turn,
}

impl Told {
    pub(super) fn start(block: Block) -> Self {
        let plan = plan(block);
        let turn = start(&plan, "run-1", &input(), now()).unwrap();
        Self { plan, turn }
    }

    pub(super) fn tell(&mut self, signal: &Signal, seconds: i64) -> &Turn {
        self.turn = advance(&self.plan, self.turn.state.clone(), signal, at(seconds), &mut || 1.0);
        &self.turn
    }

    /// What is asked for, as `instance attempt`.
    pub(super) fn asked(&self) -> Vec<String> {
        asked(&self.turn.commands)
    }
}

pub(super) fn asked(commands: &[Command]) -> Vec<String> {
    commands.iter().map(|command| format!("{} {}", command.instance(), command.attempt())).collect()
}

pub(super) fn is_done(instance: &str, attempt: u32) -> Signal {
    Signal::Done {
        instance: instance.parse().unwrap(),
        attempt,
        output: json!({ "status": "done", "value": instance }),
    }
}

pub(super) fn has_failed(instance: &str, attempt: u32, error: &str) -> Signal {
    Signal::Failed { instance: instance.parse().unwrap(), attempt, error: error.into(), cause: "so".into() }
}
