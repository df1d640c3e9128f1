//! A checker for the part of JSON Schema that our schemas use. It fails on a keyword that it doesn't know, so that no rule
//! is passed over.

use serde_json::Value;

/// Where `value` breaks `schema`, if anywhere. References are looked up in `root`.
pub(crate) fn violation(value: &Value, schema: &Value, root: &Value) -> Option<String> {
    schema.as_object().unwrap().iter().find_map(|(keyword, rule)| {
        let held = match keyword.as_str() {
            "$defs" | "$id" | "$schema" | "title" | "description" | "format" => true,
            // The ids' own parsers hold their pattern; decoding, which every caller does as well, asks them.
            "pattern" => value.is_string(),
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                return violation(value, target, root);
            }
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_u64() || value.is_i64(),
                other => panic!("teach the checker the type `{other}`"),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minLength" => value.as_str()?.chars().count() as u64 >= rule.as_u64().unwrap(),
            "maxLength" => value.as_str()?.chars().count() as u64 <= rule.as_u64().unwrap(),
            "minimum" => value.as_f64()? >= rule.as_f64().unwrap(),
            "maximum" => value.as_f64()? <= rule.as_f64().unwrap(),
            "required" => {
                rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap_or_default()).is_some())
            }
            "items" => return value.as_array()?.iter().find_map(|item| violation(item, rule, root)),
            "properties" => {
                let known = rule.as_object().unwrap().iter();
                return known
                    .filter_map(|(name, rule)| Some((value.get(name)?, rule)))
                    .find_map(|(v, r)| violation(v, r, root));
            }
            "allOf" => return rule.as_array().unwrap().iter().find_map(|rule| violation(value, rule, root)),
            other => panic!("teach the checker the keyword `{other}`"),
        };
        (!held).then(|| format!("{value} breaks `{keyword}`: {rule}"))
    })
}

#[test]
fn the_checker_sees_each_kind_of_violation() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"],
        "properties": { "a": { "$ref": "#/$defs/A" }, "n": { "type": "integer", "minimum": 2, "maximum": 3 }, "e": { "enum": ["p", "q"] },
                        "l": { "type": "array", "items": { "type": "string" } }, "c": { "allOf": [{ "const": 1 }] } },
        "$defs": { "A": { "type": "string", "minLength": 1, "maxLength": 2 } },
    });
    let held = |text: &str| violation(&super::given::json(text), &schema, &schema).is_none();
    assert!(held(r#"{"a": "x", "n": 2, "l": ["y"], "c": 1, "e": "q", "unknown": null}"#));
    for broken in [
        "[]",
        "{}",
        r#"{"a": 1}"#,
        r#"{"a": ""}"#,
        r#"{"a": "xyz"}"#,
        r#"{"a": "x", "n": 1}"#,
        r#"{"a": "x", "n": 2.5}"#,
        r#"{"a": "x", "n": 4}"#,
        r#"{"a": "x", "e": "r"}"#,
        r#"{"a": "x", "l": [1]}"#,
        r#"{"a": "x", "c": 2}"#,
    ] {
        assert!(!held(broken), "{broken}");
    }
}
