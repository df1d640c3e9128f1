//! What of an answer becomes the result of a step: named values of known types.

use std::collections::BTreeMap;

use sendoff_workflows::{Type, expr::normalize};
use serde_json::{Map, Value};

use super::{
    ActionError,
    asking::{MAPPING, Refusal},
    fields::Fields,
};

/// The most names.
const MAX_NAMES: usize = 100;
/// The most bytes of a name.
const MAX_NAME: usize = 100;

/// Named places in a JSON document, and what must stand there.
#[derive(Debug, Default)]
pub(super) struct Pointers(BTreeMap<String, (String, Type)>);

/// Named columns, and what must stand in them.
#[derive(Debug, Default)]
pub(super) struct Columns(BTreeMap<String, Type>);

impl Pointers {
    /// `{name: {at: JSON pointer, type}}` in the field `name`.
    pub(super) fn read(fields: &mut Fields, name: &'static str) -> Result<Self, ActionError> {
        let map = named(fields, name)?;
        let mut pointers = BTreeMap::new();
        for (key, value) in map {
            let mut place = Fields::of(&format!("{name}.{key}"), value)?;
            // The empty pointer is the whole document.
            let at = match place.take("at") {
                Some(Value::String(at)) if at.is_empty() || at.starts_with('/') => at,
                _ => return Err(place.wrong("at", "must be a JSON pointer such as `/order/id`, or empty")),
            };
            let ty = place.take("type").ok_or_else(|| place.missing("type"))?;
            let ty = serde_json::from_value(ty).map_err(|_| place.wrong("type", "must be a type"))?;
            place.done()?;
            pointers.insert(key, (at, ty));
        }
        Ok(Self(pointers))
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values in `document`; `null` where there is nothing.
    pub(super) fn of(&self, document: &Value) -> Result<Map<String, Value>, Refusal> {
        let value = |(name, (at, ty)): (&String, &(String, Type))| {
            let found = document.pointer(at).unwrap_or(&Value::Null);
            let value = normalize(found, ty).map_err(|why| {
                Refusal::new(MAPPING, format!("`{name}`: what stands at `{at}` of the response {why}"))
            })?;
            Ok((name.clone(), value))
        };
        self.0.iter().map(value).collect()
    }

    /// The same names, all of them `null`.
    pub(super) fn blank(&self) -> Map<String, Value> {
        self.0.keys().map(|name| (name.clone(), Value::Null)).collect()
    }
}

impl Columns {
    /// `{name: type}` in the field `name`.
    pub(super) fn read(fields: &mut Fields, name: &'static str) -> Result<Self, ActionError> {
        let column = |(column, ty): (String, Value)| {
            let wrong = || ActionError::invalid(format!("`{name}.{column}` must be a type"));
            let ty = serde_json::from_value(ty).map_err(|_| wrong())?;
            Ok((column, ty))
        };
        Ok(Self(named(fields, name)?.into_iter().map(column).collect::<Result<_, ActionError>>()?))
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns that are asked for of a row.
    pub(super) fn of(&self, row: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
        let value = |(name, ty): (&String, &Type)| {
            let wrong = |why: &str| Refusal::new(MAPPING, format!("column `{name}` {why}"));
            let found = row.get(name).ok_or_else(|| {
                wrong("isn't given by the statement, or is of a type that has no value here: cast it to text")
            })?;
            // SQLite has no booleans but 0 and 1.
            let found = match (ty, found.as_i64()) {
                (Type::Boolean, Some(number @ (0 | 1))) => &Value::Bool(number == 1),
                _ => found,
            };
            Ok((name.clone(), normalize(found, ty).map_err(|why| wrong(&why))?))
        };
        self.0.iter().map(value).collect()
    }
}

/// The object in the field `name`, of few and short names.
fn named(fields: &mut Fields, name: &'static str) -> Result<Map<String, Value>, ActionError> {
    let map = fields.map(name)?;
    let fits = |key: &String| (1..=MAX_NAME).contains(&key.len()) && !key.chars().any(char::is_control);
    if map.len() > MAX_NAMES || !map.keys().all(fits) {
        let rule = format_args!("must have at most {MAX_NAMES} names of 1 to {MAX_NAME} bytes").to_string();
        return Err(fields.wrong(name, rule));
    }
    Ok(map)
}
