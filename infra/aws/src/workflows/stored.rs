//! A run's input as that of its execution.

use std::collections::BTreeMap;

use sendoff_consumers::NewRun;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::item::hex;

/// The input as text, the same for the same input: Step Functions compares the texts of two starts.
pub(super) fn text(input: &Value) -> String {
    sorted(input.clone()).to_string()
}

/// What tells a run from another one of its name.
pub(super) fn hash(run: &NewRun) -> String {
    let NewRun { name: _, tenant, app, workflow, version, input } = run;
    // None of the names has a slash.
    hex(&Sha256::digest(format!("{tenant}/{app}/{workflow}/{version}/{}", text(input))))
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
            app: "crm".parse().unwrap(),
            workflow: "onboarding".parse().unwrap(),
            version: 3,
            input,
        }
    }

    #[test]
    fn the_same_input_has_the_same_text_and_comes_back_from_it() {
        let of = |text: &str| super::text(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"b":[{"y":1,"x":2}],"a":1}"#), of(r#"{ "a":1, "b":[{"x":2,"y":1}] }"#));
        assert_eq!(of(r#"{ "b": 1.5, "a": null }"#), r#"{"a":null,"b":1.5}"#);
        let odd = json!({ "b": [1, { "z": null, "a": "漢字" }], "a": u64::MAX, "c": -1.5e300, "d": i64::MIN });
        assert_eq!(serde_json::from_str::<Value>(&text(&odd)).unwrap(), odd);
    }

    #[test]
    fn workflow_version_and_input_make_a_run_the_same() {
        let first = new(json!({ "a": 1, "f": 0.1 }));
        assert_eq!(hash(&first), hash(&NewRun { name: "r2".into(), ..first.clone() }));
        for other in [
            NewRun { version: 4, ..first.clone() },
            NewRun { workflow: "x".parse().unwrap(), ..first.clone() },
            NewRun { app: "x".parse().unwrap(), ..first.clone() },
            NewRun { tenant: "x".parse().unwrap(), ..first.clone() },
            NewRun { input: json!({}), ..first.clone() },
        ] {
            assert_ne!(hash(&first), hash(&other), "{other:?}");
        }
    }
}
