//! Where a definition uses a field.

use serde_json::Value;

use crate::{Definition, Plan, Problems};

/// A place where a field is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The step that it is in; none for a condition of what starts the workflow.
    pub step: Option<String>,
    /// Where in the definition: `steps[2].then[0].email.subject`.
    pub place: String,
}

/// What steps stand in.
const FLOW: [&str; 8] = ["steps", "then", "elif", "else", "cases", "parallel", "do", "on_error"];

impl Definition {
    /// The places that use a field which this definition declares, in the order of the definition, each once. Of a definition that is
    /// wrong itself they can't be told.
    #[must_use]
    pub fn uses_of_field(&self, field: &str) -> Vec<Use> {
        let mut without = self.clone();
        if without.fields.remove(field).is_none() {
            return Vec::new();
        }
        // All that is wrong without the field is a place that uses it.
        let Err(Problems(problems)) = Plan::of(&without) else { return Vec::new() };
        let whole = self.to_value();
        let mut uses: Vec<Use> = Vec::new();
        for place in problems.into_iter().map(|problem| problem.place).filter(|place| !place.is_empty()) {
            if !uses.iter().any(|known| known.place == place) {
                uses.push(Use { step: step_at(&whole, &place), place });
            }
        }
        uses
    }
}

/// The id of the innermost step that the place is in.
fn step_at(whole: &Value, place: &str) -> Option<String> {
    let (mut here, mut step) = (whole, None);
    // Up to where steps end, places are plain names and numbers.
    for name in place.split(['.', '[']) {
        let next = match name.strip_suffix(']').and_then(|index| index.parse::<usize>().ok()) {
            Some(index) => here.get(index),
            None if FLOW.contains(&name) => here.get(name),
            None => None,
        };
        let Some(next) = next else { break };
        here = next;
        step = here["id"].as_str().map(str::to_owned).or(step);
    }
    step
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_uses_of_a_field_are_told_with_their_steps() {
        let definition = Definition::of(json!({
            "workflow": "w", "app": "a", "fields": { "amount": "number", "name": "text", "spare": "date" },
            "on": [{ "submission": "created", "when": "{amount} > 0" }],
            "steps": [
                { "id": "big", "if": "AND({amount} > 100, {amount} < 500)", "then": [
                    { "id": "tell", "email": { "to": { "user": "ada" }, "subject": "Hi {{ {name} }}", "text": "{{ {amount} }}" } },
                    { "id": "order", "http": { "connection": "shop", "method": "POST", "path": "/orders",
                        "body": [{ "id": "none", "x.y": "{{ {fields.amount} }}" }] } },
                ] },
                { "id": "both", "parallel": [[{ "id": "one", "wait": { "for": "{amount}" } }], [{ "id": "two", "wait": { "for": "1h" } }]] },
            ],
        }))
        .unwrap_or_else(|problems| panic!("{problems}"));
        Plan::of(&definition).unwrap_or_else(|problems| panic!("{problems}"));
        let told = |field: &str| {
            let uses = definition.uses_of_field(field).into_iter();
            uses.map(|found| format!("{} {}", found.step.as_deref().unwrap_or("-"), found.place)).collect::<Vec<_>>()
        };
        assert_eq!(
            told("amount"),
            [
                "- on[0].when",
                "big steps[0].if",
                "tell steps[0].then[0].email.text",
                "order steps[0].then[1].http.body[0].x.y",
                "one steps[1].parallel[0][0].wait.for",
            ]
        );
        assert_eq!(told("name"), ["tell steps[0].then[0].email.subject"]);
        assert_eq!(told("spare"), [""; 0]);
        assert_eq!(told("unknown"), [""; 0]);
    }
}
