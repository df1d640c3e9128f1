//! A place in a JSON document, as people write it: `data.items[0].name`, and `data["a.b"]` for names with signs in them.

use std::{fmt, str::FromStr};

use serde_json::Value;

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The field of this name.
    Field(String),
    /// The entry at this place of a list, from 0.
    Entry(usize),
}

/// The way to a place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(pub Vec<Part>);

impl Path {
    /// The value there, if there is one.
    #[must_use]
    pub fn get<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(document, |value, part| match part {
            Part::Field(name) => value.get(name),
            Part::Entry(place) => value.get(place),
        })
    }

    /// Puts a value there. A field may be new, and an entry may follow the last one; all above has to be there.
    ///
    /// # Errors
    ///
    /// What is missing on the way.
    pub fn put(&self, document: &mut Value, new: Value) -> Result<(), String> {
        let Some((last, way)) = self.0.split_last() else { return Err("the path is empty".into()) };
        let mut at = document;
        for (depth, part) in way.iter().enumerate() {
            let next = match part {
                Part::Field(name) => at.get_mut(name),
                Part::Entry(place) => at.get_mut(place),
            };
            at = next.ok_or_else(|| format!("`{}` isn't there", Self(self.0[..=depth].to_vec())))?;
        }
        let above = Self(way.to_vec());
        match (last, at) {
            (Part::Field(name), Value::Object(fields)) => drop(fields.insert(name.clone(), new)),
            (Part::Entry(place), Value::Array(entries)) if *place < entries.len() => entries[*place] = new,
            (Part::Entry(place), Value::Array(entries)) if *place == entries.len() => entries.push(new),
            (Part::Entry(_), Value::Array(entries)) => {
                return Err(format!("`{above}` has {} entries: the next one is [{}]", entries.len(), entries.len()));
            }
            (Part::Field(_), other) => return Err(format!("`{above}` is {}, not an object", kind(other))),
            (Part::Entry(_), other) => return Err(format!("`{above}` is {}, not a list", kind(other))),
        }
        Ok(())
    }
}

/// What sort of value it is, with its article.
#[must_use]
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            match part {
                Part::Field(name) if is_plain(name) && place == 0 => f.write_str(name)?,
                Part::Field(name) if is_plain(name) => write!(f, ".{name}")?,
                Part::Field(name) => write!(f, "[{}]", Value::from(name.as_str()))?,
                Part::Entry(entry) => write!(f, "[{entry}]")?,
            }
        }
        Ok(())
    }
}

/// Reads a path from the beginning of a text, up to `=`, `:=` or its end, and gives what follows.
///
/// # Errors
///
/// Where the text is no path, and what one looks like.
pub(super) fn read(text: &str) -> Result<(Path, &str), String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let wrong = |rest: &str| {
            let at = text.len() - rest.len() + 1;
            format!("it is no path from character {at} on; write it like `data.items[0].name` or `data[\"a.b\"]`")
        };
        if let Some(inner) = rest.strip_prefix('[') {
            let end;
            if inner.starts_with('"') {
                let mut names = serde_json::Deserializer::from_str(inner).into_iter::<String>();
                let Some(Ok(name)) = names.next() else { return Err(wrong(inner)) };
                end = names.byte_offset();
                parts.push(Part::Field(name));
            } else {
                end = inner.find(']').ok_or_else(|| wrong(inner))?;
                parts.push(Part::Entry(inner[..end].parse().map_err(|_| wrong(inner))?));
            }
            rest = inner[end..].strip_prefix(']').ok_or_else(|| wrong(&inner[end..]))?;
        } else {
            let name = if parts.is_empty() { rest } else { rest.strip_prefix('.').ok_or_else(|| wrong(rest))? };
            let end = name.find(['.', '[', '=', ':']).unwrap_or(name.len());
            if !is_plain(&name[..end]) {
                return Err(wrong(name));
            }
            parts.push(Part::Field(name[..end].to_owned()));
            rest = &name[end..];
        }
        if rest.is_empty() || rest.starts_with('=') || rest.starts_with(":=") {
            return Ok((Path(parts), rest));
        }
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match read(text)? {
            (path, "") => Ok(path),
            (_, rest) => Err(format!("`{rest}` is left over after the path")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_reads_back_from_what_is_shown_of_it() {
        for text in ["data", "data.app_id", "data.items[0].name", "data[\"a.b\"].c", "data[\"\\\"]\"][12][3].x"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_place() {
        for (text, at) in
            [("", 1), ("data..a", 6), ("data.", 6), ("data[", 6), ("data[x]", 6), ("data[0", 6), ("data[0]a", 8)]
        {
            let error = text.parse::<Path>().unwrap_err();
            assert!(error.contains(&format!("character {at} ")), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_is_put_where_its_surroundings_are() {
        let mut document = json!({ "data": { "items": [{ "n": 1 }] } });
        let mut put = |path: &str, value: Value| path.parse::<Path>().unwrap().put(&mut document, value);
        put("data.items[0].n", json!(2)).unwrap();
        put("data.items[1]", json!("next")).unwrap();
        put("data.new", json!(null)).unwrap();
        assert!(put("data.items[3]", json!(0)).unwrap_err().contains("the next one is [2]"));
        assert!(put("data.none.x", json!(0)).unwrap_err().contains("`data.none` isn't there"));
        assert!(put("data.items.x", json!(0)).unwrap_err().contains("a list, not an object"));
        assert_eq!(document, json!({ "data": { "items": [{ "n": 2 }, "next"], "new": null } }));
    }
}
