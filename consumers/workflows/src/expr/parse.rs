//! A text becomes a tree that nobody has checked yet.

use serde_json::Value;

use super::{
    Binary,
    lex::{self, Token, Word, problem},
    normalize::number,
};
use crate::{Problem, Span};

/// How many bytes an expression may have.
pub(super) const LONGEST: usize = 8 * 1024;
/// How many levels its tree may have.
pub(super) const DEEPEST: usize = 64;
/// How many nodes its tree may have.
pub(super) const LARGEST: usize = 2_000;

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) what: What,
    pub(super) span: Span,
    height: usize,
}

/// What can be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Value(Value),
    List(Vec<Tree>),
    Ref(Vec<String>),
    Negate(Box<Tree>),
    Binary(Binary, Box<Tree>, Box<Tree>),
    Call {
        name: String,
        named: Span,
        args: Vec<Tree>,
    },
    /// A name without arguments: only some functions know what to do with it.
    Name(String),
}

/// Parses a text.
pub(super) fn parse(text: &str) -> Result<Tree, Problem> {
    if text.len() > LONGEST {
        return Err(Problem::new(
            "",
            format!("an expression has at most {LONGEST} bytes, and this one has {}", text.len()),
        )
        .help("put parts of it into variables"));
    }
    let words = lex::words(text)?;
    let mut parser = Parser { words: &words, at: 0, end: text.len(), depth: 0, nodes: 0 };
    let tree = parser.expression()?;
    match parser.peek() {
        None => Ok(tree),
        Some(Token { what: Word::Name(name), span }) if is(name, "AND") || is(name, "OR") => {
            let name = name.to_uppercase();
            Err(problem(*span, format!("{name} stands before what it takes")).help(format!("write {name}(a, b)")))
        }
        Some(Token { what: Word::Sign("," | ")" | "]"), span }) => {
            Err(problem(*span, "the expression should end here")
                .help("leave this out, or open a parenthesis before it"))
        }
        Some(Token { span, .. }) => Err(problem(*span, "an operator is missing before this")
            .help("put `&` between texts, or a comma between arguments")),
    }
}

/// Whether a word is this one, whatever its case.
pub(super) fn is(word: &str, name: &str) -> bool {
    word.eq_ignore_ascii_case(name)
}

