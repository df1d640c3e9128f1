//! Steps that somebody else does: tasks.

use serde_json::{Map, Value, json};

use super::{
    names::Scope,
    states::{States, query, result_of},
};
use crate::plan::{Act, Approval, Kind, OnError, Retry};

/// What Lambda says when a function could not be called, or not for the moment:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception>.
const NOT_NOW: [&str; 5] = [
    "Action.Throttled",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
];

impl States<'_> {
    pub(super) fn act(&mut self, id: &str, act: &Act, scope: &Scope, next: &str) -> Value {
        let mut payload = Map::from_iter([
            ("action".to_owned(), json!(act.action.name())),
            ("idempotency_key".to_owned(), json!(scope.key(id))),
            ("tenant".to_owned(), json!("{% $tenant %}")),
            ("redrive".to_owned(), json!(REDRIVE)),
        ]);
        if act.action == crate::plan::Action::Record {
            payload.insert("hops".to_owned(), json!("{% $hops %}"));
        }
        if let Value::Object(call) = act.call.asl(scope) {
            payload.extend(call);
        }
        let function = self.functions.actions.get(&act.action).cloned().unwrap_or_default();
        let output = act.output.keys().map(|name| {
            let otherwise = if name == "status" { "\"done\"" } else { "null" };
            (name.clone(), json!(told("$states.result.Payload", name, otherwise)))
        });
        let result = with_error(Map::from_iter(output));
        let state = json!({
            "Type": "Task",
            "Resource": self.invoke(""),
            "Arguments": { "FunctionName": function, "Payload": payload },
            "TimeoutSeconds": act.timeout,
            "Retry": retries(&act.retry, true),
            "Assign": Map::from_iter([(scope.clone().result(id), result)]),
            "Next": next,
        });
        let names: Vec<&str> = act.output.keys().map(String::as_str).collect();
        self.caught(id, state, &names, &act.on_error, scope, next)
    }

    pub(super) fn approval(&mut self, id: &str, approval: &Approval, scope: &Scope, next: &str) -> Value {
        let names = result_of(&Kind::Approval(approval.clone())).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let variable = scope.clone().result(id);
        let result = |status: &str, told: &dyn Fn(&str) -> Value| {
            let others = names.iter().filter(|name| *name != "status").map(|name| (name.clone(), told(name)));
            let result = others.chain([("status".to_owned(), json!(status))]);
            json!({ variable.clone(): with_error(Map::from_iter(result)) })
        };
        let decided = result("decided", &|name| json!(told("$states.result", name, "null")));
        let expired = result("expired", &|_| Value::Null);
        let state = json!({
            "Type": "Task",
            "Resource": self.invoke(".waitForTaskToken"),
            "Arguments": { "FunctionName": self.functions.steps, "Payload": {
                "action": "approval",
                "idempotency_key": scope.key(id),
                "tenant": "{% $tenant %}",
                "redrive": REDRIVE,
                "token": "{% $states.context.Task.Token %}",
                "run": "{% $run.id %}",
                "instance": scope.instance(id),
                "approvers": query(&approval.approvers.jsonata(scope)),
                "title": approval.title.asl(scope),
                "text": approval.text.asl(scope),
                "deadline": approval.deadline,
            } },
            "TimeoutSeconds": approval.deadline,
            "Retry": retries(&Retry::DEFAULT, false),
            "Assign": decided,
            "Next": next,
        });
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut state = self.caught(id, state, &names, &approval.on_error, scope, next);
        let expired = json!({ "ErrorEquals": ["States.Timeout"], "Assign": expired, "Next": next });
        match state.get_mut("Catch").and_then(Value::as_array_mut) {
            Some(catchers) => catchers.insert(0, expired),
            None => state["Catch"] = json!([expired]),
        }
        state
    }

    /// Asks for the moment of a time of the day in a time zone, and keeps it in a variable.
    pub(super) fn moment(&self, variable: &str, date: &Value, minute: u16, zone: &str, next: &str) -> Value {
        json!({
            "Type": "Task",
            "Resource": self.invoke(""),
            "Arguments": {
                "FunctionName": self.functions.steps,
                "Payload": { "action": "moment", "date": date, "minute": minute, "zone": zone },
            },
            "TimeoutSeconds": 60,
            "Retry": retries(&Retry::DEFAULT, true),
            "Assign": { variable: "{% $states.result.Payload.at %}" },
            "Next": next,
        })
    }

    /// The integration that calls a function.
    fn invoke(&self, pattern: &str) -> String {
        format!("arn:{}:states:::lambda:invoke{pattern}", self.functions.partition)
    }

    /// The state with what is done when it fails.
    pub(super) fn caught(
        &mut self,
        id: &str,
        mut state: Value,
        names: &[&str],
        on_error: &OnError,
        scope: &Scope,
        next: &str,
    ) -> Value {
        let next = match on_error {
            // Not caught, so that the run can be taken up again from here.
            OnError::Stop => return state,
            OnError::Continue => next.to_owned(),
            OnError::Steps(block) => self.block(block, scope, next),
        };
        let result = names.iter().map(|name| {
            let value = match *name {
                "status" => json!("failed"),
                "error" => json!("{% $states.errorOutput.Error %}"),
                _ => Value::Null,
            };
            ((*name).to_owned(), value)
        });
        let assign = json!({ scope.clone().result(id): Map::from_iter(result) });
        state["Catch"] = json!([{ "ErrorEquals": ["States.ALL"], "Assign": assign, "Next": next }]);
        state
    }
}

/// How often the run was taken up again; an interpreter may not say.
const REDRIVE: &str = "{% ($redrive := $states.context.Execution.RedriveCount; $exists($redrive) ? $redrive : 0) %}";

/// What an answer says under this name, or else the other expression.
fn told(answer: &str, name: &str, otherwise: &str) -> String {
    query(&format!("($told := {answer}.`{name}`; $exists($told) ? $told : {otherwise})"))
}

/// What went well has no error.
fn with_error(mut result: Map<String, Value>) -> Value {
    result.insert("error".into(), Value::Null);
    Value::Object(result)
}

/// How a task is tried again. Each entry counts for itself.
fn retries(retry: &Retry, with_timeouts: bool) -> Value {
    let of = |errors: Value, retry: &Retry| {
        json!({
            "ErrorEquals": errors,
            "IntervalSeconds": retry.interval,
            "MaxAttempts": retry.again,
            "BackoffRate": retry.backoff,
            "MaxDelaySeconds": retry.max_delay.max(retry.interval + 1),
            "JitterStrategy": "FULL",
        })
    };
    let mut retries = vec![of(json!(NOT_NOW), &Retry::THROTTLED), of(json!(["Action.Transient"]), retry)];
    // A function that ran out of time or memory says so by `Lambda.Unknown` and `Sandbox.Timedout`.
    let mut lost = vec!["Lambda.Unknown", "Sandbox.Timedout"];
    lost.extend(with_timeouts.then_some("States.Timeout"));
    retries.push(of(json!(lost), retry));
    json!(retries)
}
