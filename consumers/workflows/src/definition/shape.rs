//! The shape of what an author wrote: JSON becomes the types of this module, and everything that doesn't fit is reported, not
//! only the first.
//!
//! An object is declared with [`object!`]: its fields, once, are its type, its part of the JSON Schema and how it is read. A
//! field that isn't declared is refused, with the declared one that is most like it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    Problem,
    place::{self, quoted},
    problem::Report,
};

/// Something that can be read from JSON.
pub(crate) trait Shape: Sized {
    /// Reads it. `None` when it isn't right, which is reported then.
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self>;

    /// What it is where nothing was written; `None` when it must not be left out.
    fn missing() -> Option<Self> {
        None
    }

    /// Whether it is what it is where nothing was written.
    fn absent(&self) -> bool {
        false
    }
}

/// Declares an object that authors write.
macro_rules! object {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $ty:ty,)* }) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        pub struct $name {
            $(
                $(#[$about])*
                #[serde(skip_serializing_if = "crate::definition::shape::Shape::absent")]
                pub $field: $ty,
            )*
        }

        impl $crate::definition::shape::Shape for $name {
            fn shape(value: serde_json::Value, place: &str, report: &mut $crate::problem::Report) -> Option<Self> {
                let known = &[$($crate::definition::shape::plain(stringify!($field))),*];
                let mut fields = $crate::definition::shape::Fields::of(value, place, known, report)?;
                $(let $field = fields.take($crate::definition::shape::plain(stringify!($field)), report);)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}
pub(crate) use object;

/// The name of a field whose Rust name may be a raw one: `r#if` is `if`.
pub(crate) const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// The fields of an object, taken one by one.
pub(crate) struct Fields<'a> {
    left: Map<String, Value>,
    place: &'a str,
}

impl<'a> Fields<'a> {
    /// Those of the value. What isn't known is reported, and left out.
    pub(crate) fn of(value: Value, place: &'a str, known: &[&str], report: &mut Report) -> Option<Self> {
        let mut left = object_of(value, place, report)?;
        left.retain(|name, _| {
            let is_known = known.contains(&name.as_str());
            if !is_known {
                report.push_with(|| {
                    let message = format!("{} isn't known here", quoted(name));
                    Problem::new(place::field(place, name), message).help(place::suggest(name, known))
                });
            }
            is_known
        });
        Some(Self { left, place })
    }

    /// What stands under the name, read.
    pub(crate) fn take<T: Shape>(&mut self, name: &str, report: &mut Report) -> Option<T> {
        match self.left.remove(name) {
            Some(value) => T::shape(value, &place::field(self.place, name), report),
            None => T::missing().or_else(|| {
                report.push(Problem::new(place::field(self.place, name), "is missing"));
                None
            }),
        }
    }
}

/// What is said of a value of another kind.
pub(crate) fn mismatch(value: &Value, place: &str, expected: &str) -> Problem {
    let problem = Problem::new(place, format!("must be {expected}, but is {}", kind(value)));
    match value {
        // `when: {amount} > 0` and `text: {{ {amount} }}` are mappings to YAML.
        Value::Object(_) => problem.help("in YAML, what begins with `{` stands in quotes: '{amount} > 0'"),
        _ => problem,
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn object_of(value: Value, place: &str, report: &mut Report) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        other => {
            let expected = format!("must be an object with named fields, but is {}", kind(&other));
            report.push(Problem::new(place, expected));
            None
        }
    }
}

impl<T: Shape> Shape for Option<T> {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::shape(value, place, report).map(Some),
        }
    }

    fn missing() -> Option<Self> {
        Some(None)
    }

    fn absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        let Value::Array(items) = value else {
            report.push(mismatch(&value, place, "a list"));
            return None;
        };
        // All are read, so that what is wrong with each is known.
        let read: Vec<Option<T>> =
            items.into_iter().enumerate().map(|(n, item)| T::shape(item, &place::item(place, n), report)).collect();
        read.into_iter().collect()
    }
}

impl<T: Shape> Shape for BTreeMap<String, T> {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        let read: Vec<(String, Option<T>)> = object_of(value, place, report)?
            .into_iter()
            .map(|(name, value)| {
                let read = T::shape(value, &place::field(place, &name), report);
                (name, read)
            })
            .collect();
        read.into_iter().map(|(name, value)| Some((name, value?))).collect()
    }

    fn missing() -> Option<Self> {
        Some(Self::new())
    }

    fn absent(&self) -> bool {
        self.is_empty()
    }
}

impl Shape for String {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            other => {
                report.push(mismatch(&other, place, "a text"));
                None
            }
        }
    }
}

impl Shape for bool {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        let read = value.as_bool();
        if read.is_none() {
            report.push(mismatch(&value, place, "true or false"));
        }
        read
    }
}

impl Shape for u32 {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        let read = value.as_u64().and_then(|number| Self::try_from(number).ok());
        if read.is_none() {
            report.push(mismatch(&value, place, "a whole number from 0"));
        }
        read
    }
}

impl Shape for f64 {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        let read = value.as_f64();
        if read.is_none() {
            report.push(mismatch(&value, place, "a number"));
        }
        read
    }
}

impl Shape for Value {
    fn shape(value: Value, _: &str, _: &mut Report) -> Option<Self> {
        Some(value)
    }
}
