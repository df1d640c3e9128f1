//! Whether a changed event can still be read, and what its readers would make of it.

use sendoff_consumers::scrub;
use sendoff_events::{AnyEnvelope, catalogue};
use serde_json::Value;

use super::path::{Part, Path, kind};

/// Checks a changed envelope against the schema of its event. Gives what is to be told of it: fields that nobody will read, or that
/// nothing is known of its type. `before` is the data as it was.
///
/// # Errors
///
/// Why no consumer would take it.
pub(super) fn check(body: &[u8], before: &Value) -> Result<Vec<String>, String> {
    let envelope = AnyEnvelope::decode(body).map_err(|error| error.to_string())?;
    let header = envelope.header.clone();
    let event_type = &header.event_type;
    let data: Value = serde_json::from_str(envelope.data.get()).map_err(|error| error.to_string())?;
    let entry = catalogue::all().into_iter().find(|entry| entry.event_type.name() == event_type.name());
    let Some(entry) = entry.filter(|entry| entry.event_type.version() >= event_type.version()) else {
        return Ok(vec![format!("no schema of `{event_type}` is known here: its data isn't checked")]);
    };
    let present = entry.event_type == *event_type;
    if present {
        let schema = (entry.schema)().to_value();
        let mut way = Path(vec![Part::Field("data".into())]);
        mismatch(&schema, &schema, &data, &mut way).map_or(Ok(()), Err)?;
    }
    let read = (entry.normalise)(envelope.clone()).map_err(|error| scrub(&error.to_string()))?;
    let subject = (entry.subject)(envelope).map_err(|error| scrub(&error.to_string()))?;
    if subject != header.subject {
        return Err(format!(
            "its data would be about `{subject}`, but the event is about `{}` and is numbered there: publish a new event instead",
            header.subject
        ));
    }
    let mut notes = Vec::new();
    if present {
        let mut way = Path(vec![Part::Field("data".into())]);
        unread(&data, &read, Some(before), &mut way, &mut |path| {
            notes.push(format!("`{path}` is no field of `{event_type}`: its consumers will ignore it"));
        });
    }
    Ok(notes)
}

/// The first place where the value isn't of the type that the schema names.
fn mismatch(schema: &Value, root: &Value, value: &Value, way: &mut Path) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return mismatch(&root["$defs"][name], root, value, way);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let mut wrong = choices.iter().map(|choice| mismatch(choice, root, value, way));
        let first = wrong.next()?;
        return if wrong.any(|other| other.is_none()) { None } else { first };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(only) => vec![only],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !types.is_empty() && !types.iter().any(|name| is(name, value)) {
        return Some(format!("`{way}`: expected {}, got {}", types.join(" or "), kind(value)));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        return Some(format!("`{way}`: expected at least {least}, got {number}"));
    }
    match value {
        Value::Object(fields) => {
            let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            if let Some(missing) = required.find(|name| !fields.contains_key(*name)) {
                return Some(within(way, Part::Field(missing.into()), |way| format!("`{way}` is missing")));
            }
            fields.iter().find_map(|(name, value)| {
                let schema = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"))?;
                within(way, Part::Field(name.clone()), |way| mismatch(schema, root, value, way))
            })
        }
        Value::Array(entries) => entries.iter().enumerate().find_map(|(place, value)| {
            let schema = schema.get("items")?;
            within(way, Part::Entry(place), |way| mismatch(schema, root, value, way))
        }),
        _ => None,
    }
}

fn within<T>(way: &mut Path, part: Part, look: impl FnOnce(&mut Path) -> T) -> T {
    way.0.push(part);
    let seen = look(way);
    way.0.pop();
    seen
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// Fields that are in `data` but not in what was read of it, and that weren't there before.
fn unread(data: &Value, read: &Value, before: Option<&Value>, way: &mut Path, tell: &mut impl FnMut(&Path)) {
    match (data, read) {
        (Value::Object(fields), Value::Object(known)) => {
            for (name, value) in fields {
                let before = before.and_then(|before| before.get(name));
                within(way, Part::Field(name.clone()), |way| match known.get(name) {
                    Some(read) => unread(value, read, before, way, tell),
                    // An optional field without a value is left out when it is written.
                    None if before.is_none() && !value.is_null() => tell(way),
                    None => {}
                });
            }
        }
        (Value::Array(entries), Value::Array(known)) => {
            for (place, (value, read)) in entries.iter().zip(known).enumerate() {
                let before = before.and_then(|before| before.get(place));
                within(way, Part::Entry(place), |way| unread(value, read, before, way, tell));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(data: Value) -> (Vec<u8>, Value) {
        let sample = include_str!("../../../events/samples/submission.created.v2.json");
        let mut envelope: Value = serde_json::from_str(sample).unwrap();
        let before = envelope["data"].clone();
        for (name, value) in data.as_object().unwrap() {
            envelope["data"][name] = value.clone();
        }
        (envelope.to_string().into_bytes(), before)
    }

    fn checked(data: Value) -> Result<Vec<String>, String> {
        let (body, before) = envelope(data);
        check(&body, &before)
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_with_what_was_expected_and_what_is_there() {
        assert_eq!(checked(json!({})), Ok(vec![]));
        assert_eq!(checked(json!({ "revision": "1" })).unwrap_err(), "`data.revision`: expected integer, got a text");
        assert_eq!(checked(json!({ "revision": 0 })).unwrap_err(), "`data.revision`: expected at least 1, got 0");
        assert_eq!(checked(json!({ "author_id": null })).unwrap_err(), "`data.author_id`: expected string, got null");
        assert!(checked(json!({ "author_id": "a b" })).unwrap_err().contains("user id"));
    }

    #[test]
    fn a_missing_field_is_named() {
        let (body, before) = envelope(json!({}));
        let mut envelope: Value = serde_json::from_slice(&body).unwrap();
        envelope["data"].as_object_mut().unwrap().remove("revision");
        assert_eq!(check(envelope.to_string().as_bytes(), &before).unwrap_err(), "`data.revision` is missing");
    }

    #[test]
    fn a_field_that_nobody_reads_is_told() {
        let told = checked(json!({ "revisoin": 2 })).unwrap();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("`data.revisoin` is no field of `submission.created.v2`"), "{told:?}");
    }

    #[test]
    fn an_event_cannot_come_to_be_about_something_else() {
        let error = checked(json!({ "app_id": "another" })).unwrap_err();
        assert!(error.contains("publish a new event"), "{error}");
    }

    #[test]
    fn an_event_of_an_unknown_type_is_not_checked_and_that_is_told() {
        let (body, before) = envelope(json!({ "revision": [] }));
        let body = String::from_utf8(body).unwrap().replace("submission.created.v2", "submission.renamed.v1");
        assert!(check(body.as_bytes(), &before).unwrap()[0].contains("isn't checked"));
    }
}
