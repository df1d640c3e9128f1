//! The JSON Schema of definitions, for editors.

use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::Definition;

/// The kinds of steps, as they are written.
pub(crate) const KINDS: [&str; 16] = [
    "email", "sms", "whatsapp", "push", "http", "database", "record", "if", "switch", "parallel", "for_each", "wait",
    "approval", "set", "stop", "fail",
];

/// The JSON Schema (2020-12) of a definition, as it is committed in `schema/workflow.schema.json`.
#[must_use]
pub fn json_schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Definition>().to_value()
}

/// A step is exactly one of the kinds.
pub(super) fn one_kind(schema: &mut Schema) {
    let kinds: Vec<Value> = KINDS.iter().map(|kind| json!({ "required": [kind] })).collect();
    schema.insert("oneOf".to_owned(), json!(kinds));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_GOLDEN=1 cargo test -p sendoff-workflows schema` writes down what it is now.
    #[expect(clippy::disallowed_methods, reason = "how a developer asks for it, not a setting")]
    fn is_to_be_written() -> bool {
        std::env::var_os("UPDATE_GOLDEN").is_some()
    }

    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/workflow.schema.json");
        let expected = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if is_to_be_written() {
            std::fs::write(path, &expected).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(committed, expected, "run this test with UPDATE_GOLDEN=1, and commit the file");
    }
}
