//! How long something takes, as people write it.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::shape::Shape;
use crate::{Problem, problem::Report};

/// Whole seconds: `30s`, `5m`, `2h`, `3d`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub u32);

/// The units, the longest first.
const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

impl Duration {
    /// That of the text; `None` when it is none, or longer than 136 years.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (number, seconds) = match UNITS.iter().find(|(unit, _)| text.ends_with(*unit)) {
            Some((_, seconds)) => (&text[..text.len() - 1], *seconds),
            None => (text, 1),
        };
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number: u32 = digits.then(|| number.parse().ok())??;
        number.checked_mul(seconds).map(Self)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `0s`, and otherwise the largest unit that goes into it.
        let whole = |(_, seconds): &&(char, u32)| self.0 > 0 && self.0.is_multiple_of(*seconds);
        let (unit, seconds) = UNITS.iter().find(whole).unwrap_or(&('s', 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Duration {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        let read = match &value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()).map(Self),
            _ => None,
        };
        if read.is_none() {
            let problem = Problem::new(place, "is no duration");
            report.push(problem.help("write a whole number and a unit, such as `30s`, `5m`, `2h` or `3d`"));
        }
        read
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]{1,10}[smhd]?$" },
                { "type": "integer", "minimum": 0, "maximum": 4294967295u32 },
            ],
            "description": "How long: `30s`, `5m`, `2h`, `3d`, or a whole number of seconds.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("2h", 7200), ("3d", 259_200), ("45", 45), ("0s", 0)] {
            assert_eq!(Duration::parse(text), Some(Duration(seconds)), "{text}");
        }
        for text in ["", "s", "3 d", "-3d", "+3d", "1.5h", "3w", "99999999999d", "5000000000", "3d2h", "３d"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_in_the_largest_unit_that_goes_into_it() {
        for (seconds, text) in [(0, "0s"), (90, "90s"), (120, "2m"), (86_400, "1d"), (90_000, "25h")] {
            assert_eq!(Duration(seconds).to_string(), text);
        }
    }
}
