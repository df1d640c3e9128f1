//! What an edit changes, for people.

use serde_json::Value;
use similar::TextDiff;

use super::path::{Part, Path};

/// The lines that differ between two documents, with three around them, like `diff -u`. Empty when none does.
#[must_use]
pub fn diff(before: &Value, after: &Value) -> String {
    let lines = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    let (before, after) = (lines(before), lines(after));
    // `{:#}` of an empty diff would print nothing either; the file names say nothing here, so there is no header.
    TextDiff::from_lines(&before, &after).unified_diff().context_radius(3).missing_newline_hint(false).to_string()
}

/// The places where two documents differ, in order: the smallest ones.
#[must_use]
pub fn places(before: &Value, after: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    differ(Some(before), Some(after), &mut Path(Vec::new()), &mut found);
    found
}

fn differ(before: Option<&Value>, after: Option<&Value>, way: &mut Path, found: &mut Vec<Path>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                way.0.push(Part::Field(name.clone()));
                differ(before.get(name), after.get(name), way, found);
                way.0.pop();
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for place in 0..before.len().max(after.len()) {
                way.0.push(Part::Entry(place));
                differ(before.get(place), after.get(place), way, found);
                way.0.pop();
            }
        }
        (before, after) if before == after => {}
        _ => found.push(way.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_places_that_differ_are_the_smallest_ones() {
        let before = json!({ "data": { "a": 1, "b": [1, { "c": 2 }], "gone": 0 } });
        let after = json!({ "data": { "a": 1, "b": [1, { "c": 3 }, 4], "new": 0 } });
        let places: Vec<String> = places(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(places, ["data.b[1].c", "data.b[2]", "data.gone", "data.new"]);
    }

    #[test]
    fn a_diff_shows_what_was_and_what_is_to_be() {
        let shown = diff(&json!({ "a": 1 }), &json!({ "a": 2 }));
        assert_eq!(shown, "@@ -1,3 +1,3 @@\n {\n-  \"a\": 1\n+  \"a\": 2\n }\n");
        assert_eq!(diff(&json!([]), &json!([])), "");
    }
}
