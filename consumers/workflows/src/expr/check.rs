//! A tree becomes an expression: names are looked up, types are checked.

use serde_json::Value;

use super::{
    Binary, Call, Expr, Node, Ref, Root, Scope, Unary,
    function::{FUNCTIONS, Function},
    lex::{problem, shortened},
    normalize::article,
    parse::{self, Tree, What},
    scope::nearest,
};
use crate::{Problem, Problems, Span, Type};

/// How many problems are told at once.
const MOST: usize = 20;

/// Reads an expression at a place where these names are known.
///
/// `BLANK` and `[]` alone are of type text and list of text; [`Expr::adopt`] lets them and texts that say a date be of the type that
/// their place asks for.
///
/// # Errors
/// All that is wrong, each with the bytes it is about. The places are empty: the caller knows where the text stands.
pub fn read(text: &str, scope: &Scope) -> Result<Expr, Problems> {
    read_part(text, scope, false)
}

/// The same, where `piece` says that it becomes a piece of a text.
pub(super) fn read_part(text: &str, scope: &Scope, piece: bool) -> Result<Expr, Problems> {
    let tree = parse::parse(text).map_err(|problem| Problems(vec![problem]))?;
    let mut checker = Checker { scope, problems: Vec::new() };
    let expr = checker.check(tree);
    let expr = if piece { expr.and_then(|expr| checker.piece(expr)) } else { expr };
    match expr {
        Some(expr) if checker.problems.is_empty() => Ok(expr),
        _ => {
            checker.problems.sort_by_key(|problem| problem.span.map_or(0, |span| span.start));
            checker.problems.truncate(MOST);
            Err(Problems(checker.problems))
        }
    }
}

