//! Functions.

use serde_json::Value;

use super::{
    super::{Call, Env, Expr},
    bounded, calendar, list, number, text,
};

pub(super) fn call(call: Call, args: &[Expr], env: &dyn Env) -> Value {
    match call {
        Call::And => return Value::Bool(args.iter().all(|arg| arg.holds(env))),
        Call::Or => return Value::Bool(args.iter().any(|arg| arg.holds(env))),
        Call::If => {
            let [condition, value, otherwise] = args else { return Value::Null };
            return if condition.holds(env) { value.eval(env) } else { otherwise.eval(env) };
        }
        Call::Coalesce => {
            let values = args.iter().map(|arg| arg.eval(env));
            return values.into_iter().find(|value| !value.is_null()).unwrap_or(Value::Null);
        }
        _ => {}
    }
    let values: Vec<Value> = args.iter().map(|arg| arg.eval(env)).collect();
    match values.as_slice() {
        [a] => one(call, a),
        [a, b] => two(call, a, b),
        [a, b, c] => three(call, a, b, c),
        _ => Value::Null,
    }
}

fn one(call: Call, a: &Value) -> Value {
    let number = |of: fn(f64) -> f64| number::some(a.as_f64().map(of));
    let text = |of: fn(&str) -> String| some(a.as_str().map(of));
    let part = |of: fn((i64, i64, i64)) -> i64| some(a.as_str().and_then(calendar::parts).map(of));
    match call {
        Call::Not => Value::Bool(*a != Value::Bool(true)),
        Call::IsBlank => Value::Bool(a.is_null()),
        Call::Upper => text(str::to_uppercase),
        Call::Lower => text(str::to_lowercase),
        Call::Trim => text(text::trim),
        Call::Len => some(a.as_str().map(text::length)),
        Call::Text => Value::String(text::text(a)),
        Call::Value => number::some(a.as_str().and_then(number::parse)),
        Call::Abs => number(f64::abs),
        Call::Floor => number(number::floor),
        Call::Ceiling => number(|n| -number::floor(-n)),
        Call::Min => number::some(number::all(a).into_iter().reduce(f64::min)),
        Call::Max => number::some(number::all(a).into_iter().reduce(f64::max)),
        Call::Sum => bounded(number::sum(&number::all(a))),
        Call::Average => average(&number::all(a)),
        Call::Count => Value::from(list::count(a)),
        Call::First => list::at(a, Some(0)),
        Call::Last => list::at(a, list::count(a).checked_sub(1)),
        Call::Year => part(|(year, _, _)| year),
        Call::Month => part(|(_, month, _)| month),
        Call::Day => part(|(_, _, day)| day),
        Call::Weekday => some(a.as_str().and_then(calendar::weekday)),
        Call::DateOf => some(a.as_str().and_then(|moment| moment.get(..10))),
        _ => Value::Null,
    }
}

fn two(call: Call, a: &Value, b: &Value) -> Value {
    let texts = a.as_str().zip(b.as_str());
    let start = a.as_str().zip(b.as_f64().map(text::characters));
    match call {
        Call::Left => some(start.map(|(text, n)| text::left(text, n))),
        Call::Right => some(start.map(|(text, n)| text::right(text, n))),
        Call::Contains => some(texts.map(|(text, part)| text.contains(part))),
        Call::StartsWith => some(texts.map(|(text, part)| text.starts_with(part))),
        Call::EndsWith => some(texts.map(|(text, part)| text.ends_with(part))),
        Call::Split => some(a.as_str().map(|text| text::split(text, b.as_str().unwrap_or_default()))),
        Call::Join => text::join(a, b.as_str().unwrap_or_default()),
        Call::Matches => some(texts.map(|(text, pattern)| text::matches(text, pattern))),
        Call::Round => number::some(a.as_f64().map(|n| number::round(n, b.as_u64().unwrap_or(0)))),
        Call::Mod => number::modulo(a, b),
        Call::At => list::at(a, list::index(b)),
        Call::Includes => Value::Bool(list::includes(a, b)),
        Call::DaysBetween => some(texts.and_then(|(from, to)| calendar::between(from, to))),
        _ => Value::Null,
    }
}

fn three(call: Call, a: &Value, b: &Value, c: &Value) -> Value {
    match (call, a, b, c) {
        (Call::Replace, Value::String(text), Value::String(part), Value::String(with)) => {
            text::replace(text, part, with)
        }
        (Call::Mid, Value::String(text), Value::Number(_), Value::Number(_)) => {
            let (start, n) = (b.as_f64().map(text::characters), c.as_f64().map(text::characters));
            some(start.zip(n).map(|(start, n)| text::mid(text, start, n)))
        }
        (Call::Date, ..) => {
            let parts = a.as_f64().zip(b.as_f64()).zip(c.as_f64());
            some(parts.and_then(|((year, month), day)| calendar::date(year, month, day)))
        }
        (Call::DateAdd, Value::String(text), Value::Number(n), Value::String(unit)) => {
            some(n.as_f64().and_then(|n| calendar::add(text, n, unit)))
        }
        _ => Value::Null,
    }
}

fn some(value: Option<impl Into<Value>>) -> Value {
    value.map_or(Value::Null, Into::into)
}

fn average(numbers: &[f64]) -> Value {
    let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    if count == 0 { Value::Null } else { bounded(number::sum(numbers) / f64::from(count)) }
}
