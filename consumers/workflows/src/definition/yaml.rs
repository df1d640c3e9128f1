//! YAML text, read into JSON.
//!
//! Of YAML there is what has a meaning in JSON. Anchors, aliases, tags and second documents are refused: a definition says what it
//! means at its place, and a few bytes must not become many. Without quotes, `null`, `true`, `false` and the numbers of JSON are
//! what they are in JSON; everything else is a text, such as `08:00`, `01234` and `yes`.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};
use serde_json::{Map, Value};

use super::{
    MAX_DEPTH,
    lines::{Node, What},
    too_deep,
};
use crate::{Problem, Problems, place::quoted};

/// A list or an object whose end wasn't read yet.
struct Open {
    node: Node,
    /// Of an object: the name whose value comes next.
    name: Option<String>,
}

/// Reads one YAML document.
pub(super) fn read(text: &str) -> Result<Value, Problem> {
    tree(text).map(value)
}

/// The same problems with their lines.
pub(super) fn in_text(problems: Problems, text: &str) -> Problems {
    match tree(text) {
        Ok(tree) => tree.locate(problems),
        Err(_) => problems,
    }
}

/// It takes as much stack as the text is deep, which [`tree`] has seen to.
fn value(node: Node) -> Value {
    match node.what {
        What::Plain(plain) => plain,
        What::List(items) => Value::Array(items.into_iter().map(value).collect()),
        What::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, node)| (name, value(node))).collect::<Map<_, _>>())
        }
    }
}

fn tree(text: &str) -> Result<Node, Problem> {
    let mut events = Parser::new(StrInput::new(text));
    let (mut open, mut root): (Vec<Open>, Option<Node>) = (Vec::new(), None);
    while let Some(event) = events.next_event() {
        let (event, span) = event.map_err(|error| broken(&error))?;
        let line = span.start.line();
        let done = match event {
            Event::DocumentStart(_) if root.is_some() => {
                return Err(at(line, "a second document begins").help("a definition is one document"));
            }
            Event::Alias(_) => return Err(at(line, "aliases such as `*name` aren't taken").help("write it out")),
            Event::Scalar(text, style, anchor, tag) => {
                without(anchor, tag.is_some(), line)?;
                match open.last_mut() {
                    Some(Open { node: Node { what: What::Object(fields), .. }, name: name @ None }) => {
                        if fields.contains_key(&*text) {
                            return Err(at(line, &format!("{} stands twice in one object", quoted(&text))));
                        }
                        *name = Some(text.into_owned());
                        None
                    }
                    _ => Some(Node { line, what: What::Plain(scalar(&text, style)) }),
                }
            }
            Event::SequenceStart(anchor, tag) => {
                without(anchor, tag.is_some(), line)?;
                begin(&mut open, Node { line, what: What::List(Vec::new()) })?;
                None
            }
            Event::MappingStart(anchor, tag) => {
                without(anchor, tag.is_some(), line)?;
                begin(&mut open, Node { line, what: What::Object(BTreeMap::new()) })?;
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| open.node),
            _ => None,
        };
        let Some(node) = done else { continue };
        match open.last_mut() {
            None => root = Some(node),
            Some(Open { node: Node { what: What::List(items), .. }, .. }) => items.push(node),
            Some(Open { node: Node { what: What::Object(fields), .. }, name }) => {
                fields.extend(name.take().map(|name| (name, node)));
            }
            Some(Open { node: Node { what: What::Plain(_), .. }, .. }) => {}
        }
    }
    root.ok_or_else(|| Problem::new("", "the definition is empty"))
}

/// A list or an object begins.
fn begin(open: &mut Vec<Open>, node: Node) -> Result<(), Problem> {
    if open.len() >= MAX_DEPTH {
        return Err(Problem { line: Some(node.line), ..too_deep() });
    }
    if let Some(Open { node: Node { what: What::Object(_), .. }, name: None }) = open.last() {
        return Err(at(node.line, "a name must be a text").help(QUOTES));
    }
    open.push(Open { node, name: None });
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number if number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            serde_json::from_str(number).unwrap_or_else(|_| Value::from(number))
        }
        text => Value::from(text),
    }
}

fn without(anchor: usize, tag: bool, line: usize) -> Result<(), Problem> {
    match (anchor, tag) {
        (0, false) => Ok(()),
        (0, true) => Err(at(line, "tags such as `!name` aren't taken").help(QUOTES)),
        _ => Err(at(line, "anchors such as `&name` aren't taken").help(QUOTES)),
    }
}

fn broken(error: &ScanError) -> Problem {
    at(error.marker().line(), &format!("the definition is no YAML: {}", error.info())).help(QUOTES)
}

fn at(line: usize, message: &str) -> Problem {
    Problem { line: Some(line), ..Problem::new("", message) }
}

const QUOTES: &str = "a text that begins with `{`, `[`, `!`, `&`, `*` or `@`, or has `: ` or ` #` in it, stands in quotes: '{amount} > 0'";
