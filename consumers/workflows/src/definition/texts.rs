//! Texts with expressions in them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;

use super::shape::{Shape, mismatch};
use crate::problem::Report;

/// An expression: `{amount} > 100`. A number, `true` and `false` may be written as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Formula(pub String);

/// A text with expressions in it: `Dear {{ {name} }}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Words(pub String);

/// Any JSON, whose texts may have expressions in them. A text that is `{{ expression }}` and nothing else is the value with its type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Json(pub Value);

impl Shape for Formula {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self(text)),
            Value::Number(number) => Some(Self(number.to_string())),
            Value::Bool(is) => Some(Self(is.to_string())),
            other => {
                report.push(mismatch(&other, place, "an expression"));
                None
            }
        }
    }
}

impl Shape for Words {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        String::shape(value, place, report).map(Self)
    }
}

impl Shape for Json {
    fn shape(value: Value, _: &str, _: &mut Report) -> Option<Self> {
        Some(Self(value))
    }
}

impl JsonSchema for Formula {
    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean"],
            "description": "An expression, such as `AND({amount} > 100, {department} = \"HR\")`.",
        })
    }
}

impl JsonSchema for Words {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A text with `{{ expression }}` in it, such as `Dear {{ {name} }}`.",
        })
    }
}

impl JsonSchema for Json {
    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Any JSON, whose texts may have `{{ expression }}` in them. A text that is nothing else is the value with its type.",
        })
    }
}
