//! Numbers.

use serde_json::Value;

use super::{super::normalize::FARTHEST, bounded};

/// Numbers nearer than this are equal. What doubles lose in a few operations is far below it, and so is what decimals would make of it.
pub(super) const NEAR: f64 = 1e-9;

/// As far as whole numbers and their halves are exact.
const EXACT: f64 = 4_503_599_627_370_496.0;

pub(super) fn some(n: Option<f64>) -> Value {
    n.map_or(Value::Null, bounded)
}

pub(super) fn arithmetic(a: &Value, b: &Value, operation: impl Fn(f64, f64) -> f64) -> Value {
    some(a.as_f64().zip(b.as_f64()).map(|(a, b)| operation(a, b)))
}

pub(super) fn divide(a: &Value, b: &Value) -> Value {
    some(quotient(a, b).map(|(a, b)| a / b))
}

pub(super) fn modulo(a: &Value, b: &Value) -> Value {
    let parts = quotient(a, b).filter(|(a, b)| (a / b).abs() < FARTHEST);
    some(parts.map(|(a, b)| a - b * floor(a / b)))
}

fn quotient(a: &Value, b: &Value) -> Option<(f64, f64)> {
    a.as_f64().zip(b.as_f64()).filter(|(_, b)| b.abs() >= NEAR)
}

/// The largest whole number that isn't above it, where what is nearly equal to a whole number is that.
pub(super) fn floor(n: f64) -> f64 {
    (n + NEAR).floor()
}

/// Halves go away from zero. What has no digits behind the point left stays as it is.
pub(super) fn round(n: f64, digits: u64) -> f64 {
    let scale =
        [1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0][usize::try_from(digits).unwrap_or(6).min(6)];
    let scaled = n.abs() * scale;
    if scaled >= EXACT {
        return n;
    }
    let rounded = floor(scaled + 0.5) / scale;
    if n < 0.0 { -rounded } else { rounded }
}

/// At most six digits behind the point, and no zeros at their end.
pub(super) fn text(n: f64) -> String {
    let size = n.abs();
    let whole = size.floor();
    let part = ((size - whole) * 1_000_000.0 + 0.5).floor();
    let (whole, part) = if part >= 1_000_000.0 { (whole + 1.0, 0.0) } else { (whole, part) };
    let sign = if n < 0.0 && (whole > 0.0 || part > 0.0) { "-" } else { "" };
    let digits = format!("{part:06}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{digits}")
}

/// The number that a text says: at most 15 digits before the point and 9 behind it.
pub(super) fn parse(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let (whole, part) = match text.strip_prefix('-').unwrap_or(text).split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (text.strip_prefix('-').unwrap_or(text), None),
    };
    let digits =
        |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole, 15) && part.is_none_or(|part| digits(part, 9))).then(|| text.parse().ok()).flatten()
}

/// The numbers of a list; what is blank is left out.
pub(super) fn all(list: &Value) -> Vec<f64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

pub(super) fn sum(list: &[f64]) -> f64 {
    list.iter().fold(0.0, |sum, n| sum + n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_as_text_has_six_digits_behind_the_point_at_most() {
        for (n, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (1_234.5, "1234.5"),
            (-2.000_000_4, "-2"),
            (-0.000_000_4, "0"),
            (0.999_999_9, "1"),
            (1e15, "1000000000000000"),
            (0.000_001, "0.000001"),
        ] {
            assert_eq!(text(n), expected);
        }
    }

    #[test]
    fn halves_go_away_from_zero_whatever_doubles_make_of_them() {
        for (n, digits, expected) in
            [(2.5, 0, 3.0), (-2.5, 0, -3.0), (1.005, 2, 1.01), (2.675, 2, 2.68), (-0.4, 0, 0.0), (1e15, 6, 1e15)]
        {
            assert!((round(n, digits) - expected).abs() < 1e-12, "{n} {digits}");
        }
    }

    #[test]
    fn a_text_is_a_number_only_as_a_whole() {
        for (text, expected) in [
            (" -12.50\n", Some(-12.5)),
            ("007", Some(7.0)),
            ("0", Some(0.0)),
            ("999999999999999.999999999", Some(1e15)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        for text in
            ["", "-", "1.", ".5", "+1", "1e3", "1 2", "- 1", "1,5", "inf", "NaN", "１", "1234567890123456", "--1"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
