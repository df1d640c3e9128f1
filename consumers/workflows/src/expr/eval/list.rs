//! Lists. Where there is none it counts as an empty one.

use serde_json::Value;

use super::{equal, number};

pub(super) fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

pub(super) fn at(list: &Value, index: Option<usize>) -> Value {
    index.and_then(|index| list.get(index)).cloned().unwrap_or(Value::Null)
}

/// Where the n-th item stands, counted from 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is whole and at least 1; no list has more items than a usize"
)]
pub(super) fn index(n: &Value) -> Option<usize> {
    let n = number::floor(n.as_f64()?);
    (n >= 1.0).then(|| n as usize - 1)
}

pub(super) fn includes(list: &Value, value: &Value) -> bool {
    list.as_array().is_some_and(|items| items.iter().any(|item| equal(item, value)))
}
