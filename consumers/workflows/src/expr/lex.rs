//! The words of an expression.

use crate::{Problem, Span};

/// A word, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) what: Word,
    pub(super) span: Span,
}

/// What words there are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    Number(f64),
    Text(String),
    /// `{a.b.c}`.
    Ref(Vec<String>),
    /// `AND`, `TRUE`, whatever begins with a letter.
    Name(String),
    /// An operator, a parenthesis, a bracket or a comma.
    Sign(&'static str),
}

/// Two of them before the one they begin with.
const SIGNS: [&str; 17] = ["<>", "!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "&", "(", ")", "[", "]", ","];

/// What people write who know other languages, and what they mean.
const FOREIGN: [(&str, &str); 10] = [
    ("==", "write `=`"),
    ("&&", "write AND(a, b)"),
    ("||", "write OR(a, b), or `&` to put texts together"),
    ("!", "write NOT(a)"),
    ("'", "put texts into double quotes"),
    ("}", "there is no `{` for it"),
    ("?", "write IF(condition, value, otherwise)"),
    ("%", "write MOD(a, b)"),
    (";", "separate arguments by commas"),
    ("^", "there are no powers: multiply"),
];

/// All words of a text that is no longer than [`super::parse::LONGEST`].
pub(super) fn words(text: &str) -> Result<Vec<Token>, Problem> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (what, length) = word(&text[at..], at)?;
        words.push(Token { what, span: Span { start: at, end: at + length } });
        at += length;
    }
    Ok(words)
}

/// The word that the rest of a text begins with, and how many bytes it has.
fn word(rest: &str, at: usize) -> Result<(Word, usize), Problem> {
    let first = rest.chars().next().unwrap_or(' ');
    let span = |length: usize| Span { start: at, end: at + length };
    match first {
        '"' => {
            let length = text_length(rest).ok_or_else(|| {
                problem(span(rest.len()), "this text has no end")
                    .help("put `\"` behind it; within a text write it twice")
            })?;
            Ok((Word::Text(rest[1..length - 1].replace("\"\"", "\"")), length))
        }
        '{' => {
            let length = rest
                .find('}')
                .map(|end| end + 1)
                .ok_or_else(|| problem(span(rest.len()), "this name has no end").help("put `}` behind it"))?;
            Ok((Word::Ref(path(&rest[1..length - 1], span(length))?), length))
        }
        '0'..='9' => {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
            number(&rest[..length]).map(|number| (Word::Number(number), length)).ok_or_else(|| {
                problem(span(length), format!("`{}` is no number", shortened(&rest[..length])))
                    .help("numbers look like 1200 or 0.5 and have at most 15 digits before the point and 9 behind it")
            })
        }
        _ if first.is_alphabetic() || first == '_' => {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
            Ok((Word::Name(rest[..length].to_owned()), length))
        }
        _ => {
            if let Some((sign, help)) =
                FOREIGN.iter().find(|(sign, _)| rest.starts_with(sign) && !rest.starts_with("!="))
            {
                return Err(problem(span(sign.len()), format!("`{sign}` means nothing here")).help(*help));
            }
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign)).ok_or_else(|| {
                problem(span(first.len_utf8()), format!("`{}` means nothing here", first.escape_debug()))
                    .help("texts stand in double quotes, names of fields in braces")
            })?;
            Ok((Word::Sign(sign), sign.len()))
        }
    }
}

/// How many bytes a text has that begins here, with its quotes. `None` if it doesn't end.
pub(super) fn text_length(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        at += rest.get(at..)?.find('"')?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn number(text: &str) -> Option<f64> {
    let (whole, part) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, part)) => (whole, part),
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(part) && whole.len() <= 15 && part.len() <= 9).then(|| text.parse().ok()).flatten()
}

/// The names between braces.
fn path(inside: &str, span: Span) -> Result<Vec<String>, Problem> {
    if inside.contains('{') {
        return Err(problem(span, "a name in braces has no braces in it")
            .help("an expression stands alone; only texts of actions have `{{ }}` around it"));
    }
    let names: Vec<String> = inside.split('.').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(|name| {
        name.is_empty() || name.starts_with("__") || name.chars().any(|c| c.is_control() || "\"`".contains(c))
    }) {
        return Err(
            problem(span, "this is no name").help("write the name of a field, as in {amount} or {steps.mail.status}")
        );
    }
    Ok(names)
}

pub(super) fn problem(span: Span, message: impl Into<String>) -> Problem {
    Problem::new("", message).at(span)
}

/// Somebody else's text, short enough for a message.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(60).chain(['…']).collect() }
}