struct Parser<'a> {
    words: &'a [Token],
    at: usize,
    end: usize,
    depth: usize,
    nodes: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.words.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let word = self.words.get(self.at);
        self.at += usize::from(word.is_some());
        word
    }

    fn sign(&self) -> Option<&'static str> {
        match self.peek()?.what {
            Word::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    /// Where the next word stands, or the end.
    fn here(&self) -> Span {
        self.peek().map_or(Span { start: self.end, end: self.end }, |word| word.span)
    }

    /// Where the last word ended.
    fn behind(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.words.get(last)).map_or(0, |word| word.span.end)
    }

    fn node(&mut self, what: What, span: Span) -> Result<Tree, Problem> {
        self.nodes += 1;
        if self.nodes > LARGEST {
            return Err(problem(span, format!("an expression has at most {LARGEST} parts"))
                .help("put some of them into variables"));
        }
        let below = match &what {
            What::Value(_) | What::Ref(_) | What::Name(_) => 0,
            What::Negate(of) => of.height,
            What::Binary(_, a, b) => a.height.max(b.height),
            What::List(items) | What::Call { args: items, .. } => {
                items.iter().map(|item| item.height).max().unwrap_or(0)
            }
        };
        if below >= DEEPEST {
            return Err(too_deep(span));
        }
        Ok(Tree { what, span, height: below + 1 })
    }

    /// A comparison, or what has none.
    fn expression(&mut self) -> Result<Tree, Problem> {
        if self.depth >= DEEPEST {
            return Err(too_deep(self.here()));
        }
        self.depth += 1;
        let left = self.concat()?;
        let tree = match self.sign().and_then(comparison) {
            None => left,
            Some(operator) => {
                self.next();
                let right = self.concat()?;
                let tree = self.binary(operator, left, right)?;
                if self.sign().and_then(comparison).is_some() {
                    return Err(problem(self.here(), "two comparisons in a row")
                        .help("write AND(a < b, b < c), or put one into parentheses"));
                }
                tree
            }
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn binary(&mut self, operator: Binary, left: Tree, right: Tree) -> Result<Tree, Problem> {
        let span = Span { start: left.span.start, end: right.span.end };
        self.node(What::Binary(operator, Box::new(left), Box::new(right)), span)
    }

    fn concat(&mut self) -> Result<Tree, Problem> {
        let mut left = self.sum()?;
        while self.sign() == Some("&") {
            self.next();
            let right = self.sum()?;
            left = self.binary(Binary::Concat, left, right)?;
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Tree, Problem> {
        let mut left = self.product()?;
        while let Some(operator) = self.sign().and_then(|sign| match sign {
            "+" => Some(Binary::Add),
            "-" => Some(Binary::Subtract),
            _ => None,
        }) {
            self.next();
            let right = self.product()?;
            left = self.binary(operator, left, right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Tree, Problem> {
        let mut left = self.unary()?;
        while let Some(operator) = self.sign().and_then(|sign| match sign {
            "*" => Some(Binary::Multiply),
            "/" => Some(Binary::Divide),
            _ => None,
        }) {
            self.next();
            let right = self.unary()?;
            left = self.binary(operator, left, right)?;
        }
        Ok(left)
    }

    /// Any number of `-`, the first of which takes all that follows.
    fn unary(&mut self) -> Result<Tree, Problem> {
        let mut signs = Vec::new();
        while self.sign() == Some("-") {
            signs.push(self.here().start);
            self.next();
        }
        let mut tree = self.primary()?;
        for start in signs.into_iter().rev() {
            let span = Span { start, end: tree.span.end };
            tree = self.node(What::Negate(Box::new(tree)), span)?;
        }
        Ok(tree)
    }

    fn primary(&mut self) -> Result<Tree, Problem> {
        let Some(word) = self.next() else {
            return Err(problem(self.here(), "something is missing at the end").help("put a value there"));
        };
        let span = word.span;
        match &word.what {
            Word::Number(n) => self.node(What::Value(number(*n)), span),
            Word::Text(text) => self.node(What::Value(Value::String(text.clone())), span),
            Word::Ref(path) => self.node(What::Ref(path.clone()), span),
            Word::Name(name) if self.sign() == Some("(") => {
                self.next();
                let args = self.items(")")?;
                let whole = Span { start: span.start, end: self.behind() };
                self.node(What::Call { name: name.clone(), named: span, args }, whole)
            }
            Word::Name(name) if is(name, "TRUE") => self.node(What::Value(Value::Bool(true)), span),
            Word::Name(name) if is(name, "FALSE") => self.node(What::Value(Value::Bool(false)), span),
            Word::Name(name) if is(name, "BLANK") => self.node(What::Value(Value::Null), span),
            Word::Name(name) => self.node(What::Name(name.clone()), span),
            Word::Sign("(") => {
                let inner = self.expression()?;
                match self.next() {
                    Some(Token { what: Word::Sign(")"), .. }) => Ok(inner),
                    _ => Err(problem(span, "this parenthesis has no end").help("put `)` where it ends")),
                }
            }
            Word::Sign("[") => {
                let items = self.items("]")?;
                let whole = Span { start: span.start, end: self.behind() };
                self.node(What::List(items), whole)
            }
            Word::Sign(sign) => {
                Err(problem(span, format!("a value is missing before `{sign}`")).help("put a value there"))
            }
        }
    }

    /// Expressions with commas between them, up to this sign.
    fn items(&mut self, end: &'static str) -> Result<Vec<Tree>, Problem> {
        let open = self.words.get(self.at.saturating_sub(1)).map_or(self.here(), |word| word.span);
        let mut items = Vec::new();
        if self.sign() == Some(end) {
            self.next();
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            match self.next().map(|word| (&word.what, word.span)) {
                Some((Word::Sign(","), _)) => {}
                Some((Word::Sign(sign), _)) if *sign == end => return Ok(items),
                Some((_, span)) => {
                    return Err(problem(span, format!("a comma or `{end}` is missing before this")));
                }
                None => return Err(problem(open, format!("this has no end: `{end}` is missing"))),
            }
        }
    }
}

fn too_deep(span: Span) -> Problem {
    problem(span, format!("an expression has at most {DEEPEST} levels; a row of operators counts as one each"))
        .help("put parts of it into variables, or texts into JOIN([…])")
}

fn comparison(sign: &str) -> Option<Binary> {
    Some(match sign {
        "=" => Binary::Equal,
        "<>" | "!=" => Binary::NotEqual,
        "<" => Binary::Less,
        "<=" => Binary::LessOrEqual,
        ">" => Binary::Greater,
        ">=" => Binary::GreaterOrEqual,
        _ => return None,
    })
}
