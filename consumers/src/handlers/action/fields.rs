//! The fields of a JSON object, taken one by one. An error names the field, never what stands in it: that may be personal.

use serde_json::{Map, Value};

use super::ActionError;

/// Longer than the name of any field.
const MAX_NAME: usize = 60;

/// An object whose fields are taken one after the other; what is left at the end is unknown.
pub(super) struct Fields {
    /// Where it stands: `to.`; empty at the top.
    at: String,
    left: Map<String, Value>,
    asked: Vec<&'static str>,
}

impl Fields {
    /// The object under `at`.
    pub(super) fn of(at: &str, value: Value) -> Result<Self, ActionError> {
        match value {
            Value::Object(left) => {
                let at = if at.is_empty() { String::new() } else { format!("{at}.") };
                Ok(Self { at, left, asked: Vec::new() })
            }
            _ if at.is_empty() => Err(ActionError::invalid("the call is no JSON object")),
            _ => Err(ActionError::invalid(format!("`{at}` is no object"))),
        }
    }

    /// What stands there; null is the same as nothing.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        self.left.remove(name).filter(|value| !value.is_null())
    }

    /// Whether something stands there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|value| !value.is_null())
    }

    /// Text of 1 to `max` bytes.
    pub(super) fn text(&mut self, name: &'static str, max: usize) -> Result<String, ActionError> {
        self.optional_text(name, max)?.ok_or_else(|| self.missing(name))
    }

    /// The same, or nothing.
    pub(super) fn optional_text(&mut self, name: &'static str, max: usize) -> Result<Option<String>, ActionError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if (1..=max).contains(&text.len()) => Ok(Some(text)),
            Some(Value::String(_)) => Err(self.wrong(name, format_args!("must have 1 to {max} bytes"))),
            Some(_) => Err(self.wrong(name, "must be a text")),
        }
    }

    /// Text of at most `max` bytes; where nothing stands it is empty.
    pub(super) fn text_or_none(&mut self, name: &'static str, max: usize) -> Result<String, ActionError> {
        match self.take(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) if text.len() <= max => Ok(text),
            Some(Value::String(_)) => Err(self.wrong(name, format_args!("must have at most {max} bytes"))),
            Some(_) => Err(self.wrong(name, "must be a text")),
        }
    }

    /// Text that is read as something. `rule` says what it must be.
    pub(super) fn parsed<T: std::str::FromStr>(&mut self, name: &'static str, rule: &str) -> Result<T, ActionError> {
        let text = self.text(name, MAX_TEXT)?;
        text.parse().map_err(|_| self.wrong(name, format_args!("must be {rule}")))
    }

    /// An object.
    pub(super) fn object(&mut self, name: &'static str) -> Result<Self, ActionError> {
        let value = self.take(name).ok_or_else(|| self.missing(name))?;
        Self::of(&format!("{}{name}", self.at), value)
    }

    /// An object whose names are the caller's own.
    pub(super) fn map(&mut self, name: &'static str) -> Result<Map<String, Value>, ActionError> {
        match self.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(self.wrong(name, "must be an object")),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, ActionError> {
        let texts = match self.take(name) {
            None => Some(Vec::new()),
            Some(Value::Array(list)) => list.into_iter().map(into_text).collect(),
            Some(_) => None,
        };
        texts.ok_or_else(|| self.wrong(name, "must be a list of texts"))
    }

    /// A small number from 0.
    pub(super) fn number(&mut self, name: &'static str) -> Result<u32, ActionError> {
        match self.take(name) {
            None => Ok(0),
            Some(number) => number
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| self.wrong(name, "must be a whole number from 0")),
        }
    }

    /// True or false; false where nothing is said.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, ActionError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(name, "must be true or false")),
        }
    }

    /// Nothing else may stand there.
    pub(super) fn done(self) -> Result<(), ActionError> {
        let Some(unknown) = self.left.keys().next() else { return Ok(()) };
        let unknown: String = unknown.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        let known: Vec<_> = self.asked.iter().map(|name| format!("`{}{name}`", self.at)).collect();
        let text = format!("`{}{unknown}` isn't known here; there are {}", self.at, known.join(", "));
        Err(ActionError::invalid(text))
    }

    pub(super) fn missing(&self, name: &str) -> ActionError {
        ActionError::invalid(format!("`{}{name}` is missing", self.at))
    }

    pub(super) fn wrong(&self, name: &str, rule: impl std::fmt::Display) -> ActionError {
        ActionError::invalid(format!("`{}{name}` {rule}", self.at))
    }
}

/// The most bytes of a text that is parsed.
const MAX_TEXT: usize = 8192;

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
