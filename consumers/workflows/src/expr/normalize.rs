//! Values from outside become what expressions work on.

use serde_json::{Map, Value};

use super::moment;
use crate::Type;

/// How far from zero a number may be.
pub(super) const FARTHEST: f64 = 1e15;

/// The value in the one way in which values of its type are written, or what is wrong with it.
///
/// `null` is right for each type. Names that an object doesn't have become `null`, and names that its type doesn't have are left
/// out. Numbers are at most 1e15 away from zero. Moments become UTC with milliseconds.
///
/// # Errors
/// What is wrong, with the way to it where it is inside: `[2].price is a text, not a number`.
pub fn normalize(value: &Value, ty: &Type) -> Result<Value, String> {
    at(value, ty, &mut String::new())
}

fn at(value: &Value, ty: &Type, place: &mut String) -> Result<Value, String> {
    let wrong = |place: &str| {
        let subject = if place.is_empty() { String::new() } else { format!("{place} ") };
        Err(format!("{subject}is {}, not {}", kind(value), article(ty)))
    };
    match (ty, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Type::Text, Value::String(_)) | (Type::Boolean, Value::Bool(_)) => Ok(value.clone()),
        (Type::Number, Value::Number(n)) => match n.as_f64().filter(|n| n.abs() <= FARTHEST) {
            Some(n) => Ok(number(n)),
            None => Err(format!("{place}{}is more than 1e15 away from zero", space(place))),
        },
        (Type::Date, Value::String(text)) => match moment::date(text) {
            Some(_) => Ok(value.clone()),
            None => Err(format!("{place}{}is no date such as 2026-11-26", space(place))),
        },
        (Type::DateTime, Value::String(text)) => match moment::datetime(text) {
            Some(text) => Ok(Value::String(text)),
            None => Err(format!("{place}{}is no moment such as 2026-11-26T08:00:00Z", space(place))),
        },
        (Type::List(item), Value::Array(items)) => {
            let mut normal = Vec::with_capacity(items.len());
            for (index, each) in items.iter().enumerate() {
                let length = place.len();
                place.push_str(&format!("[{index}]"));
                normal.push(at(each, item, place)?);
                place.truncate(length);
            }
            Ok(Value::Array(normal))
        }
        (Type::Object(names), Value::Object(values)) => {
            let mut normal = Map::new();
            for (name, ty) in names.iter() {
                let length = place.len();
                place.push_str(if place.is_empty() { "" } else { "." });
                place.push_str(name);
                normal.insert(name.clone(), at(values.get(name).unwrap_or(&Value::Null), ty, place)?);
                place.truncate(length);
            }
            Ok(Value::Object(normal))
        }
        _ => wrong(place),
    }
}

fn space(place: &str) -> &'static str {
    if place.is_empty() { "" } else { " " }
}

/// A number in its one way of being written: whole ones below 2^53 as integers, and no negative zero.
pub(super) fn number(n: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if n.fract() == 0.0 && n.abs() < EXACT {
        // It is whole and within what an i64 holds.
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Value::from(n as i64);
    }
    Value::from(n)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A type with its article.
pub(super) fn article(ty: &Type) -> String {
    match ty {
        Type::Object(_) => format!("an {ty}"),
        _ => format!("a {ty}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn lines() -> Type {
        Type::List(Box::new(Type::Object(Arc::new(
            [("price".to_owned(), Type::Number), ("due".to_owned(), Type::Date)].into(),
        ))))
    }

    #[test]
    fn missing_names_become_null_and_others_are_left_out() {
        let value = json!([{"price": 2.0, "colour": "red"}, null]);
        assert_eq!(normalize(&value, &lines()), Ok(json!([{"due": null, "price": 2}, null])));
        assert_eq!(
            normalize(&json!("2026-11-26T09:00:00.5+01:00"), &Type::DateTime),
            Ok(json!("2026-11-26T08:00:00.500Z"))
        );
        assert_eq!(normalize(&json!(-0.0), &Type::Number).map(|n| n.to_string()), Ok("0".to_owned()));
    }

    #[test]
    fn what_is_wrong_has_the_way_to_it() {
        for (value, ty, expected) in [
            (json!([{}, {"price": "2"}]), lines(), "[1].price is a text, not a number"),
            (json!([{"due": "26.11.2026"}]), lines(), "[0].due is no date such as 2026-11-26"),
            (json!({}), lines(), "is an object, not a list of object (due: date, price: number)"),
            (json!(2e15), Type::Number, "is more than 1e15 away from zero"),
            (json!(true), Type::Text, "is a boolean, not a text"),
            (json!("tomorrow"), Type::DateTime, "is no moment such as 2026-11-26T08:00:00Z"),
        ] {
            assert_eq!(normalize(&value, &ty), Err(expected.to_owned()));
        }
    }
}
