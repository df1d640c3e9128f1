//! Functions are printed.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    super::{Call, Expr, Node, pattern::Pattern},
    Printer,
};
use crate::Type;

impl Printer<'_> {
    pub(super) fn function(&mut self, call: Call, args: &[Expr]) {
        let all: Vec<&Expr> = args.iter().collect();
        match (call, args) {
            (Call::And | Call::Or, _) => {
                self.out.push('(');
                self.separated(args, if call == Call::And { " and " } else { " or " }, Self::truth);
                self.out.push(')');
            }
            (Call::Not, [of]) => {
                self.out.push_str("$not(");
                self.truth(of);
                self.out.push(')');
            }
            (Call::If, [condition, value, otherwise]) => {
                self.out.push('(');
                self.truth(condition);
                self.out.push_str(" ? ");
                self.expr(value);
                self.out.push_str(" : ");
                self.expr(otherwise);
                self.out.push(')');
            }
            (Call::IsBlank, [of]) => {
                self.out.push('(');
                self.expr(of);
                self.out.push_str(" = null)");
            }
            (Call::Coalesce, [values @ .., last]) => {
                for value in values {
                    self.open("or");
                    self.expr(value);
                    self.out.push_str(", ");
                }
                self.expr(last);
                self.out.extend(values.iter().map(|_| ')'));
            }
            (Call::Text, [of]) => self.text(of),
            (Call::Join, [list, separator]) => {
                self.open("join");
                self.expr(list);
                self.out.push_str(", ");
                self.expr(separator);
                let of = as_text(if let Type::List(item) = &list.ty { item } else { &list.ty });
                // Writing to a text can't fail.
                let _ = write!(self.out, ", $x_{of})");
            }
            (Call::Matches, [text, pattern]) => {
                let function = format!("m{}", self.pattern(pattern));
                self.call(&function, &[text]);
            }
            (Call::Round, [number, Expr { node: Node::Literal(digits), .. }]) => {
                self.open("round");
                self.expr(number);
                let zeros = usize::try_from(digits.as_u64().unwrap_or(0)).unwrap_or(0);
                // Writing to a text can't fail.
                let _ = write!(self.out, ", 1{:0<zeros$})", "");
            }
            (Call::DateAdd, [date, n, Expr { node: Node::Literal(unit), .. }]) => {
                let (function, factor) = match unit.as_str().unwrap_or_default() {
                    "days" => ("adddays", 1),
                    "weeks" => ("adddays", 7),
                    "months" => ("addmonths", 1),
                    "years" => ("addmonths", 12),
                    "hours" => ("addminutes", 60),
                    _ => ("addminutes", 1),
                };
                self.open(function);
                self.expr(date);
                self.out.push_str(", ");
                self.expr(n);
                // Writing to a text can't fail.
                let _ = write!(self.out, ", {factor})");
            }
            (Call::Includes, [_, value]) => self.call(if value.ty == Type::Number { "hasn" } else { "has" }, &all),
            _ => self.call(helper(call), &all),
        }
    }

    /// The number of a pattern in the prelude.
    fn pattern(&mut self, pattern: &Expr) -> usize {
        let written = match &pattern.node {
            Node::Literal(Value::String(text)) => {
                Pattern::read(text).map(|pattern| pattern.written()).unwrap_or_default()
            }
            _ => String::new(),
        };
        self.patterns.iter().position(|known| *known == written).unwrap_or_else(|| {
            self.patterns.push(written);
            self.patterns.len() - 1
        })
    }
}

/// What makes a text of a value of this type.
pub(super) fn as_text(ty: &Type) -> &'static str {
    match ty {
        Type::Number => "num",
        Type::Boolean => "bool",
        _ => "str",
    }
}

/// The function of the prelude that takes what the function takes.
pub(super) fn helper(call: Call) -> &'static str {
    match call {
        Call::Upper => "upper",
        Call::Lower => "lower",
        Call::Trim => "trim",
        Call::Len => "len",
        Call::Left => "left",
        Call::Right => "right",
        Call::Mid => "mid",
        Call::Contains => "contains",
        Call::StartsWith => "starts",
        Call::EndsWith => "ends",
        Call::Replace => "replace",
        Call::Split => "split",
        Call::Value => "value",
        Call::Abs => "abs",
        Call::Floor => "floor",
        Call::Ceiling => "ceiling",
        Call::Mod => "mod",
        Call::Min => "min",
        Call::Max => "max",
        Call::Sum => "sum",
        Call::Average => "average",
        Call::Count => "count",
        Call::First => "first",
        Call::Last => "last",
        Call::At => "at",
        Call::Date => "date",
        Call::Year => "year",
        Call::Month => "month",
        Call::Day => "day",
        Call::Weekday => "weekday",
        Call::DaysBetween => "between",
        Call::DateOf => "dateof",
        // These are printed in other ways, each by its own arm of `Printer::function`.
        Call::And
        | Call::Or
        | Call::Not
        | Call::If
        | Call::IsBlank
        | Call::Coalesce
        | Call::Text
        | Call::Join
        | Call::Matches
        | Call::Round
        | Call::DateAdd
        | Call::Includes => "str",
    }
}
