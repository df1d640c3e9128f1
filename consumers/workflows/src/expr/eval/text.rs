//! Texts. Characters are Unicode code points.

use regex_lite::Regex;
use serde_json::Value;

use super::{
    super::pattern::{LONGEST_TEXT, Pattern},
    number,
};

/// How many characters a text may have that is made of others. A longer one is `null`, or few replacements would make one of any size.
const LONGEST: usize = 100_000;

/// A value as text, as it is put into texts.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(n) => n.as_f64().map(number::text).unwrap_or_default(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

pub(super) fn length(text: &str) -> usize {
    text.chars().count()
}

pub(super) fn concat(a: &Value, b: &Value) -> Value {
    let (a, b) = (text(a), text(b));
    if length(&a) + length(&b) > LONGEST { Value::Null } else { Value::String(a + &b) }
}

/// Without white space around it, and with one space for each row of it.
pub(super) fn trim(text: &str) -> String {
    let words: Vec<&str> = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The whole part of a number as a number of characters; what is below 0 is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest number that there is"
)]
pub(super) fn characters(n: f64) -> usize {
    number::floor(n) as usize
}

pub(super) fn left(text: &str, n: usize) -> String {
    text.chars().take(n).collect()
}

pub(super) fn right(text: &str, n: usize) -> String {
    text.chars().skip(length(text).saturating_sub(n)).collect()
}

pub(super) fn mid(text: &str, start: usize, n: usize) -> String {
    text.chars().skip(start.saturating_sub(1)).take(n).collect()
}

pub(super) fn replace(text: &str, part: &str, with: &str) -> Value {
    if part.is_empty() {
        return Value::from(text);
    }
    let times = text.matches(part).count();
    let rest = length(text) - times * length(part);
    if rest.saturating_add(times.saturating_mul(length(with))) > LONGEST {
        return Value::Null;
    }
    Value::String(text.replace(part, with))
}

pub(super) fn split(text: &str, separator: &str) -> Value {
    if separator.is_empty() {
        return Value::Array(vec![Value::from(text)]);
    }
    text.split(separator).map(Value::from).collect()
}

pub(super) fn join(list: &Value, separator: &str) -> Value {
    let texts: Vec<String> = list.as_array().into_iter().flatten().map(text).collect();
    let between = texts.len().saturating_sub(1).saturating_mul(length(separator));
    let inside: usize = texts.iter().map(|text| length(text)).sum();
    if inside.saturating_add(between) > LONGEST { Value::Null } else { Value::String(texts.join(separator)) }
}

/// Whether the whole text is of the pattern. The checker has read it before, so one that can't be read is none.
pub(super) fn matches(text: &str, pattern: &str) -> bool {
    if length(text) > LONGEST_TEXT {
        return false;
    }
    let pattern =
        Pattern::read(pattern).ok().and_then(|pattern| Regex::new(&format!("^(?:{})$", pattern.written())).ok());
    pattern.is_some_and(|pattern| pattern.is_match(text))
}
