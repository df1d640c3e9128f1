//! The arguments of a function are checked.

use serde_json::Value;

use super::{
    Call, Expr, Node,
    check::{Checker, scalar},
    function::Function,
    normalize::article,
    pattern,
    signature::{Gives, Signature, Takes, signature},
};
use crate::{Span, Type};

/// What DATEADD counts in. The last two are for moments only.
pub(super) const UNITS: [&str; 6] = ["days", "weeks", "months", "years", "hours", "minutes"];

impl Checker<'_> {
    pub(super) fn arguments(
        &mut self,
        function: &Function,
        call: Call,
        mut args: Vec<Expr>,
        span: Span,
    ) -> Option<Expr> {
        let Signature { takes, optional, more, gives } = signature(call);
        if takes == [Takes::Numbers] && !matches!(args.as_slice(), [Expr { ty: Type::List(_), .. }]) && !args.is_empty()
        {
            args = vec![self.numbers(function, args, span)?];
        }
        if args.len() < takes.len() - optional || (args.len() > takes.len() && !more) {
            return self.wrong_count(function, args.len(), span);
        }
        while args.len() < takes.len() {
            args.push(default(call, span));
        }
        let taken = |index: usize| takes[index.min(takes.len() - 1)];
        let mut same = Vec::new();
        let mut checked = Vec::new();
        for (index, arg) in args.into_iter().enumerate() {
            if taken(index) == Takes::Same {
                same.push(arg.clone());
            }
            let before: Option<&Expr> = checked.iter().flatten().next();
            let fitted = self.fit(function, taken(index), arg, before.map(|first| first.ty.clone()).as_ref());
            checked.push(fitted);
        }
        let mut args: Vec<Expr> = checked.into_iter().collect::<Option<_>>()?;
        let mut ty = Type::Text;
        if !same.is_empty() {
            let (unified, found) = self.unify(same, &format!("{} takes values", function.name))?;
            let mut unified = unified.into_iter();
            for (index, arg) in args.iter_mut().enumerate() {
                if taken(index) == Takes::Same {
                    *arg = unified.next()?;
                }
            }
            ty = found;
        }
        let first = args.first()?.ty.clone();
        let ty = match gives {
            Gives::Text => Type::Text,
            Gives::Number => Type::Number,
            Gives::Boolean => Type::Boolean,
            Gives::Date => Type::Date,
            Gives::Texts => Type::List(Box::new(Type::Text)),
            Gives::Same => ty,
            Gives::First => first,
            Gives::Item => match first {
                Type::List(item) => *item,
                other => other,
            },
        };
        let timed =
            matches!(&args.last()?.node, Node::Literal(Value::String(unit)) if UNITS[4..].contains(&unit.as_str()));
        if call == Call::DateAdd && timed && ty != Type::DateTime {
            let help = "a date has no time: count in days, weeks, months or years";
            return self.wrong(args.last()?.span, "only moments have hours and minutes", Some(help));
        }
        Some(Expr { node: Node::Call(call, args), ty, span })
    }

    /// Numbers as arguments are a list of them.
    fn numbers(&mut self, function: &Function, args: Vec<Expr>, span: Span) -> Option<Expr> {
        let inner = args.first().zip(args.last()).map_or(span, |(a, b)| Span { start: a.span.start, end: b.span.end });
        let items: Vec<Option<Expr>> =
            args.into_iter().map(|arg| self.fit(function, Takes::Number, arg, None)).collect();
        let items = items.into_iter().collect::<Option<Vec<Expr>>>()?;
        Some(Expr { node: Node::List(items), ty: Type::List(Box::new(Type::Number)), span: inner })
    }

    /// The argument as what is taken there. `list` is the type of the first argument.
    fn fit(&mut self, function: &Function, takes: Takes, mut arg: Expr, list: Option<&Type>) -> Option<Expr> {
        let list_of = |ty: Type| Type::List(Box::new(ty));
        let (fits, wanted) = match takes {
            Takes::Text => (arg.adopt(&Type::Text), "a text".to_owned()),
            Takes::Number => (arg.adopt(&Type::Number), "a number".to_owned()),
            Takes::Boolean => (arg.adopt(&Type::Boolean), "a condition (boolean)".to_owned()),
            Takes::DateTime => (arg.adopt(&Type::DateTime), "a datetime".to_owned()),
            Takes::Day => (
                arg.ty == Type::DateTime || arg.adopt(&Type::Date) || arg.adopt(&Type::DateTime),
                "a date or datetime".to_owned(),
            ),
            Takes::Scalar => (scalar(&arg.ty), "a single value".to_owned()),
            Takes::Anything | Takes::Same => (true, String::new()),
            Takes::List => (
                matches!(&arg.ty, Type::List(item) if !matches!(**item, Type::List(_)))
                    || arg.adopt(&list_of(Type::Text)),
                "a list, but not of lists".to_owned(),
            ),
            Takes::Scalars => (
                matches!(&arg.ty, Type::List(item) if scalar(item)) || arg.adopt(&list_of(Type::Text)),
                "a list of single values".to_owned(),
            ),
            Takes::Numbers => (arg.adopt(&list_of(Type::Number)), "a list of numbers".to_owned()),
            Takes::Item => match list {
                Some(Type::List(item)) => (arg.adopt(item), article(item)),
                _ => (true, String::new()),
            },
            Takes::Pattern => return self.pattern(arg),
            Takes::Digits => {
                let whole = matches!(&arg.node, Node::Literal(Value::Number(n)) if n.as_u64().is_some_and(|n| n <= 6));
                (whole, "a number of digits from 0 to 6, written there,".to_owned())
            }
            Takes::Unit => {
                let known = matches!(&arg.node, Node::Literal(Value::String(unit)) if UNITS.contains(&unit.as_str()));
                (known, format!("a unit, written there: {};", UNITS.map(|unit| format!("\"{unit}\"")).join(", ")))
            }
        };
        if fits {
            return Some(arg);
        }
        let help = match (takes, &arg.ty) {
            (Takes::Number | Takes::Numbers, Type::Text) => "VALUE(text) makes a number of a text".to_owned(),
            (Takes::Text, Type::List(_)) => {
                "JOIN(list, \", \") makes a text of a list, INCLUDES(list, value) looks into one".to_owned()
            }
            (Takes::Text, ty) if scalar(ty) => "TEXT(value) makes a text of it".to_owned(),
            _ => format!("it is called as {}", function.usage),
        };
        let message = format!("{} takes {wanted} here, and this is {}", function.name, article(&arg.ty));
        self.wrong(arg.span, message, Some(&help))
    }

    fn pattern(&mut self, arg: Expr) -> Option<Expr> {
        let Node::Literal(Value::String(text)) = &arg.node else {
            let help = "a pattern can't be made by an expression: write it in double quotes";
            return self.wrong(arg.span, "MATCHES takes a pattern that is written there", Some(help));
        };
        match pattern::Pattern::read(text) {
            Ok(_) => Some(arg),
            Err(why) => self.wrong(
                arg.span,
                format!("this pattern can't be used: {why}"),
                Some("docs/EXPRESSIONS.md says what patterns are made of"),
            ),
        }
    }
}

fn default(call: Call, span: Span) -> Expr {
    match call {
        Call::Round => Expr { node: Node::Literal(Value::from(0)), ty: Type::Number, span },
        _ => Expr { node: Node::Literal(Value::Null), ty: Type::Text, span },
    }
}
