//! Values on their way into a statement. They go as text, which the server reads by the type that it has found for the place.

use std::error::Error;

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

/// A value to bind.
#[derive(Debug)]
pub(super) struct Bound<'a>(pub(super) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match text(self.0, ty) {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The value as the server reads it for a place of this type; `None` is NULL.
fn text(value: &Value, ty: &Type) -> Option<String> {
    match (value, ty.kind()) {
        (Value::Null, _) => None,
        (value, _) if *ty == Type::JSON || *ty == Type::JSONB => Some(value.to_string()),
        (Value::String(text), _) => Some(text.clone()),
        (Value::Array(items), Kind::Array(item)) => Some(list(items, item)),
        (value, _) => Some(value.to_string()),
    }
}

/// `{"a","b",NULL}`: <https://www.postgresql.org/docs/16/arrays.html#ARRAYS-IO>.
fn list(items: &[Value], ty: &Type) -> String {
    let item = |value| match text(value, ty) {
        None => "NULL".to_owned(),
        Some(text) => format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")),
    };
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_quoted_whatever_stands_in_them() {
        let hostile = json!(["a", "\"},{", "\\", null, "NULL"]);
        let expected = r#"{"a","\"},{","\\",NULL,"NULL"}"#;
        assert_eq!(text(&hostile, &Type::TEXT_ARRAY).as_deref(), Some(expected));
        assert_eq!(text(&json!([1, 2.5]), &Type::NUMERIC_ARRAY).as_deref(), Some(r#"{"1","2.5"}"#));
        assert_eq!(text(&json!([1]), &Type::JSONB).as_deref(), Some("[1]"));
        assert_eq!(text(&json!("x"), &Type::JSONB).as_deref(), Some("\"x\""));
    }
}
