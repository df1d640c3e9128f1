//! Why a template could not be rendered, in words that help its author.

use std::fmt;

use minijinja::{Error, ErrorKind};

/// A template that gives no message. Says which one, where, and at which expression; never the data it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template `{template}`{}{}: {problem}", self.at_line(", "), self.at_expression(", "))]
pub struct TemplateError {
    /// Which template.
    pub template: String,
    /// The line in it, from 1, if it is known.
    pub line: Option<usize>,
    /// The expression, if it is known: `user.nickname`.
    pub expression: Option<String>,
    /// What is wrong.
    pub problem: String,
}

impl TemplateError {
    pub(super) fn new(template: &str, error: &Error) -> Self {
        // The engine's own detail of a syntax error is about the source; others may quote data.
        let problem = match error.kind() {
            ErrorKind::SyntaxError => match error.detail() {
                Some(detail) => format!("syntax error: {detail}"),
                None => "syntax error".into(),
            },
            ErrorKind::UndefinedError => "there is no such variable".into(),
            ErrorKind::OutOfFuel => "it is too costly: a loop is too long or a text too large".into(),
            kind => kind.to_string(),
        };
        let place = error.range().filter(|_| error.kind() != ErrorKind::SyntaxError);
        let expression = place.zip(error.template_source()).and_then(|(range, source)| source.get(range));
        let expression = expression.map(|text| text.chars().take(80).collect());
        Self { template: template.into(), line: error.line(), expression, problem }
    }

    pub(super) fn empty(template: &str, what: &str) -> Self {
        Self::plain(template, format!("it gives an empty {what}"))
    }

    pub(super) fn too_long(template: &str, limit: usize) -> Self {
        Self::plain(template, format!("it gives more than {} KiB", limit / 1024))
    }

    pub(super) fn not_utf8(template: &str) -> Self {
        Self::plain(template, "it gives text that is not UTF-8".into())
    }

    pub(super) fn plain(template: &str, problem: String) -> Self {
        Self { template: template.into(), line: None, expression: None, problem }
    }

    /// The error without the template's name: for those who have said it already.
    #[must_use]
    pub fn what(&self) -> String {
        let places: Vec<_> = [self.at_line(""), self.at_expression("")].into_iter().filter(|p| !p.is_empty()).collect();
        if places.is_empty() { self.problem.clone() } else { format!("{}: {}", places.join(", "), self.problem) }
    }

    fn at_line(&self, before: &str) -> String {
        self.line.map(|line| format!("{before}line {line}")).unwrap_or_default()
    }

    fn at_expression(&self, before: &str) -> String {
        self.expression.as_ref().map(|expression| format!("{before}at `{expression}`")).unwrap_or_default()
    }
}

/// Everything that is wrong with a set of templates, told together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateProblems(pub Vec<TemplateError>);

impl fmt::Display for TemplateProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the templates have a problem:")?,
            several => write!(f, "the templates have {several} problems:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}
