//! What is said to whoever does an action, and what is kept of the answer.

use serde_json::{Map, Value, json};

use super::{ActCommand, AskCommand, Instance, cursor::Asked, moment, scope::Names, state::Facts};
use crate::{
    expr::{Template, normalize},
    plan::{Act, Action, Approval, Kind, Step},
};
use jiff::Timestamp;

/// The call of an action, as actions take it.
fn call(act: &Act, instance: &Instance, redrives: u32, names: &Names<'_>) -> Value {
    let Facts { run, input, .. } = names.facts;
    let mut call = match act.call.eval(names) {
        Value::Object(call) => call,
        _ => Map::new(),
    };
    call.insert("action".into(), act.action.name().into());
    call.insert("idempotency_key".into(), instance.idempotency_key(run).into());
    call.insert("tenant".into(), input.get("tenant").cloned().unwrap_or_default());
    call.insert("redrive".into(), redrives.into());
    if act.action == Action::Record {
        // How far the run is from the first submission, so that apps that write to each other come to an end.
        call.insert("hops".into(), input.get("hops").cloned().unwrap_or(json!(0)));
    }
    Value::Object(call)
}

/// What the host is told to do.
pub(super) fn act(act: &Act, asked: &Asked, instance: Instance, redrives: u32, names: &Names<'_>) -> ActCommand {
    let call = call(act, &instance, redrives, names);
    ActCommand { instance, attempt: asked.attempt, call, timeout: act.timeout, due: asked.due }
}

/// Who the host is told to ask.
pub(super) fn ask(
    approval: &Approval,
    asked: &Asked,
    deadline: Timestamp,
    instance: Instance,
    names: &Names<'_>,
) -> AskCommand {
    let approvers = match approval.approvers.eval(names) {
        Value::Array(approvers) => approvers.into_iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let (title, text) = (text(&approval.title, names), text(&approval.text, names));
    AskCommand { instance, attempt: asked.attempt, approvers, title, text, due: asked.due, deadline }
}

/// A template that is a text.
pub(super) fn text(template: &Template, names: &Names<'_>) -> String {
    match template.eval(names) {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A question as it stands in the history.
pub(super) fn question(ask: &AskCommand) -> Value {
    json!({ "approvers": ask.approvers, "title": ask.title, "text": ask.text, "deadline": moment::text(ask.deadline) })
}

/// The result of an action that was done: all that was declared and nothing else.
pub(super) fn result(act: &Act, output: &Value) -> Value {
    let declared = act.output.iter().map(|(name, ty)| {
        let value = output.get(name).map(|value| normalize(value, ty).unwrap_or_default());
        (name.clone(), value.unwrap_or_default())
    });
    let mut result: Map<String, Value> = declared.collect();
    result.insert("error".into(), Value::Null);
    Value::Object(result)
}

/// The result of a step that has failed; nothing if steps of its kind have none.
pub(super) fn failed(step: &Step, error: &str) -> Option<Value> {
    let names: Vec<&str> = match &step.kind {
        Kind::Act(act) => act.output.keys().map(String::as_str).collect(),
        Kind::Approval(_) => vec!["decision", "by", "comment", "at"],
        Kind::ForEach { collect: Some(_), .. } => vec!["count", "results"],
        Kind::ForEach { .. } => vec!["count"],
        Kind::Parallel { .. } => vec![],
        _ => return None,
    };
    let mut result: Map<String, Value> = names.into_iter().map(|name| (name.to_owned(), Value::Null)).collect();
    result.insert("status".into(), "failed".into());
    result.insert("error".into(), error.into());
    Some(Value::Object(result))
}
