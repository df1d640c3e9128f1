//! What people wrote, hidden: of a run's inputs and outputs only what we wrote ourselves is shown, and what kind the rest is of.

use sendoff_consumers::scrub;
use sendoff_workflows::engine::Failure;
use serde_json::{Map, Value};

/// Names whose values are ours: words, numbers and keys that say nothing of people.
const OURS: [&str; 22] = [
    "action",
    "affected",
    "app",
    "code",
    "connection",
    "count",
    "deadline",
    "decision",
    "error",
    "hops",
    "idempotency_key",
    "kind",
    "locale",
    "method",
    "provider",
    "provider_id",
    "redrive",
    "revision",
    "status",
    "tenant",
    "version",
    "workflow",
];

/// Names whose values are whatever a form, an author or another system has in them, at any depth.
const THEIRS: [&str; 10] =
    ["fields", "body", "data", "params", "first", "rows", "response", "results", "query", "headers"];

/// The value without what people wrote, unless it is to be shown.
pub(super) fn value(value: Value, show_data: bool) -> Value {
    if show_data {
        return value;
    }
    match value {
        // A result that is one text is a moment, and one that is a number is the number of a branch.
        Value::String(text) if text.parse::<sendoff_events::Timestamp>().is_ok() => Value::String(text),
        Value::Number(number) => Value::Number(number),
        // The names in what a step `set` are an author's, whatever they are.
        value => {
            let theirs = value.is_object() && !is_ours(&value);
            hidden(value, theirs)
        }
    }
}

/// Whether the names in it are ours: in a call, a question, the input of a run or a step's result.
fn is_ours(value: &Value) -> bool {
    const STATUS: [&str; 6] = ["sent", "skipped", "failed", "done", "decided", "expired"];
    let has = |names: &[&str]| names.iter().all(|name| value.get(name).is_some());
    let is_result = value["status"].as_str().is_some_and(|status| STATUS.contains(&status)) && has(&["error"]);
    is_result
        || has(&["action", "idempotency_key"])
        || has(&["approvers", "title", "text", "deadline"])
        || has(&["tenant", "workflow", "version", "fields"])
}

/// The failure with its cause as logs have it. What a definition says of itself when it fails may hold anything.
pub(super) fn failure(Failure { error, cause }: Failure, show_data: bool) -> Failure {
    let cause = match (show_data, &*error) {
        (true, _) => cause,
        (false, "Workflow.Failed") => "…".into(),
        (false, _) => scrub(&cause),
    };
    Failure { error, cause }
}

fn hidden(value: Value, theirs: bool) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|field| named(field, theirs)).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| hidden(item, theirs)).collect()),
        Value::Null => Value::Null,
        Value::String(_) => "(text)".into(),
        Value::Number(_) => "(number)".into(),
        Value::Bool(_) => "(true or false)".into(),
    }
}

fn named((name, value): (String, Value), theirs: bool) -> (String, Value) {
    let is_plain = !value.is_object() && !value.is_array();
    let value = match value {
        value if !theirs && is_plain && OURS.contains(&&*name) => value,
        value => hidden(value, theirs || THEIRS.contains(&&*name)),
    };
    (name, value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_wrote_is_hidden_and_what_we_wrote_is_not() {
        let call = json!({
            "action": "email", "idempotency_key": "run/mail", "to": { "address": "ada@example.com" }, "subject": "Hi Ada",
            "template": { "data": { "status": "divorced", "n": 3 } },
        });
        let shown = json!({
            "action": "email", "idempotency_key": "run/mail", "to": { "address": "(text)" }, "subject": "(text)",
            "template": { "data": { "status": "(text)", "n": "(number)" } },
        });
        assert_eq!(value(call.clone(), false), shown);
        assert_eq!(value(call.clone(), true), call);
        assert_eq!(
            value(json!({ "total": 12, "vip": true }), false),
            json!({ "total": "(number)", "vip": "(true or false)" })
        );
        // What a step `set` may be called as what we write.
        let set = json!({ "status": "divorced", "code": "C50.9" });
        assert_eq!(value(set, false), json!({ "status": "(text)", "code": "(text)" }));
        let result = json!({ "status": "sent", "error": null, "provider": "smtp" });
        assert_eq!(value(result.clone(), false), result);
        assert_eq!(value(json!(2), false), json!(2));
        assert_eq!(value(json!("2026-11-26T08:00:00.000Z"), false), json!("2026-11-26T08:00:00.000Z"));
    }

    #[test]
    fn causes_are_hidden_where_an_author_wrote_them_and_scrubbed_elsewhere() {
        let of = |error: &str| Failure { error: error.into(), cause: "no mail to ada@example.com".into() };
        assert_eq!(failure(of("Workflow.Failed"), false).cause, "…");
        assert!(!failure(of("Action.Permanent"), false).cause.contains("ada@"), "scrubbed");
        assert_eq!(failure(of("Workflow.Failed"), true), of("Workflow.Failed"));
    }
}
