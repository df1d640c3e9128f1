//! Types of fields and variables.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::shape::{Fields, Shape, object};
use crate::{Problem, Type, place, problem::Report};

/// A variable: its type, or its type and what it is at first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Var {
    /// It is `null` at first.
    Type(Type),
    /// It has a value at first.
    Initial(Initial),
}

object! {
    /// A variable that has a value at first.
    Initial {
        /// What it is.
        r#type: Type,
        /// What it is at first.
        initial: Value,
    }
}

impl Shape for Var {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        if value.get("type").is_none() {
            return Type::shape(value, place, report).map(Self::Type);
        }
        Initial::shape(value, place, report).map(Self::Initial)
    }
}

const NAMES: [&str; 5] = ["text", "number", "boolean", "date", "datetime"];

impl Shape for Type {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        if let Value::Object(map) = &value {
            let mut fields = match map.len() {
                1 => Fields::of(value, place, &["list", "object"], report)?,
                _ => {
                    let problem = Problem::new(place, "must have exactly one of `list` and `object`");
                    report.push(problem.help("write `{ list: text }` or `{ object: { name: text } }`"));
                    return None;
                }
            };
            if let Some(item) = fields.take::<Option<Self>>("list", report)? {
                return Some(Self::List(Box::new(item)));
            }
            return fields.take::<Option<BTreeMap<String, Self>>>("object", report)?.map(Arc::new).map(Self::Object);
        }
        let name = value.as_str().unwrap_or_default();
        let read = match name {
            "text" => Self::Text,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            _ => {
                let message = match &value {
                    Value::String(name) => format!("{} is no type", place::quoted(name)),
                    _ => "is no type".to_owned(),
                };
                let help = match name {
                    "list" => "write what is in it: `{ list: text }`".to_owned(),
                    "object" => "write what is in it: `{ object: { name: text } }`".to_owned(),
                    name => {
                        let help = place::suggest(name, &NAMES);
                        if help.ends_with('?') { help } else { help + ", and `{ list: … }` and `{ object: … }`" }
                    }
                };
                report.push(Problem::new(place, message).help(help));
                return None;
            }
        };
        Some(read)
    }
}
