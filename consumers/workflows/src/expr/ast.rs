//! The tree of a checked expression.

use serde_json::Value;

use super::{Call, moment};
use crate::{Span, Type};

/// An expression whose names and types are known to be right.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it says.
    pub node: Node,
    /// What it is.
    pub ty: Type,
    /// Where it stands in its text.
    pub span: Span,
}

/// What an expression says.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A value: a text, a number, a boolean or `null`.
    Literal(Value),
    /// A list of values.
    List(Vec<Expr>),
    /// What a name stands for: `{amount}`.
    Ref(Ref),
    /// Something with one operand.
    Unary(Unary, Box<Expr>),
    /// Something with two.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// A function with its arguments, as many as it takes.
    Call(Call, Vec<Expr>),
}

impl Expr {
    /// The names in it, in their order, as often as they stand there.
    #[must_use]
    pub fn refs(&self) -> Vec<&Ref> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    pub(super) fn collect<'a>(&'a self, found: &mut Vec<&'a Ref>) {
        match &self.node {
            Node::Literal(_) => {}
            Node::Ref(name) => found.push(name),
            Node::List(items) | Node::Call(_, items) => items.iter().for_each(|item| item.collect(found)),
            Node::Unary(_, of) => of.collect(found),
            Node::Binary(_, a, b) => {
                a.collect(found);
                b.collect(found);
            }
        }
    }

    /// Whether it can stand where something of this type is asked for, which it then is: it is of that type, or it is `BLANK`,
    /// or a text that says a date. What it was stays as it is when it can't.
    #[must_use]
    pub fn adopt(&mut self, ty: &Type) -> bool {
        if !self.can_be(ty) {
            return false;
        }
        self.become_type(ty);
        true
    }

    pub(super) fn can_be(&self, ty: &Type) -> bool {
        if self.ty == *ty {
            return true;
        }
        match (&self.node, ty) {
            (Node::Literal(Value::Null), _) => true,
            (Node::Literal(Value::String(text)), Type::Date) => moment::date(text).is_some(),
            (Node::Literal(Value::String(text)), Type::DateTime) => moment::datetime(text).is_some(),
            (Node::List(items), Type::List(item)) => items.iter().all(|each| each.can_be(item)),
            (Node::Call(Call::If, args), _) => args[1..].iter().all(|branch| branch.can_be(ty)),
            (Node::Call(Call::Coalesce, args), _) => args.iter().all(|arg| arg.can_be(ty)),
            _ => false,
        }
    }

    fn become_type(&mut self, ty: &Type) {
        if self.ty == *ty {
            return;
        }
        match (&mut self.node, ty) {
            (Node::Literal(Value::String(text)), Type::DateTime) => {
                if let Some(canonical) = moment::datetime(text) {
                    *text = canonical;
                }
            }
            (Node::List(items), Type::List(item)) => items.iter_mut().for_each(|each| each.become_type(item)),
            (Node::Call(Call::If, args), _) => args[1..].iter_mut().for_each(|branch| branch.become_type(ty)),
            (Node::Call(Call::Coalesce, args), _) => args.iter_mut().for_each(|arg| arg.become_type(ty)),
            _ => {}
        }
        self.ty = ty.clone();
    }
}

impl Binary {
    /// How it is written.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Concat => "&",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// What a name stands for: something that is known at its place, and the way into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// What it begins with.
    pub root: Root,
    /// The names after that.
    pub path: Vec<String>,
    /// How many of the names lead to a list, of which the others go into each item: 0 for `{lines.price}`.
    pub each: Option<usize>,
}

/// What names begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// A field of the submission: `{amount}`, `{fields.amount}`.
    Field(String),
    /// The submission itself: `{submission.id}`.
    Submission,
    /// The run: `{run.id}`.
    Run,
    /// `NOW()`: the time at which the step was entered, a datetime.
    Now,
    /// The result of a step: `{steps.mail.status}`. `null` until it was taken.
    Step(String),
    /// A variable: `{vars.total}`.
    Var(String),
    /// The item that a `for_each` is at, by the name it gives it: `{line.price}`.
    Item(String),
}

/// An operator with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    /// `-x`.
    Negate,
}

/// An operator with two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Subtract,
    /// `a * b`.
    Multiply,
    /// `a / b`.
    Divide,
    /// `a & b`: texts one after the other.
    Concat,
    /// `a = b`.
    Equal,
    /// `a <> b`.
    NotEqual,
    /// `a < b`.
    Less,
    /// `a <= b`.
    LessOrEqual,
    /// `a > b`.
    Greater,
    /// `a >= b`.
    GreaterOrEqual,
}
