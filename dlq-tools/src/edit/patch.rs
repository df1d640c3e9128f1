//! `--patch`: a JSON Patch (RFC 6902).

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

/// A `copy` may double a document, so a short patch could fill the memory.
const MOST_BYTES: usize = 4 * sendoff_events::MAX_BODY_BYTES;

/// Reads a patch: a list of operations.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read(text: &str) -> Result<Patch, String> {
    serde_json::from_str(text).map_err(|error| {
        format!(
            "it is no JSON Patch: {error}; write a list such as \
             [{{\"op\": \"replace\", \"path\": \"/data/app_id\", \"value\": \"crm\"}}]"
        )
    })
}

/// Carries it out.
///
/// # Errors
///
/// Which operation can't be done, and why.
pub(super) fn apply(patch: &Patch, document: &Value) -> Result<Value, String> {
    let mut changed = document.clone();
    for (place, operation) in patch.iter().enumerate() {
        json_patch::patch_unsafe(&mut changed, std::slice::from_ref(operation))
            .map_err(|error| format!("operation {} of the patch, at `{}`: {}", place + 1, error.path, error.kind))?;
        if matches!(operation, PatchOperation::Copy(_)) && changed.to_string().len() > MOST_BYTES {
            return Err(format!("operation {} of the patch makes the event too large", place + 1));
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_carried_out_and_its_failure_names_the_operation() {
        let patch = read(r#"[{"op":"test","path":"/data/a","value":1},{"op":"replace","path":"/data/a","value":2}]"#);
        let patch = patch.unwrap();
        assert_eq!(apply(&patch, &json!({ "data": { "a": 1 } })), Ok(json!({ "data": { "a": 2 } })));
        assert!(
            apply(&patch, &json!({ "data": { "a": 3 } }))
                .unwrap_err()
                .contains("operation 1 of the patch, at `/data/a`")
        );
        assert!(read("{}").unwrap_err().contains("JSON Patch"));
    }

    #[test]
    fn a_patch_that_doubles_and_doubles_is_stopped() {
        let copy = r#"{"op":"copy","from":"/data","path":"/data/a"},{"op":"copy","from":"/data","path":"/data/b"}"#;
        let patch = read(&format!("[{}]", [copy; 40].join(","))).unwrap();
        let error = apply(&patch, &json!({ "data": { "x": "1234567890" } })).unwrap_err();
        assert!(error.contains("too large"), "{error}");
    }
}
