//! JSON text, read strictly and written in one form.

use std::{collections::BTreeMap, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};

use super::{
    MAX_DEPTH,
    lines::{Node, What},
    too_deep,
};
use crate::{Problem, Problems, place, place::quoted, problem::Report};

/// Reads JSON in which no name stands twice in an object.
pub(super) fn read(text: &str) -> Result<Value, Problem> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    let value = read.map_err(|error| {
        if error.to_string().starts_with("recursion limit exceeded") {
            return too_deep();
        }
        let (line, column, said) = (error.line(), error.column(), error.to_string());
        let said = said.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&said);
        let problem = Problem::new("", format!("the definition is no JSON: {said}, in column {column}"));
        Problem { line: Some(line), ..problem }
            .help("a definition that begins with `{` is read as JSON; YAML is read where it begins otherwise")
    })?;
    if depth_of(&value) > MAX_DEPTH { Err(too_deep()) } else { Ok(value) }
}

/// The same problems with their lines.
pub(super) fn in_text(problems: Problems, text: &str) -> Problems {
    // What is no JSON, or too deep, has been told so with its line.
    if read(text).is_err() {
        return problems;
    }
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line = |part: &str| {
        let at = part.as_ptr().addr() - text.as_ptr().addr();
        ends.partition_point(|end| *end < at) + 1
    };
    tree(text.trim(), &line).locate(problems)
}

/// What this part of the text says, as far as it takes to find the way to a place. It takes as much stack as the part is deep.
fn tree(part: &str, line: &impl Fn(&str) -> usize) -> Node {
    let node = |raw: &RawValue| tree(raw.get(), line);
    let what = match part.as_bytes().first() {
        Some(b'[') => {
            serde_json::from_str::<Vec<&RawValue>>(part).map(|items| What::List(items.into_iter().map(node).collect()))
        }
        Some(b'{') => serde_json::from_str::<BTreeMap<String, &RawValue>>(part)
            .map(|fields| What::Object(fields.into_iter().map(|(name, raw)| (name, node(raw))).collect())),
        _ => Ok(What::Plain(Value::Null)),
    };
    Node { line: line(part), what: what.unwrap_or(What::Plain(Value::Null)) }
}

/// How deep lists and objects stand in each other. It takes no more stack for more of them.
pub(super) fn depth_of(value: &Value) -> usize {
    let (mut deepest, mut left) = (0, vec![(value, 0)]);
    while let Some((value, depth)) = left.pop() {
        deepest = deepest.max(depth);
        match value {
            Value::Array(items) => left.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => left.extend(map.values().map(|value| (value, depth + 1))),
            _ => {}
        }
    }
    deepest
}

/// Reports what no definition needs and some reader would take for something else: control characters in texts, but line ends and
/// tabs, and numbers that not everybody holds exactly.
pub(super) fn check(value: &Value, place: &str, report: &mut Report) {
    let text = |text: &str| text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    match value {
        Value::String(written) if text(written) => {
            report.push(Problem::new(place, "has a control character in it").help("leave it out"));
        }
        Value::Number(number) if number.as_f64().is_none_or(|number| number.abs() > FARTHEST) => {
            report
                .push(Problem::new(place, "is further than 1e15 away from zero").help("write it in quotes, as a text"));
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                check(item, &place::item(place, n), report);
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                let place = place::field(place, name);
                if name.chars().any(char::is_control) {
                    report.push(Problem::new(&place, "has a control character in its name").help("leave it out"));
                }
                check(value, &place, report);
            }
        }
        _ => {}
    }
}

/// How far from zero numbers are.
const FARTHEST: f64 = 1e15;

/// The one text of the value: names in order, whole numbers without a point, no spaces.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let fields =
                sorted.into_iter().map(|(name, value)| format!("{}:{}", Value::from(&**name), canonical(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < EXACT => format!("{}", whole as i64),
            _ => number.to_string(),
        },
        plain => plain.to_string(),
    }
}

/// 2^53: from here on not every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, is: bool) -> Result<Value, E> {
        Ok(Value::Bool(is))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(de::Error::custom(format!("{} stands twice in one object", quoted(&name))));
            }
            let value = fields.next_value_seed(Self)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}
