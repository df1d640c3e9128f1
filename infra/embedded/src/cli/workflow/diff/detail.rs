//! What of a value has changed, and how that is told.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Something about a difference. For programs it is told in full.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Where it stands.
    Place(String),
    /// A value, one of a list or an object perhaps, that was another, or is new, or is gone.
    Change { at: String, was: Option<Value>, now: Option<Value> },
}

/// The most characters of a value that people read on a line.
const MOST: usize = 80;
/// As many of them stand before what is different.
const BEFORE: usize = 30;

impl Detail {
    /// With values that are cut where they are long, but not where they differ.
    pub(super) fn in_short(&self) -> String {
        self.told(|was, now| match (was, now) {
            (Some(was), Some(now)) => {
                let from = first_difference(&was, &now).saturating_sub(BEFORE);
                let from = if was.chars().count().max(now.chars().count()) > MOST { from } else { 0 };
                (Some(cut(&was, from)), Some(cut(&now, from)))
            }
            (was, now) => (was.map(|was| cut(&was, 0)), now.map(|now| cut(&now, 0))),
        })
    }

    fn told(&self, cut: impl Fn(Option<String>, Option<String>) -> (Option<String>, Option<String>)) -> String {
        let (at, was, now) = match self {
            Self::Place(place) => return place.clone(),
            Self::Change { at, was, now } => (at, was, now),
        };
        let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let what = match cut(text(was), text(now)) {
            (Some(was), Some(now)) => format!("{was} → {now}"),
            (Some(was), None) => format!("was {was}"),
            (None, now) => format!("now {}", now.unwrap_or_default()),
        };
        if at.is_empty() { what } else { format!("{at}: {what}") }
    }
}

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.told(|was, now| (was, now)))
    }
}

/// How many characters both begin with.
fn first_difference(was: &str, now: &str) -> usize {
    was.chars().zip(now.chars()).take_while(|(was, now)| was == now).count()
}

/// What stands from this character on, not too much of it.
fn cut(text: &str, from: usize) -> String {
    let mut rest = text.chars().skip(from);
    let mut cut = if from > 0 { "…".to_owned() } else { String::new() };
    cut.extend(rest.by_ref().take(MOST));
    if rest.next().is_some() {
        cut.push('…');
    }
    cut
}

/// What of a value has changed, at the deepest places. Lists are told item by item, between those that are the same at the
/// beginning and at the end of both.
pub(super) fn changes(was: Option<&Value>, now: Option<&Value>, at: &str) -> Vec<Detail> {
    match (was, now) {
        _ if was == now => Vec::new(),
        (Some(Value::Object(was)), Some(Value::Object(now))) => named(was, now, at),
        (Some(Value::Array(was)), Some(Value::Array(now))) => {
            let same = |(was, now): &(&Value, &Value)| was == now;
            let first = was.iter().zip(now).take_while(same).count();
            let last = was[first..].iter().rev().zip(now[first..].iter().rev()).take_while(same).count();
            let (was, now) = (&was[..was.len() - last], &now[..now.len() - last]);
            let items = first..was.len().max(now.len());
            items.flat_map(|n| changes(was.get(n), now.get(n), &format!("{at}[{n}]"))).collect()
        }
        _ => vec![Detail::Change { at: at.to_owned(), was: was.cloned(), now: now.cloned() }],
    }
}

/// The same of what stands under names.
pub(super) fn named(was: &Map<String, Value>, now: &Map<String, Value>, at: &str) -> Vec<Detail> {
    let names: BTreeSet<&String> = was.keys().chain(now.keys()).collect();
    let within = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    names.into_iter().flat_map(|name| changes(was.get(name), now.get(name), &within(name))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(was: &Value, now: &Value) -> Vec<String> {
        changes(Some(was), Some(now), "x").iter().map(Detail::in_short).collect()
    }

    #[test]
    fn a_long_value_is_cut_where_both_are_the_same() {
        let text = |middle: &str| json!(format!("{}{middle}{}", "ä".repeat(100), "z".repeat(100)));
        let side = |middle: &str| format!("…{}{middle}{}…", "ä".repeat(30), "z".repeat(50 - middle.len()));
        assert_eq!(told(&text("111"), &text("222")), [format!("x: {} → {}", side("111"), side("222"))]);
        let (short, long) = (json!("ab"), json!("ab".repeat(100)));
        assert_eq!(told(&short, &long), [format!(r#"x: "ab" → "{}a…"#, "ab".repeat(39))]);
        assert_eq!(told(&json!("same, but one"), &json!("same, but two")), [r#"x: "same, but one" → "same, but two""#]);
    }

    #[test]
    fn lists_are_told_item_by_item() {
        let told = |was: Value, now: Value| told(&was, &now);
        assert_eq!(told(json!([1, { "a": 2, "b": 3 }]), json!([1, { "a": 2, "b": 4 }])), ["x[1].b: 3 → 4"]);
        assert_eq!(told(json!([1, 2, 3]), json!([1, 3])), ["x[1]: was 2"]);
        assert_eq!(told(json!([1, 3]), json!([1, 2, 3])), ["x[1]: now 2"]);
        assert_eq!(told(json!([1, 2, 3]), json!([4, 5, 3])), ["x[0]: 1 → 4", "x[1]: 2 → 5"]);
        assert_eq!(
            told(json!({ "a": 1, "b": null }), json!({ "c": 1 })),
            ["x.a: was 1", "x.b: was null", "x.c: now 1"]
        );
    }
}
