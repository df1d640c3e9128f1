//! Reading a JSON object field by field, so that every flaw is reported at once.

use serde_json::{Map, Value};

use super::problem::{Flaw, Problem};

/// The fields of one object that weren't read yet, and all flaws found so far.
pub(super) struct Fields {
    object: Map<String, Value>,
    pointer: String,
    flaws: Vec<Flaw>,
}

/// Reads one value, or says what is wrong with it.
pub(super) type Parse<T> = fn(Value) -> Result<T, String>;

impl Fields {
    pub(super) fn of(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Object(object) => Ok(Self { object, pointer: "#".into(), flaws: Vec::new() }),
            other => Err(Problem::invalid_fields(vec![flaw("#".into(), not("an object")(&other))])),
        }
    }

    /// Takes a field that must be there.
    pub(super) fn required<T>(&mut self, name: &str, parse: Parse<T>) -> Option<T> {
        match self.take(name) {
            None => {
                self.blame(&[name], "is required".into());
                None
            }
            Some(value) => self.parse(&[name], value, parse),
        }
    }

    /// Takes a field that may be absent or null.
    pub(super) fn optional<T>(&mut self, name: &str, parse: Parse<T>) -> Option<T> {
        let value = self.take(name)?;
        self.parse(&[name], value, parse)
    }

    /// Takes an array of at most `most` values. Absent or null is an empty one.
    pub(super) fn list<T>(&mut self, name: &str, most: usize, parse: Parse<T>) -> Vec<T> {
        match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(values)) if values.len() > most => {
                self.blame(&[name], format!("has {} values, more than {most}", values.len()));
                Vec::new()
            }
            Some(Value::Array(values)) => {
                let parsed = values.into_iter().enumerate();
                parsed.filter_map(|(at, value)| self.parse(&[name, &at.to_string()], value, parse)).collect()
            }
            Some(other) => {
                self.blame(&[name], not("an array")(&other));
                Vec::new()
            }
        }
    }

    /// Takes a nested object. Absent or null is `None`.
    pub(super) fn nested<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        match self.take(name)? {
            Value::Object(object) => {
                let pointer = join(&self.pointer, &[name]);
                let mut inner = Self { object, pointer, flaws: std::mem::take(&mut self.flaws) };
                let value = read(&mut inner);
                inner.blame_unknown();
                self.flaws = inner.flaws;
                value
            }
            other => {
                self.blame(&[name], not("an object")(&other));
                None
            }
        }
    }

    /// Drops the id that also stands in the path, so that what was read can be written back; it must be the same id.
    pub(super) fn same_id(&mut self, name: &str, id: &str) {
        if let Some(value) = self.object.remove(name)
            && value.as_str() != Some(id)
        {
            self.blame(&[name], format!("is not the id in the path, `{id}`"));
        }
    }

    /// Drops a field that is shown and that nobody sets, so that what was read can be written back.
    pub(super) fn pass_over(&mut self, name: &str) {
        self.object.remove(name);
    }

    /// Whether the field is there and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether the field is an array without values.
    pub(super) fn is_empty_list(&self, name: &str) -> bool {
        matches!(self.object.get(name), Some(Value::Array(values)) if values.is_empty())
    }

    /// Takes all fields that are left, by name.
    pub(super) fn rest(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.object)
    }

    /// Reports a flaw of the field at `path`.
    pub(super) fn blame(&mut self, path: &[&str], detail: String) {
        self.flaws.push(flaw(join(&self.pointer, path), detail));
    }

    /// Parses a value that was taken from `path`.
    pub(super) fn parse<T>(&mut self, path: &[&str], value: Value, parse: Parse<T>) -> Option<T> {
        parse(value).map_err(|detail| self.blame(path, detail)).ok()
    }

    /// What `build` makes of the fields, or every flaw there is; a field that nobody read is one.
    pub(super) fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Problem> {
        self.blame_unknown();
        match build() {
            Some(value) if self.flaws.is_empty() => Ok(value),
            _ => Err(Problem::invalid_fields(self.flaws)),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name).filter(|value| !value.is_null())
    }

    fn blame_unknown(&mut self) {
        for name in self.rest().keys() {
            self.blame(&[name], "is not a field that exists here".into());
        }
    }
}

/// Text of `LEAST` to `MOST` characters, without control characters other than line breaks and tabs.
pub(super) fn text<const LEAST: usize, const MOST: usize>(value: Value) -> Result<String, String> {
    let text = string(value)?;
    let length = text.chars().count();
    if !(LEAST..=MOST).contains(&length) {
        return Err(format!("has {length} characters, not {LEAST} to {MOST}"));
    }
    match text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        true => Err("has a control character".into()),
        false => Ok(text),
    }
}

/// Text as [`text`] has it, on one line.
pub(super) fn line<const LEAST: usize, const MOST: usize>(value: Value) -> Result<String, String> {
    let text = text::<LEAST, MOST>(value)?;
    match text.chars().find(|c| c.is_control() || breaks_or_turns(*c)) {
        Some(c) if breaks_or_turns(c) => Err("has a line break or a sign that turns the direction of text".into()),
        Some(_) => Err("has a line break or a tab".into()),
        None if !text.is_empty() && text.trim().is_empty() => Err("is blank".into()),
        None => Ok(text),
    }
}

/// The line and paragraph separators, and what overrides or isolates the direction of text.
fn breaks_or_turns(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// An identifier, parsed by its own type.
pub(super) fn id<T: std::str::FromStr<Err = E>, E: std::fmt::Display>(value: Value) -> Result<T, String> {
    string(value)?.parse().map_err(|e: E| e.to_string())
}

/// Any text.
pub(super) fn string(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(not("text")(&other)),
    }
}

/// True or false.
pub(super) fn boolean(value: Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| not("true or false")(&value))
}

/// Says what a value is, and what it should have been.
pub(super) fn not(expected: &str) -> impl Fn(&Value) -> String {
    move |value| {
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        format!("is {is}, not {expected}")
    }
}

fn flaw(pointer: String, detail: String) -> Flaw {
    Flaw { pointer: Some(pointer), parameter: None, detail }
}

/// Extends a JSON Pointer in its URI fragment form (RFC 6901, section 6).
pub(super) fn join(pointer: &str, path: &[&str]) -> String {
    let mut joined = pointer.to_owned();
    for name in path {
        joined.push('/');
        // Names come from the caller: a megabyte of it helps nobody.
        for c in name.chars().take(100) {
            match c {
                '~' => joined.push_str("~0"),
                '/' => joined.push_str("~1"),
                c if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') => joined.push(c),
                c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| joined.push_str(&format!("%{b:02X}"))),
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{join, line};

    #[test]
    fn a_line_neither_breaks_nor_turns_nor_is_blank() {
        let line = |text: &str| line::<0, 20>(json!(text));
        for good in ["", "Ada", "\u{5D0}\u{5D1}", "a\u{200D}b"] {
            assert_eq!(line(good), Ok(good.to_owned()));
        }
        for bad in ["a\nb", "a\u{2028}b", "a\u{2029}b", "a\u{202E}b", "a\u{2066}b", "  ", "\u{2003}"] {
            assert!(line(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_pointer_escapes_what_a_fragment_can_not_hold() {
        assert_eq!(join("#/fields", &["a/b~c", "ü"]), "#/fields/a~1b~0c/%C3%BC");
    }
}
