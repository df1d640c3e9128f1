//! `--set PATH=VALUE` and `--set PATH:=JSON`.
//!
//! With `=` the value keeps the type that stands there now, so that `--set data.revision=3` stays a number and
//! `--set data.zip=01234` a text; what is new or null becomes a text. With `:=` the value is JSON and may be of any type.

use std::str::FromStr;

use serde_json::{Number, Value};

use super::path::{self, Path, kind};

/// One place and what is to stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    path: Path,
    value: New,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum New {
    /// Of the type of what stands there.
    Typed(String),
    Json(Value),
}

impl Set {
    /// Where.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it into a document.
    ///
    /// # Errors
    ///
    /// When the place isn't there, or the value doesn't fit what stands there.
    pub fn apply(&self, document: &mut Value) -> Result<(), String> {
        let value = match &self.value {
            New::Json(value) => value.clone(),
            New::Typed(text) => self.typed(text, self.path.get(document))?,
        };
        self.path.put(document, value)
    }

    fn typed(&self, text: &str, now: Option<&Value>) -> Result<Value, String> {
        let path = &self.path;
        let no = |what: &str| {
            format!("`{path}` is {what} now, and what is to be set isn't: use `{path}:=JSON` to change its type")
        };
        match now {
            None | Some(Value::Null | Value::String(_)) => Ok(text.into()),
            Some(Value::Number(_)) => text.parse::<Number>().map(Value::Number).map_err(|_| no("a number")),
            Some(Value::Bool(_)) => text.parse().map(Value::Bool).map_err(|_| no("a boolean")),
            Some(other) => Err(no(kind(other))),
        }
    }
}

impl FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, rest) = path::read(text)?;
        let value = match rest.split_at_checked(1) {
            Some(("=", value)) => New::Typed(value.to_owned()),
            Some((":", rest)) => {
                let json = rest.get(1..).unwrap_or_default();
                New::Json(
                    serde_json::from_str(json).map_err(|error| format!("what follows `:=` is not JSON: {error}"))?,
                )
            }
            _ => return Err("write PATH=VALUE, or PATH:=JSON".into()),
        };
        Ok(Self { path, value })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(text: &str, mut document: Value) -> Result<Value, String> {
        text.parse::<Set>()?.apply(&mut document)?;
        Ok(document)
    }

    #[test]
    fn a_value_keeps_the_type_that_stands_there() {
        let now = json!({ "text": "7", "number": 7, "yes": false, "none": null, "list": [] });
        let with = |name: &str, value: Value| {
            let mut new = now.clone();
            new[name] = value;
            Ok(new)
        };
        assert_eq!(set("text=8", now.clone()), with("text", json!("8")));
        assert_eq!(set("number=8", now.clone()), with("number", json!(8)));
        assert_eq!(set("yes=true", now.clone()), with("yes", json!(true)));
        assert_eq!(set("none=true", now.clone()), with("none", json!("true")));
        assert_eq!(set("new=a=b", now.clone()), with("new", json!("a=b")));
        assert_eq!(set("text=", now.clone()), with("text", json!("")));
        for wrong in ["number=x", "number=", "yes=1", "list=[1]"] {
            assert!(set(wrong, now.clone()).unwrap_err().contains(":=JSON"), "{wrong}");
        }
    }

    #[test]
    fn json_may_be_of_any_type() {
        assert_eq!(set("a:=[1, \"x\"]", json!({ "a": "text" })), Ok(json!({ "a": [1, "x"] })));
        assert!(set("a:=nope", json!({})).unwrap_err().contains("not JSON"));
        assert!(set("a", json!({})).unwrap_err().contains("PATH=VALUE"));
    }
}
