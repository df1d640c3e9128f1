//! The form of an app: what its submissions and its workflows keep to.

use std::collections::BTreeMap;

use sendoff_workflows::{Type, expr::normalize};
use serde_json::{Map, Value};

use super::App;

/// A field that isn't as the form of its app has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormFlaw {
    /// The field's name.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl App {
    /// What is wrong with the fields of a submission, in the order of their names: fields that the form doesn't have, and values
    /// that aren't of their type. A field may be missing, or `null`. An app without a form takes anything.
    ///
    /// Whoever writes a submission asks this, with the app as the records have it.
    #[must_use]
    pub fn flaws_of_submission(&self, fields: &Map<String, Value>) -> Vec<FormFlaw> {
        if self.fields.is_empty() {
            return Vec::new();
        }
        let wrong = |(name, value): (&String, &Value)| {
            let why = match self.fields.get(name) {
                None => NO_FIELD.to_owned(),
                Some(ty) => normalize(value, ty).err()?,
            };
            Some(FormFlaw { field: name.clone(), why })
        };
        let sorted: BTreeMap<_, _> = fields.iter().collect();
        sorted.into_iter().filter_map(wrong).collect()
    }

    /// What is wrong with the fields that a workflow declares: fields that the form doesn't have, and those that are of another
    /// type there. A workflow need not name all of them, nor all names of an object. Beside an app without a form any will do.
    #[must_use]
    pub fn flaws_of_workflow(&self, declared: &BTreeMap<String, Type>) -> Vec<FormFlaw> {
        if self.fields.is_empty() {
            return Vec::new();
        }
        let wrong = |(name, ty): (&String, &Type)| {
            let why = match self.fields.get(name) {
                None => NO_FIELD.to_owned(),
                Some(form) if is_part_of(ty, form) => return None,
                Some(form) => format!("is declared as {ty}, and in the form of the app it is {form}"),
            };
            Some(FormFlaw { field: name.clone(), why })
        };
        declared.iter().filter_map(wrong).collect()
    }
}

const NO_FIELD: &str = "is not in the form of the app";

/// Whether all that the first type has the second has too.
fn is_part_of(part: &Type, whole: &Type) -> bool {
    match (part, whole) {
        (Type::List(part), Type::List(whole)) => is_part_of(part, whole),
        (Type::Object(part), Type::Object(whole)) => {
            part.iter().all(|(name, ty)| whole.get(name).is_some_and(|whole| is_part_of(ty, whole)))
        }
        _ => part == whole,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app(fields: Value) -> App {
        serde_json::from_value(json!({ "name": "Expenses", "fields": fields })).unwrap()
    }

    fn names(flaws: &[FormFlaw]) -> Vec<&str> {
        flaws.iter().map(|flaw| flaw.field.as_str()).collect()
    }

    #[test]
    fn a_submission_keeps_to_the_form_and_all_that_does_not_is_told() {
        let app =
            app(json!({ "amount": "number", "due": "date", "lines": { "list": { "object": { "part": "text" } } } }));
        let flaws = |fields: Value| app.flaws_of_submission(fields.as_object().unwrap());
        assert_eq!(flaws(json!({ "amount": 1.5, "lines": [{ "part": "a", "more": 1 }, null] })), []);
        assert_eq!(flaws(json!({ "amount": null })), []);
        let wrong = flaws(json!({ "amount": "12", "due": "2026-02-30", "lines": [{ "part": 1 }], "other": 1 }));
        assert_eq!(names(&wrong), ["amount", "due", "lines", "other"]);
        assert_eq!(wrong[2].why, "[0].part is a number, not a text");
        assert_eq!(names(&flaws(json!({ "amount": 1e16 }))), ["amount"]);
    }

    #[test]
    fn a_workflow_declares_what_the_form_has_or_less_of_it() {
        let form =
            app(json!({ "amount": "number", "lines": { "list": { "object": { "part": "text", "qty": "number" } } } }));
        let flaws = |declared: Value| {
            let declared: BTreeMap<String, Type> = serde_json::from_value(declared).unwrap();
            (form.flaws_of_workflow(&declared), app(json!({})).flaws_of_workflow(&declared))
        };
        let part = json!({ "lines": { "list": { "object": { "qty": "number" } } } });
        assert_eq!(flaws(part), (vec![], vec![]));
        let more =
            json!({ "lines": { "list": { "object": { "price": "number" } } }, "amount": "text", "other": "text" });
        let (wrong, without_form) = flaws(more);
        assert_eq!(names(&wrong), ["amount", "lines", "other"]);
        assert_eq!(wrong[0].why, "is declared as text, and in the form of the app it is number");
        assert_eq!(without_form, []);
    }
}
