//! Expressions are evaluated.
//!
//! Whatever the values are, there is a result: what can't be computed is `null`. `print/prelude.jsonata` says the same for JSONata, step by
//! step; a test holds both together.

mod calendar;
mod call;
mod list;
mod number;
mod text;

use serde_json::{Map, Value};

use super::{Binary, Env, Expr, Node, Piece, Ref, Root, Template, Unary, moment, normalize};
use crate::Type;

impl Expr {
    /// Its value. It always has one; `null` is what can't be computed.
    #[must_use]
    pub fn eval(&self, env: &dyn Env) -> Value {
        if !env.may_go_on(0) {
            return Value::Null;
        }
        let value = match &self.node {
            Node::Literal(value) => value.clone(),
            Node::List(items) => items.iter().map(|item| item.eval(env)).collect(),
            Node::Ref(name) => name.eval(env),
            Node::Unary(Unary::Negate, of) => number::some(of.eval(env).as_f64().map(|n| -n)),
            Node::Binary(operator, a, b) => binary(*operator, a, b, env),
            Node::Call(call, args) => call::call(*call, args, env),
        };
        if env.may_go_on(size(&value)) { value } else { Value::Null }
    }

    /// Whether it is true: `null` isn't.
    #[must_use]
    pub fn holds(&self, env: &dyn Env) -> bool {
        self.eval(env) == Value::Bool(true)
    }
}

impl Template {
    /// The JSON with the values of its expressions.
    #[must_use]
    pub fn eval(&self, env: &dyn Env) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Expr(expr) => expr.eval(env),
            Self::Text(pieces) => {
                let pieces = pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Expr(expr) => text::text(&expr.eval(env)),
                });
                Value::String(pieces.collect())
            }
            Self::List(items) => items.iter().map(|item| item.eval(env)).collect(),
            Self::Object(names) => {
                Value::Object(names.iter().map(|(name, item)| (name.clone(), item.eval(env))).collect::<Map<_, _>>())
            }
        }
    }
}

impl Ref {
    fn eval(&self, env: &dyn Env) -> Value {
        let value = env.value(&self.root);
        if self.is_moment() {
            let moment = into(&value, &self.path).and_then(Value::as_str).and_then(moment::datetime);
            return moment.map_or(Value::Null, Value::String);
        }
        let copied = |found: Option<&Value>| found.cloned().unwrap_or_default();
        match self.each {
            None => copied(into(&value, &self.path)),
            Some(each) => match into(&value, &self.path[..each]) {
                Some(Value::Array(items)) => items.iter().map(|item| copied(into(item, &self.path[each..]))).collect(),
                _ => Value::Null,
            },
        }
    }

    /// Whether it is a time that the host gives, which may be written with any number of digits behind the second.
    pub(super) fn is_moment(&self) -> bool {
        match self.root {
            Root::Now => true,
            Root::Run => self.path == ["started"],
            _ => false,
        }
    }
}

fn into<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name.as_str()))
}

/// About how many bytes of memory a value takes.
fn size(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(names) => names.iter().map(|(name, value)| size_of::<String>() + name.len() + size(value)).sum(),
    };
    size_of::<Value>() + inside
}

fn binary(operator: Binary, a: &Expr, b: &Expr, env: &dyn Env) -> Value {
    let ty = &a.ty;
    let (a, b) = (a.eval(env), b.eval(env));
    match operator {
        Binary::Add => number::arithmetic(&a, &b, |a, b| a + b),
        Binary::Subtract => number::arithmetic(&a, &b, |a, b| a - b),
        Binary::Multiply => number::arithmetic(&a, &b, |a, b| a * b),
        Binary::Divide => number::divide(&a, &b),
        Binary::Concat => text::concat(&a, &b),
        Binary::Equal => Value::Bool(equal(&a, &b)),
        Binary::NotEqual => Value::Bool(!equal(&a, &b)),
        Binary::Less => Value::Bool(less(ty, &a, &b)),
        Binary::Greater => Value::Bool(less(ty, &b, &a)),
        Binary::LessOrEqual => Value::Bool(less_or_equal(ty, &a, &b)),
        Binary::GreaterOrEqual => Value::Bool(less_or_equal(ty, &b, &a)),
    }
}

/// Numbers are equal when they are as near as what computing with them makes of equal ones.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < number::NEAR,
        _ => a == b,
    }
}

fn less(ty: &Type, a: &Value, b: &Value) -> bool {
    match ty {
        Type::Number => matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if b - a >= number::NEAR),
        _ => matches!((a.as_str(), b.as_str()), (Some(a), Some(b)) if a < b),
    }
}

fn less_or_equal(ty: &Type, a: &Value, b: &Value) -> bool {
    match ty {
        Type::Number => matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if a - b < number::NEAR),
        _ => matches!((a.as_str(), b.as_str()), (Some(a), Some(b)) if a <= b),
    }
}

/// A number in its one way of being written; out of range it is `null`.
fn bounded(n: f64) -> Value {
    if n.abs() <= normalize::FARTHEST { normalize::number(n) } else { Value::Null }
}
