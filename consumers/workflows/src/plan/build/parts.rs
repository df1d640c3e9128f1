//! Expressions and templates with what their places ask of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Around, Builder};
use crate::{
    Problem, Type,
    definition::{Formula, Json, Step, Words},
    expr::{Expr, Piece, Template, read, read_template},
};

/// The kind of a step that has no result.
pub(super) fn without_result(step: &Step) -> Option<&'static str> {
    let kinds = [
        ("if", step.r#if.is_some()),
        ("switch", step.switch.is_some()),
        ("wait", step.wait.is_some()),
        ("set", step.set.is_some()),
        ("stop", step.stop.is_some()),
        ("fail", step.fail.is_some()),
    ];
    kinds.iter().find(|(_, is)| *is).map(|(kind, _)| *kind)
}

impl Builder {
    /// An expression of any type.
    pub(super) fn any(&mut self, text: &Formula, place: &str, around: &Around) -> Option<Expr> {
        if self.report.is_over() {
            return None;
        }
        read(&text.0, &around.scope).map_err(|problems| self.report.extend(place, problems)).ok()
    }

    /// An expression of this type.
    pub(super) fn expr(&mut self, text: &Formula, place: &str, around: &Around, ty: &Type) -> Option<Expr> {
        let mut expr = self.any(text, place, around)?;
        if expr.adopt(ty) {
            return Some(expr);
        }
        let problem = Problem::new(place, format!("must be {}, but is {}", article(ty), article(&expr.ty)));
        self.report.push(match ty {
            Type::Boolean => problem.help("compare it with something: `{amount} > 100`"),
            _ => problem,
        });
        None
    }

    /// JSON with expressions in it.
    pub(super) fn json(&mut self, json: &Json, place: &str, around: &Around) -> Option<Template> {
        self.template(&json.0, place, around)
    }

    fn template(&mut self, value: &Value, place: &str, around: &Around) -> Option<Template> {
        if self.report.is_over() {
            return None;
        }
        read_template(value, &around.scope).map_err(|problems| self.report.extend(place, problems)).ok()
    }

    /// A text with expressions in it: whatever they are, it becomes a text.
    pub(super) fn words(&mut self, words: &Words, place: &str, around: &Around) -> Option<Template> {
        match self.template(&Value::from(words.0.as_str()), place, around)? {
            Template::Expr(expr) if matches!(expr.ty, Type::List(_) | Type::Object(_)) => {
                let problem = Problem::new(place, format!("must be a text, but is {}", article(&expr.ty)));
                self.report.push(problem.help("name a part of it, or make a text of a list with JOIN"));
                None
            }
            Template::Expr(expr) => Some(Template::Text(vec![Piece::Expr(expr)])),
            template => Some(template),
        }
    }

    /// A text that must not be empty.
    pub(super) fn filled(&mut self, words: &Words, place: &str, around: &Around) -> Option<Template> {
        if words.0.trim().is_empty() {
            self.wrong(place, "is empty", "write what it is to say");
            return None;
        }
        self.words(words, place, around)
    }

    /// A text without expressions.
    pub(super) fn literal(&mut self, text: &str, place: &str, why: &str) {
        if text.contains("{{") {
            self.wrong(place, format!("has `{{{{` in it, but takes no expressions: {why}"), "write it out");
        }
    }

    /// That there aren't too many of them.
    pub(super) fn few(&mut self, count: usize, place: &str, most: usize) {
        if count > most {
            self.report.push(Problem::new(place, format!("has {count} entries, and may have at most {most}")));
        }
    }

    /// The name of a connection that the deployment has.
    pub(super) fn connection(&mut self, name: &str, place: &str) -> Template {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if !(1..=40).contains(&name.len()) || !name.bytes().all(good) {
            let message = format!("{} is no name of a connection", crate::place::quoted(name));
            self.wrong(
                place,
                message,
                "use 1 to 40 of `a-z`, `0-9`, `-` and `_`; the deployment's settings say which there are",
            );
        }
        Template::Literal(Value::from(name))
    }
}

/// Whether it is no list and no object.
pub(super) const fn is_plain(ty: &Type) -> bool {
    !matches!(ty, Type::List(_) | Type::Object(_))
}

/// The most names that are kept of an answer.
pub(super) const MAX_KEPT: usize = 100;

/// A type with its article.
pub(super) fn article(ty: &Type) -> String {
    match ty {
        Type::Object(_) => format!("an {ty}"),
        _ => format!("a {ty}"),
    }
}

/// An object of what was made. What wasn't is missing, which was reported.
pub(super) fn object<const N: usize>(fields: [(&str, Option<Template>); N]) -> Template {
    Template::Object(fields.into_iter().filter_map(|(name, made)| Some((name.to_owned(), made?))).collect())
}

/// How long an attempt of an action may take where nothing is said: as long as the functions that do it.
pub(super) const TIMEOUT: u32 = 60;

/// What a result has beside what all have.
pub(super) fn result<const N: usize>(own: [(&str, Type); N]) -> BTreeMap<String, Type> {
    let common = [("status", Type::Text), ("error", Type::Text)];
    common.into_iter().chain(own).map(|(name, ty)| (name.to_owned(), ty)).collect()
}
