//! The types of fields, variables, results and expressions.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a value is. A value of any type may be missing, which is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Text.
    Text,
    /// A number: an IEEE 754 double, at most 1e15 away from zero where it comes from outside.
    Number,
    /// True or false.
    Boolean,
    /// A day of the calendar: `2026-11-26`.
    Date,
    /// A moment, in UTC, with milliseconds: `2026-11-26T08:00:00.000Z`.
    DateTime,
    /// Any number of values of one type.
    List(Box<Type>),
    /// Named values.
    Object(BTreeMap<String, Type>),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Number => f.write_str("number"),
            Self::Boolean => f.write_str("boolean"),
            Self::Date => f.write_str("date"),
            Self::DateTime => f.write_str("datetime"),
            Self::List(item) => write!(f, "list of {item}"),
            Self::Object(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
                write!(f, "object ({})", fields.join(", "))
            }
        }
    }
}
