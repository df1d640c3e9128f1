//! JSON with expressions in it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Expr, Ref, Scope,
    check::read_part,
    lex::{problem, text_length},
    parse::LONGEST,
};
use crate::{Problem, Problems, Span, problem::Report};

/// JSON that is made when it is needed.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// A value as it stands. A text here is a text, whatever it looks like.
    Literal(Value),
    /// `{{ expression }}` alone in its text: the value with its type.
    Expr(Expr),
    /// Text with expressions in it.
    Text(Vec<Piece>),
    /// A list.
    List(Vec<Template>),
    /// An object.
    Object(BTreeMap<String, Template>),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// `{{ expression }}`: its value as text.
    Expr(Expr),
}

/// How deep a value may be.
const DEEPEST: usize = 64;

/// Reads JSON whose texts may have `{{ expressions }}` in them. Names of objects stay as they are.
///
/// # Errors
/// All that is wrong. The places are relative to the value, as in `to.user` or `[2].name`; spans count in the text that stands there.
pub fn read_template(value: &Value, scope: &Scope) -> Result<Template, Problems> {
    let mut problems = Vec::new();
    let template = value_template(value, scope, &mut String::new(), 0, &mut problems);
    if problems.is_empty() { Ok(template) } else { Err(Problems(problems)) }
}

fn value_template(
    value: &Value,
    scope: &Scope,
    place: &mut String,
    depth: usize,
    problems: &mut Vec<Problem>,
) -> Template {
    if depth > DEEPEST {
        problems.push(Problem::new(place.clone(), format!("this is more than {DEEPEST} levels deep")));
        return Template::Literal(Value::Null);
    }
    if problems.len() > Report::MAX {
        return Template::Literal(Value::Null);
    }
    let length = place.len();
    match value {
        Value::String(text) => text_template(text, scope).unwrap_or_else(|found| {
            problems.extend(found.into_iter().map(|problem| Problem { place: place.clone(), ..problem }));
            Template::Literal(Value::Null)
        }),
        Value::Array(items) => {
            let mut templates = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                place.push_str(&format!("[{index}]"));
                templates.push(value_template(item, scope, place, depth + 1, problems));
                place.truncate(length);
            }
            Template::List(templates).folded()
        }
        Value::Object(names) => {
            let mut templates = BTreeMap::new();
            for (name, item) in names {
                place.push_str(if place.is_empty() { "" } else { "." });
                place.push_str(name);
                templates.insert(name.clone(), value_template(item, scope, place, depth + 1, problems));
                place.truncate(length);
            }
            Template::Object(templates).folded()
        }
        other => Template::Literal(other.clone()),
    }
}

fn text_template(text: &str, scope: &Scope) -> Result<Template, Vec<Problem>> {
    let pieces = split(text).map_err(|problem| vec![problem])?;
    if let [Part::Text(_)] | [] = pieces.as_slice() {
        return Ok(Template::Literal(Value::String(text.to_owned())));
    }
    let alone = pieces.len() == 1;
    let mut problems = Vec::new();
    let mut read = Vec::new();
    for part in pieces {
        if problems.len() > Report::MAX {
            break;
        }
        match part {
            Part::Text(piece) => read.push(Piece::Text(piece.to_owned())),
            Part::Expr(start, expression) => match read_part(expression, scope, !alone) {
                Ok(expr) => read.push(Piece::Expr(expr)),
                Err(Problems(found)) => problems.extend(found.into_iter().map(|problem| shifted(problem, start))),
            },
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(match read.pop() {
        Some(Piece::Expr(expr)) if alone => Template::Expr(expr),
        last => {
            read.extend(last);
            Template::Text(read)
        }
    })
}

fn shifted(mut problem: Problem, by: usize) -> Problem {
    problem.span = problem.span.map(|span| Span { start: span.start + by, end: span.end + by });
    problem
}

enum Part<'a> {
    Text(&'a str),
    /// Where it begins, and the expression.
    Expr(usize, &'a str),
}

/// What stands between `{{ … }}`, and what in it. A `}}` in a text or behind a name doesn't end an expression.
fn split(text: &str) -> Result<Vec<Part<'_>>, Problem> {
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("{{") {
        let open = from + found;
        if open > from {
            parts.push(Part::Text(&text[from..open]));
        }
        let start = open + 2;
        let Some(length) = expression_length(&text[start..]) else {
            return Err(problem(Span { start: open, end: text.len() }, "`{{` has no `}}`")
                .help("write {{ \"{{\" }} for the braces themselves"));
        };
        parts.push(Part::Expr(start, &text[start..start + length]));
        from = start + length + 2;
    }
    if from < text.len() {
        parts.push(Part::Text(&text[from..]));
    }
    Ok(parts)
}

/// How many bytes there are before the `}}`. Looks at no more than an expression may have, so that many `{{` take linear time.
fn expression_length(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let bytes = &bytes[..bytes.len().min(LONGEST + 2)];
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at += text_length(&rest[at..])?,
            b'{' => at += bytes[at..].iter().position(|byte| *byte == b'}')? + 1,
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => at += 1,
        }
    }
    None
}

impl Template {
    /// The names in it, in their order, as often as they stand there.
    #[must_use]
    pub fn refs(&self) -> Vec<&Ref> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Ref>) {
        match self {
            Self::Literal(_) => {}
            Self::Expr(expr) => expr.collect(found),
            Self::Text(pieces) => {
                for piece in pieces {
                    if let Piece::Expr(expr) = piece {
                        expr.collect(found);
                    }
                }
            }
            Self::List(items) => items.iter().for_each(|item| item.collect(found)),
            Self::Object(names) => names.values().for_each(|item| item.collect(found)),
        }
    }

    /// A literal, if all in it are.
    fn folded(self) -> Self {
        match &self {
            Self::List(items) if items.iter().all(|item| matches!(item, Self::Literal(_))) => {
                let values = items.iter().filter_map(Self::literal).cloned();
                Self::Literal(values.collect())
            }
            Self::Object(names) if names.values().all(|item| matches!(item, Self::Literal(_))) => {
                let values = names.iter().filter_map(|(name, item)| Some((name.clone(), item.literal()?.clone())));
                Self::Literal(values.collect())
            }
            _ => self,
        }
    }

    fn literal(&self) -> Option<&Value> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }
}
