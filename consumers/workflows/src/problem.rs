//! What is wrong with a definition, and where.

use std::fmt;

use serde::Serialize;

/// Bytes of an expression's text, from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where in the definition: `steps[2].then[0].email.subject`. Empty for an expression alone.
    pub place: String,
    /// The line of the definition's text, from 1, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Where in the text that stands there, if it is a matter of an expression or a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What is wrong and why.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Problem {
    /// A problem at a place of the definition.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), line: None, span: None, message: message.into(), help: None }
    }

    /// The same, at these bytes of the text that stands there.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.place.is_empty()) {
            (None, true) => {}
            (None, false) => write!(f, "{}: ", self.place)?,
            (Some(line), true) => write!(f, "line {line}: ")?,
            (Some(line), false) => write!(f, "line {line}, {}: ", self.place)?,
        }
        f.write_str(&self.message)?;
        if let Some(Span { start, end }) = self.span {
            write!(f, " (bytes {start} to {end})")?;
        }
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// All that is wrong, in the order of the definition. Never empty as an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Problems as they are found. There is no end to what can be wrong with a hostile definition, but to what is kept of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Vec<Problem>,
    more: usize,
}

impl Report {
    /// The most that is kept: nobody reads more.
    pub(crate) const MAX: usize = 100;

    /// One more.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.push_with(|| problem);
    }

    /// One more, which is made only if it is kept.
    pub(crate) fn push_with(&mut self, problem: impl FnOnce() -> Problem) {
        if self.found.len() < Self::MAX {
            self.found.push(problem());
        } else {
            self.more += 1;
        }
    }

    /// Those of a part that stands at `place`.
    pub(crate) fn extend(&mut self, place: &str, problems: Problems) {
        for problem in problems.0 {
            self.push(Problem { place: crate::place::join(place, &problem.place), ..problem });
        }
    }

    /// Whether some was found that isn't kept. Then there is no use in looking for more.
    pub(crate) const fn is_over(&self) -> bool {
        self.more > 0
    }

    /// Whether nothing was found.
    pub(crate) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was made, unless something was found.
    pub(crate) fn and<T>(mut self, made: Option<T>) -> Result<T, Problems> {
        if self.more > 0 {
            self.found
                .push(Problem::new("", format!("there are more problems than are shown, at least {}", self.more)));
        }
        match made {
            Some(made) if self.found.is_empty() => Ok(made),
            // What wasn't made without a word would be a mistake of ours, and must not pass for a good definition.
            None if self.found.is_empty() => Err(Problems(vec![Problem::new("", "can't be read")])),
            _ => Err(Problems(self.found)),
        }
    }
}
