//! JSON, read so that nothing is silently changed: a number that wouldn't be kept as it is sent, and a name that stands twice in an
//! object, are flaws.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};

use super::{fields, problem::Flaw};

/// More flaws than anybody mends at once aren't told.
const MOST_FLAWS: usize = 100;

const CHANGED: &str =
    "is a number that would not be kept as it is: send it as text, or with no more digits than a 64-bit number holds";
const REPEATED: &str = "stands more than once in its object: send it once";

/// The value, and everything in it that isn't what was sent.
pub(super) fn read(body: &[u8]) -> serde_json::Result<(Value, Vec<Flaw>)> {
    let mut findings = Findings { changed: changed_numbers(body), numbers: 0, flaws: Vec::new() };
    let mut text = serde_json::Deserializer::from_slice(body);
    let value = Reader(&mut findings).deserialize(&mut text)?;
    text.end()?;
    let flaws = findings.flaws.into_iter().map(|found| {
        let path: Vec<_> = found.path.iter().rev().map(String::as_str).collect();
        Flaw { pointer: Some(fields::join("#", &path)), parameter: None, detail: found.detail.to_owned() }
    });
    Ok((value, flaws.collect()))
}

/// The bytes that don't stand in strings, and where they stand.
pub(super) fn outside_strings(body: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let (mut in_string, mut escaped) = (false, false);
    body.iter().copied().enumerate().filter(move |(_, byte)| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => return !in_string,
        }
        false
    })
}

/// Which of the numbers, counted from 0, would be changed.
fn changed_numbers(body: &[u8]) -> Vec<usize> {
    let (mut changed, mut numbers, mut end) = (Vec::new(), 0, 0);
    for (start, byte) in outside_strings(body) {
        if start < end || !(byte == b'-' || byte.is_ascii_digit()) {
            continue;
        }
        let digits =
            body[start..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        end = start + digits.count();
        if !str::from_utf8(&body[start..end]).is_ok_and(is_kept) {
            changed.push(numbers);
        }
        numbers += 1;
    }
    changed
}

/// Whether a number comes out as it went in: as an integer of 64 bits, or as a floating-point number of the same digits.
fn is_kept(number: &str) -> bool {
    if !number.contains(['.', 'e', 'E']) {
        return number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
    }
    number.parse::<f64>().is_ok_and(|float| significant(&format!("{float:e}")) == significant(number))
}

/// The digits of a number without zeros around them, and the power of ten that the last one stands for.
fn significant(number: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole.trim_start_matches('-'), fraction].concat();
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some((String::new(), 0));
    }
    let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let power = exponent.parse::<i64>().ok()?.checked_add(dropped - places)?;
    Some((kept.trim_start_matches('0').to_owned(), power))
}

struct Findings {
    /// The numbers that would be changed, by their place among all numbers, ascending.
    changed: Vec<usize>,
    /// How many numbers were read.
    numbers: usize,
    flaws: Vec<Found>,
}

struct Found {
    /// From the inside to the outside.
    path: Vec<String>,
    detail: &'static str,
}

impl Findings {
    fn blame(&mut self, path: Vec<String>, detail: &'static str) {
        if self.flaws.len() < MOST_FLAWS {
            self.flaws.push(Found { path, detail });
        }
    }

    /// Numbers come in the order in which they stand.
    fn count_number(&mut self) {
        if self.changed.binary_search(&self.numbers).is_ok() {
            self.blame(Vec::new(), CHANGED);
        }
        self.numbers += 1;
    }

    /// What was found since there were `before` flaws stands below this name.
    fn below(&mut self, before: usize, name: impl Fn() -> String) {
        for found in &mut self.flaws[before..] {
            found.path.push(name());
        }
    }
}

/// Reads one value.
struct Reader<'f>(&'f mut Findings);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Value, D::Error> {
        text.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.0.count_number();
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.0.count_number();
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.0.count_number();
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            let before = self.0.flaws.len();
            let Some(value) = values.next_element_seed(Reader(self.0))? else { return Ok(array.into()) };
            self.0.below(before, || array.len().to_string());
            array.push(value);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let before = self.0.flaws.len();
            let value = fields.next_value_seed(Reader(self.0))?;
            self.0.below(before, || name.clone());
            match object.entry(name) {
                Entry::Vacant(free) => {
                    free.insert(value);
                }
                Entry::Occupied(taken) => self.0.blame(vec![taken.key().clone()], REPEATED),
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pointers(body: &str) -> Vec<String> {
        let (_, flaws) = read(body.as_bytes()).unwrap();
        flaws.into_iter().filter_map(|flaw| flaw.pointer).collect()
    }

    #[test]
    fn numbers_that_are_kept_are_no_flaws() {
        for number in [
            "0",
            "-0",
            "-0.0",
            "0e7",
            "1",
            "-9223372036854775808",
            "18446744073709551615",
            "0.1",
            "12.50",
            "1e3",
            "1E+3",
            "120e-1",
            "123456789012345.67",
            "1.7976931348623157e308",
            "5e-324",
            "9007199254740993",
            "100.0",
            "0.000001",
        ] {
            assert_eq!(pointers(number), Vec::<String>::new(), "{number}");
        }
    }

    #[test]
    fn numbers_that_would_be_changed_are_flaws() {
        for number in [
            "18446744073709551616",
            "-9223372036854775809",
            "98765432109876543210",
            "100000000000000000000",
            "0.12345678901234567890",
            "9007199254740993.0",
            "1234567890123456.78",
            "1e-400",
            "1.00000000000000000001",
            "1e-99999999999999999999",
        ] {
            assert_eq!(pointers(number), ["#"], "{number}");
        }
    }

    #[test]
    fn flaws_are_told_where_they_stand() {
        let body = r#"{ "a": 1, "b/c": [true, 1.5, { "d": 98765432109876543210, "e": "1e-400 \" 1e-400" }], "a": [1e-400, 2], "f": 1e-400 }"#;
        assert_eq!(pointers(body), ["#/b~1c/2/d", "#/a/0", "#/a", "#/f"]);
    }

    #[test]
    fn names_are_compared_as_they_are_read() {
        assert_eq!(pointers(r#"{ "a": 1, "\u0061": 1 }"#), ["#/a"]);
        assert_eq!(pointers(r#"{ "a": { "b": 1 }, "b": { "a": 1 } }"#), Vec::<String>::new());
    }

    #[test]
    fn flaws_without_end_are_not_all_told() {
        let body = format!("[{}1]", "1e-400,".repeat(1000));
        assert_eq!(pointers(&body).len(), MOST_FLAWS);
    }

    #[test]
    fn names_of_serde_json_are_names() {
        let (value, _) = read(br#"{ "$serde_json::private::RawValue": "1" }"#).unwrap();
        assert!(value.is_object());
    }

    proptest! {
        #[test]
        fn floats_in_their_shortest_form_are_kept(float in any::<f64>()) {
            let text = Value::from(float).to_string();
            let (value, flaws) = read(text.as_bytes()).unwrap();
            prop_assert_eq!(value.to_string(), text);
            prop_assert!(flaws.is_empty());
        }

        #[test]
        fn what_is_read_is_what_serde_json_reads(body in "[0-9a\\[\\]{}\":, .e-]{0,12}") {
            let ours = read(body.as_bytes()).map(|(value, _)| value).map_err(|error| error.to_string());
            let theirs = serde_json::from_str::<Value>(&body).map_err(|error| error.to_string());
            if ours.as_ref().ok().is_none_or(|value| !value.is_object()) {
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
