//! The records of a batch, each still in the text it came in: one that can't be read must not keep the others from it.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::FunctionError;

/// The records in the event, or an error that says what the function expects.
pub(super) fn records<'a>(event: &'a RawValue, expected: &'static str) -> Result<Vec<&'a RawValue>, FunctionError> {
    #[derive(Deserialize)]
    struct Shape<'a> {
        #[serde(rename = "Records", borrow)]
        records: Vec<&'a RawValue>,
    }
    match serde_json::from_str::<Shape<'a>>(event.get()) {
        Ok(shape) => Ok(shape.records),
        Err(_) => Err(FunctionError::Event { expected, found: found(event) }),
    }
}

/// What an unknown event looks like, without its contents.
pub(crate) fn found(event: &RawValue) -> String {
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(event.get()) else {
        return "found no object".to_owned();
    };
    let names: Vec<String> = fields.into_keys().take(8).map(|name| name.chars().take(40).collect()).collect();
    match names.is_empty() {
        true => "found an empty object".to_owned(),
        false => format!("found an object with {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_another_shape_is_an_error_that_names_both_shapes_and_no_contents() {
        for (event, found) in
            [("[]", "no object"), ("{}", "empty object"), (r#"{"Records":7,"secret":"hunter2"}"#, "Records, secret")]
        {
            let event = RawValue::from_string(event.to_owned()).unwrap();
            let error = records(&event, "a batch").unwrap_err().to_string();
            assert!(
                error.contains("expected a batch") && error.contains(found) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
