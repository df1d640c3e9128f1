//! A run as the input of its execution.

use std::collections::BTreeMap;

use sendoff_consumers::NewRun;
use sendoff_events::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The input of the execution.
#[derive(Serialize, Deserialize)]
struct Stored {
    tenant: TenantId,
    workflow: String,
    version: u32,
    steps: Vec<String>,
    input: Value,
}

/// The run as text, the same for the same run: Step Functions compares the texts of two starts.
pub(super) fn input(run: &NewRun) -> String {
    let NewRun { name: _, tenant, workflow, version, steps, input } = run.clone();
    let stored = Stored { tenant, workflow, version, steps, input: sorted(input) };
    serde_json::to_string(&stored).unwrap_or_default()
}

/// The run of this name, from its text.
pub(super) fn run(name: &str, text: &str) -> serde_json::Result<NewRun> {
    let Stored { tenant, workflow, version, steps, input } = serde_json::from_str(text)?;
    Ok(NewRun { name: name.to_owned(), tenant, workflow, version, steps, input })
}

/// Whether the text is that of a run with the same workflow, version and input.
pub(super) fn is_same(new: &NewRun, text: &str) -> bool {
    let ours = input(new);
    if ours == text {
        return true;
    }
    // Both from text, so that a number that is read back a little different is so on both sides.
    let (Ok(found), Ok(new)) = (run("", text), run("", &ours)) else { return false };
    (found.workflow, found.version, found.input) == (new.workflow, new.version, new.input)
}

/// The value with the members of all its objects in the order of their names, whatever map JSON is read into.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().collect()
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn new(input: Value) -> NewRun {
        NewRun {
            name: "r1".into(),
            tenant: "acme".parse().unwrap(),
            workflow: "onboarding".into(),
            version: 3,
            steps: vec!["mail".into()],
            input,
        }
    }

    #[test]
    fn a_run_comes_back_from_its_text() {
        let started = new(json!({ "b": [1, { "z": null, "a": "漢字" }], "a": u64::MAX, "c": -1.5e300, "d": i64::MIN }));
        assert_eq!(run("r1", &input(&started)).unwrap(), started);
    }

    #[test]
    fn the_same_run_has_the_same_text() {
        let of = |text: &str| input(&new(serde_json::from_str(text).unwrap()));
        assert_eq!(of(r#"{"b":[{"y":1,"x":2}],"a":1}"#), of(r#"{ "a":1, "b":[{"x":2,"y":1}] }"#));
        let expected = r#"{"tenant":"acme","workflow":"onboarding","version":3,"steps":["mail"],"input":{"a":1}}"#;
        assert_eq!(of(r#"{"a":1}"#), expected);
    }

    #[test]
    fn workflow_version_and_input_make_a_run_the_same() {
        let first = new(json!({ "a": 1, "f": 0.1 }));
        let text = input(&first);
        assert!(is_same(&first, &text));
        assert!(is_same(&NewRun { steps: vec![], ..first.clone() }, &text));
        assert!(!is_same(&NewRun { version: 4, ..first.clone() }, &text));
        assert!(!is_same(&NewRun { workflow: "x".into(), ..first.clone() }, &text));
        assert!(!is_same(&NewRun { input: json!({}), ..first.clone() }, &text));
        assert!(!is_same(&first, "{}"));
    }
}