pub(super) struct Checker<'a> {
    scope: &'a Scope,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// Notes a problem. There is no expression then.
    pub(super) fn wrong<T>(&mut self, span: Span, message: impl Into<String>, help: Option<&str>) -> Option<T> {
        let found = problem(span, message);
        self.problems.push(match help {
            Some(help) => found.help(help),
            None => found,
        });
        None
    }

    pub(super) fn check(&mut self, tree: Tree) -> Option<Expr> {
        let span = tree.span;
        match tree.what {
            What::Value(value) => {
                let ty = match value {
                    Value::Bool(_) => Type::Boolean,
                    Value::Number(_) => Type::Number,
                    _ => Type::Text,
                };
                Some(Expr { node: Node::Literal(value), ty, span })
            }
            What::Ref(path) => self.name(&path, span),
            What::Name(name) => {
                let help = if Function::of(&name).is_some() {
                    format!("`{name}` is a function: write `{name}(…)`")
                } else {
                    format!("a field is written {{{0}}}, a text \"{0}\"", shortened(&name))
                };
                self.wrong(span, format!("`{}` means nothing here", shortened(&name)), Some(&help))
            }
            What::List(items) => {
                let items = self.all(items)?;
                let (items, ty) = self.unify(items, "the items of a list are")?;
                if matches!(ty, Type::List(_) | Type::Object(_)) {
                    let help = "lists are written of texts, numbers, booleans, dates and moments only";
                    return self.wrong(span, format!("this would be a list of {ty}s"), Some(help));
                }
                Some(Expr { node: Node::List(items), ty: Type::List(Box::new(ty)), span })
            }
            What::Negate(of) => {
                let of = self.check(*of)?;
                let of = self.operand(of, &Type::Number, "-")?;
                Some(Expr { node: Node::Unary(Unary::Negate, Box::new(of)), ty: Type::Number, span })
            }
            What::Binary(operator, a, b) => {
                let (a, b) = (self.check(*a), self.check(*b));
                self.binary(operator, a?, b?, span)
            }
            What::Call { name, named, args } => self.call(&name, named, args, span),
        }
    }

    /// All of them, or nothing if there is a problem in one. The problems of all are noted.
    pub(super) fn all(&mut self, trees: Vec<Tree>) -> Option<Vec<Expr>> {
        let checked: Vec<Option<Expr>> = trees.into_iter().map(|tree| self.check(tree)).collect();
        checked.into_iter().collect()
    }

    pub(super) fn name(&mut self, path: &[String], span: Span) -> Option<Expr> {
        match self.scope.resolve(path) {
            Ok((name, ty)) => Some(Expr { node: Node::Ref(name), ty, span }),
            Err(unknown) => self.wrong(span, unknown.message, unknown.help.as_deref()),
        }
    }

    /// The operand of an operator that takes this type.
    fn operand(&mut self, mut of: Expr, ty: &Type, sign: &str) -> Option<Expr> {
        if of.adopt(ty) {
            return Some(of);
        }
        let help = match (sign, &of.ty) {
            ("+", Type::Text) => Some("texts are put together by `&`"),
            ("+" | "-", Type::Date | Type::DateTime) => {
                Some("write DATEADD(date, n, \"days\") or DAYSBETWEEN(from, to)")
            }
            (_, Type::Text) => Some("VALUE(text) makes a number of a text"),
            (_, Type::List(_)) => Some("SUM, COUNT, FIRST and others make one value of a list"),
            _ => None,
        };
        self.wrong(of.span, format!("`{sign}` takes {}, and this is {}", article(ty), article(&of.ty)), help)
    }

    fn binary(&mut self, operator: Binary, a: Expr, b: Expr, span: Span) -> Option<Expr> {
        let sign = operator.sign();
        let (a, b, ty) = match operator {
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide => {
                let (a, b) = (self.operand(a, &Type::Number, sign), self.operand(b, &Type::Number, sign));
                (a?, b?, Type::Number)
            }
            Binary::Concat => {
                let (a, b) = (self.piece(a), self.piece(b));
                (a?, b?, Type::Text)
            }
            _ => {
                let (a, b) = self.comparable(operator, a, b, span)?;
                (a, b, Type::Boolean)
            }
        };
        Some(Expr { node: Node::Binary(operator, Box::new(a), Box::new(b)), ty, span })
    }

    /// Something that can be a piece of a text.
    pub(super) fn piece(&mut self, of: Expr) -> Option<Expr> {
        if scalar(&of.ty) {
            return Some(of);
        }
        let help = if matches!(of.ty, Type::List(_)) {
            "JOIN(list, \", \") makes a text of a list"
        } else {
            "choose one of its names"
        };
        self.wrong(of.span, format!("this is {}, and can't be part of a text", article(&of.ty)), Some(help))
    }

    fn comparable(&mut self, operator: Binary, mut a: Expr, mut b: Expr, span: Span) -> Option<(Expr, Expr)> {
        if !(b.adopt(&a.ty.clone()) || a.adopt(&b.ty.clone())) {
            let help = match (&a.ty, &b.ty) {
                (Type::Date, Type::DateTime) | (Type::DateTime, Type::Date) => {
                    Some("DATEOF(moment) is its date in UTC")
                }
                (Type::Date, Type::Text) | (Type::Text, Type::Date) => Some("write a date as \"2026-11-26\""),
                (Type::DateTime, Type::Text) | (Type::Text, Type::DateTime) => {
                    Some("write a moment as \"2026-11-26T08:00:00Z\"")
                }
                (Type::Number, Type::Text) | (Type::Text, Type::Number) => Some("VALUE(text) makes a number of a text"),
                (Type::List(_), _) | (_, Type::List(_)) => Some("INCLUDES(list, value) looks into a list"),
                _ => None,
            };
            let message = format!("`{}` compares {} with {}", operator.sign(), article(&a.ty), article(&b.ty));
            return self.wrong(span, message, help);
        }
        let equality = matches!(operator, Binary::Equal | Binary::NotEqual);
        if equality && !scalar(&a.ty) {
            let message = format!("`{}` can't compare {} with another", operator.sign(), article(&a.ty));
            return self.wrong(span, message, Some("compare what is in it; ISBLANK(value) tells whether there is any"));
        }
        if !equality && !matches!(a.ty, Type::Number | Type::Date | Type::DateTime) {
            let message =
                format!("`{}` takes numbers, dates and moments, and this is {}", operator.sign(), article(&a.ty));
            return self.wrong(span, message, Some("only `=` and `<>` compare anything else"));
        }
        Some((a, b))
    }

    /// All as values of one type: that of the first one that isn't just blank and that the others can be.
    pub(super) fn unify(&mut self, mut values: Vec<Expr>, subject: &str) -> Option<(Vec<Expr>, Type)> {
        if values.is_empty() {
            return Some((values, Type::Text));
        }
        let candidates: Vec<Type> = values.iter().map(|value| value.ty.clone()).collect();
        let fits = |ty: &Type| values.iter().all(|value| value.can_be(ty));
        let Some(ty) = candidates.iter().find(|ty| fits(ty)).cloned() else {
            let first = candidates.first().cloned().unwrap_or(Type::Text);
            let other = values.iter().find(|value| !value.can_be(&first))?;
            let (span, message) = (
                other.span,
                format!("{subject} of one type, and this is {}, not {}", article(&other.ty), article(&first)),
            );
            return self.wrong(span, message, None);
        };
        for value in &mut values {
            let _ = value.adopt(&ty);
        }
        Some((values, ty))
    }

    fn call(&mut self, name: &str, named: Span, args: Vec<Tree>, span: Span) -> Option<Expr> {
        let Some(function) = Function::of(name) else {
            let help =
                nearest(name, FUNCTIONS.iter().map(|function| function.name)).and_then(Function::of).map_or_else(
                    || "docs/EXPRESSIONS.md lists them all".to_owned(),
                    |near| format!("did you mean {}?", near.usage),
                );
            return self.wrong(named, format!("there is no function `{}`", shortened(name)), Some(&help));
        };
        match function.call {
            Some(call) => {
                let args = self.all(args)?;
                self.arguments(function, call, args, span)
            }
            None => self.sugar(function, args, span),
        }
    }

    /// The functions that are said otherwise in the tree.
    fn sugar(&mut self, function: &Function, args: Vec<Tree>, span: Span) -> Option<Expr> {
        match function.name {
            "IN" => {
                let mut args = self.all(args)?;
                if args.len() < 2 {
                    return self.wrong_count(function, args.len(), span);
                }
                if let [_, Expr { ty: Type::List(_), .. }] = args.as_slice() {
                    return self.wrong(span, "IN takes the values one by one", Some("write INCLUDES(list, value)"));
                }
                let value = args.remove(0);
                let rest = Span { start: args.first().map_or(span.start, |arg| arg.span.start), end: span.end };
                args.push(value);
                let (mut args, ty) = self.unify(args, "IN takes values")?;
                let value = args.pop()?;
                let list = Expr { node: Node::List(args), ty: Type::List(Box::new(ty)), span: rest };
                self.arguments(Function::of("INCLUDES")?, Call::Includes, vec![list, value], span)
            }
            "FAILED" => {
                let [Tree { what, span: named, .. }] = args.as_slice() else {
                    return self.wrong_count(function, args.len(), span);
                };
                let mut path = match what {
                    What::Name(id) | What::Value(Value::String(id)) => vec!["steps".to_owned(), id.clone()],
                    What::Ref(path) if path.len() == 2 && path[0] == "steps" => path.clone(),
                    _ => return self.wrong(*named, "FAILED takes the id of a step", Some("write FAILED(mail)")),
                };
                path.push("status".to_owned());
                let status = self.name(&path, *named)?;
                let failed = Expr { node: Node::Literal(Value::from("failed")), ty: Type::Text, span: *named };
                self.binary(Binary::Equal, status, failed, span)
            }
            _ => {
                if !args.is_empty() {
                    return self.wrong_count(function, args.len(), span);
                }
                if !self.scope.knows_run() {
                    return self.wrong(
                        span,
                        format!("{} isn't known here", function.name),
                        Some("only steps of a run have a time"),
                    );
                }
                let node = Node::Ref(Ref { root: Root::Now, path: Vec::new(), each: None });
                let now = Expr { node, ty: Type::DateTime, span };
                if function.name == "NOW" {
                    return Some(now);
                }
                Some(Expr { node: Node::Call(Call::DateOf, vec![now]), ty: Type::Date, span })
            }
        }
    }

    pub(super) fn wrong_count<T>(&mut self, function: &Function, count: usize, span: Span) -> Option<T> {
        let plural = if count == 1 { "argument" } else { "arguments" };
        let message = format!("{} doesn't take {count} {plural}", function.name);
        self.wrong(span, message, Some(&format!("it is called as {}", function.usage)))
    }
}

pub(super) fn scalar(ty: &Type) -> bool {
    !matches!(ty, Type::List(_) | Type::Object(_))
}
