//! The types of fields, variables, results and expressions.

use std::{collections::BTreeMap, fmt, sync::Arc};

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
    Object(
        #[serde(with = "shared")]
        #[schemars(with = "BTreeMap<String, Type>")]
        Arc<BTreeMap<String, Type>>,
    ),
}

/// The names of an object, which each expression of its type shares.
mod shared {
    use std::{collections::BTreeMap, sync::Arc};

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Type;

    pub(super) fn serialize<S: Serializer>(names: &Arc<BTreeMap<String, Type>>, to: S) -> Result<S::Ok, S::Error> {
        names.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, D>(from: D) -> Result<Arc<BTreeMap<String, Type>>, D::Error>
    where
        D: Deserializer<'de>,
    {
        BTreeMap::deserialize(from).map(Arc::new)
    }
}

/// The most bytes of a type in a message. A hostile one has any number of names, and is told of wherever it doesn't fit.
const LONGEST: usize = 200;

impl Type {
    /// How many names there are in it, however deep.
    pub(crate) fn names(&self) -> usize {
        match self {
            Self::List(item) => item.names(),
            Self::Object(names) => names.values().map(|ty| 1 + ty.names()).sum(),
            _ => 0,
        }
    }

    fn write(&self, to: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Text => to.write_str("text"),
            Self::Number => to.write_str("number"),
            Self::Boolean => to.write_str("boolean"),
            Self::Date => to.write_str("date"),
            Self::DateTime => to.write_str("datetime"),
            Self::List(item) => {
                to.write_str("list of ")?;
                item.write(to)
            }
            Self::Object(names) => {
                to.write_str("object (")?;
                for (index, (name, ty)) in names.iter().enumerate() {
                    to.write_str(if index == 0 { "" } else { ", " })?;
                    write!(to, "{name}: ")?;
                    ty.write(to)?;
                }
                to.write_str(")")
            }
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut short = Short::default();
        if self.write(&mut short).is_err() {
            short.0.push('…');
        }
        f.write_str(&short.0)
    }
}

/// A text that ends where it becomes too long, and with it whoever writes it.
#[derive(Default)]
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(names: usize) -> Type {
        let names = (0..names).map(|n| (format!("größe_{n}"), Type::List(Box::new(Type::Text))));
        Type::Object(Arc::new(names.collect()))
    }

    #[test]
    fn a_type_is_written_as_far_as_anybody_reads() {
        assert_eq!(wide(2).to_string(), "object (größe_0: list of text, größe_1: list of text)");
        let long = Type::List(Box::new(wide(100_000))).to_string();
        assert!(long.starts_with("list of object (größe_0: list of text, größe_1: ") && long.ends_with('…'), "{long}");
        assert!(long.len() <= LONGEST + '…'.len_utf8(), "{}", long.len());
    }

    #[test]
    fn a_type_is_read_as_it_is_written_and_counts_its_names() {
        let ty = Type::List(Box::new(Type::Object(Arc::new([("a".to_owned(), wide(3))].into()))));
        let json = serde_json::to_value(&ty).unwrap();
        assert_eq!(json["list"]["object"]["a"]["object"]["größe_0"], serde_json::json!({ "list": "text" }));
        assert_eq!(serde_json::from_value::<Type>(json).unwrap(), ty);
        assert_eq!(ty.names(), 4);
    }
}
