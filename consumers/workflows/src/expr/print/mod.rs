//! Expressions are printed as JSONata.
//!
//! What stands in a definition is never pasted: texts become literals, names arguments of functions. All that is more than a literal or a
//! variable is a call of a function of the prelude, which is printed before it.

mod function;
mod prelude;

use function::as_text;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Binary, Call, Expr, Names, Node, Piece, Ref, Template, Unary, pattern::LONGEST_TEXT};
use crate::Type;

impl Expr {
    /// As JSONata, with all that it needs. The value is that of [`Expr::eval`] and never undefined.
    #[must_use]
    pub fn jsonata(&self, names: &dyn Names) -> String {
        let mut printer = Printer::new(names);
        printer.expr(self);
        printer.done()
    }

    /// As JSONata that is `true` or `false`: whether it is true, as of [`Expr::holds`].
    #[must_use]
    pub fn condition(&self, names: &dyn Names) -> String {
        let mut printer = Printer::new(names);
        printer.truth(self);
        printer.done()
    }
}

impl Template {
    /// As JSON for a state machine of which JSONata is the language: what has expressions in it, or would look as if it had, is between
    /// `{%` and `%}`.
    #[must_use]
    pub fn asl(&self, names: &dyn Names) -> Value {
        match self {
            Self::Literal(value) => escaped(value),
            Self::Expr(expr) => between(&expr.jsonata(names)),
            Self::Text(pieces) => {
                let mut printer = Printer::new(names);
                for (index, piece) in pieces.iter().enumerate() {
                    if index > 0 {
                        printer.out.push_str(" & ");
                    }
                    match piece {
                        Piece::Text(text) => printer.out.push_str(&literal(text)),
                        Piece::Expr(expr) => printer.text(expr),
                    }
                }
                between(&printer.done())
            }
            Self::List(items) => items.iter().map(|item| item.asl(names)).collect(),
            Self::Object(all) => {
                Value::Object(all.iter().map(|(name, item)| (name.clone(), item.asl(names))).collect::<Map<_, _>>())
            }
        }
    }
}

fn between(jsonata: &str) -> Value {
    Value::String(format!("{{% {jsonata} %}}"))
}

/// A value as it stands. A text that could be taken for JSONata is JSONata that gives it; so is one of several lines, which a
/// checker of state machines takes for something broken.
fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) if text.contains("{%") || text.contains(['\n', '\r']) => between(&literal(text)),
        Value::Array(items) => items.iter().map(escaped).collect(),
        Value::Object(names) => {
            names.iter().map(|(name, item)| (name.clone(), escaped(item))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// A text in JSONata. `%` is escaped, so that it can't end what stands between `{%` and `%}`.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Writing to a text can't fail.
            _ if c.is_control() || matches!(c, '%' | '\u{2028}' | '\u{2029}' | '\u{FEFF}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

struct Printer<'a> {
    names: &'a dyn Names,
    out: String,
    patterns: Vec<String>,
}

impl<'a> Printer<'a> {
    fn new(names: &'a dyn Names) -> Self {
        Self { names, out: String::new(), patterns: Vec::new() }
    }

    fn done(self) -> String {
        let mut prelude = prelude::needed(&self.out);
        for (index, pattern) in self.patterns.iter().enumerate() {
            // The character behind the text is there since `$` also matches before a last line break, for some.
            let _ = write!(
                prelude,
                "$x_m{index} := function($t) {{ $t = null ? null : $length($t) > {LONGEST_TEXT} ? false : \
                 $contains($t & \"~\", /^(?:{pattern})~$/) }}; "
            );
        }
        if prelude.is_empty() { self.out } else { format!("({prelude}{})", self.out) }
    }

    fn call(&mut self, function: &str, args: &[&Expr]) {
        self.open(function);
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.expr(arg);
        }
        self.out.push(')');
    }

    fn open(&mut self, function: &str) {
        self.out.push_str("$x_");
        self.out.push_str(function);
        self.out.push('(');
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.node {
            Node::Literal(value) => self.value(value),
            Node::List(items) => {
                self.out.push('[');
                self.separated(items, ", ", Self::expr);
                self.out.push(']');
            }
            Node::Ref(name) => self.name(name),
            Node::Unary(Unary::Negate, of) => self.call("neg", &[of]),
            Node::Binary(operator, a, b) => self.binary(*operator, a, b),
            Node::Call(call, args) => self.function(*call, args),
        }
    }

    fn separated(&mut self, items: &[Expr], separator: &str, mut print: impl FnMut(&mut Self, &Expr)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push_str(separator);
            }
            print(self, item);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.out.push_str(&literal(text)),
            // Never with an exponent; what is below 0 is a call.
            Value::Number(n) => drop(write!(self.out, "{}", n.as_f64().unwrap_or(0.0))),
            other => drop(write!(self.out, "{other}")),
        }
    }

    fn name(&mut self, name: &Ref) {
        let list = name.each.unwrap_or(name.path.len());
        let moment = name.is_moment();
        if moment {
            self.open("moment");
        }
        for index in (0..name.path.len()).rev() {
            self.open(if index < list { "get" } else { "each" });
        }
        let root = self.names.jsonata(&name.root);
        self.out.push_str(&root);
        for part in &name.path {
            self.out.push_str(", ");
            self.out.push_str(&literal(part));
            self.out.push(')');
        }
        if moment {
            self.out.push(')');
        }
    }

    fn binary(&mut self, operator: Binary, a: &Expr, b: &Expr) {
        let number = a.ty == Type::Number;
        match operator {
            Binary::Add => self.call("add", &[a, b]),
            Binary::Subtract => self.call("sub", &[a, b]),
            Binary::Multiply => self.call("mul", &[a, b]),
            Binary::Divide => self.call("div", &[a, b]),
            Binary::Concat => {
                self.open("cat");
                self.text(a);
                self.out.push_str(", ");
                self.text(b);
                self.out.push(')');
            }
            Binary::Equal => self.equal(a, b),
            Binary::NotEqual => {
                self.out.push_str("$not(");
                self.equal(a, b);
                self.out.push(')');
            }
            Binary::Less => self.call(if number { "lt" } else { "before" }, &[a, b]),
            Binary::Greater => self.call(if number { "lt" } else { "before" }, &[b, a]),
            Binary::LessOrEqual => self.call(if number { "le" } else { "upto" }, &[a, b]),
            Binary::GreaterOrEqual => self.call(if number { "le" } else { "upto" }, &[b, a]),
        }
    }

    fn equal(&mut self, a: &Expr, b: &Expr) {
        if a.ty == Type::Number {
            return self.call("eq", &[a, b]);
        }
        self.out.push('(');
        self.expr(a);
        self.out.push_str(" = ");
        self.expr(b);
        self.out.push(')');
    }

    /// Its value as text, never `null`.
    fn text(&mut self, expr: &Expr) {
        if let Node::Literal(Value::String(_)) = expr.node {
            return self.expr(expr);
        }
        self.call(as_text(&expr.ty), &[expr]);
    }

    /// Its value as `true` or `false`.
    fn truth(&mut self, expr: &Expr) {
        let never_blank = match &expr.node {
            Node::Literal(value) => value.is_boolean(),
            Node::Binary(..) => true,
            Node::Call(call, _) => matches!(call, Call::And | Call::Or | Call::Not | Call::IsBlank | Call::Includes),
            _ => false,
        };
        if never_blank {
            return self.expr(expr);
        }
        self.out.push('(');
        self.expr(expr);
        self.out.push_str(" = true)");
    }
}
