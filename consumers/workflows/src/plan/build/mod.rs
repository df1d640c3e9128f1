//! A definition becomes a plan: names are known, types fit, and what can't be meant is refused. All that is wrong is reported.

mod block;
mod database;
mod flow;
mod for_each;
mod head;
mod http;
mod limits;
mod markup;
mod message;
mod parts;
mod pause;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Plan;
use crate::{Definition, Problem, Problems, Type, expr::Scope, problem::Report};

pub use limits::{MAX_BRANCHES, MAX_INNER_NAMES, MAX_NAMES, MAX_NESTING, MAX_STEPS};

impl Plan {
    /// The definition, checked.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, each with its place: what is said twice or isn't known, what doesn't fit together, and what is beyond
    /// the limits of `docs/WORKFLOWS.md`.
    pub fn of(definition: &Definition) -> Result<Self, Problems> {
        let mut report = Report::default();
        // What is too large isn't looked at further: it would take as long as it is large.
        if limits::check(definition, &mut report) {
            return report.and(None);
        }
        let scheduled = definition.on.iter().any(|trigger| trigger.schedule.is_some());
        let mut builder = Builder { report, vars: BTreeMap::new(), scheduled };
        let plan = builder.plan(definition);
        builder.report.and(plan)
    }

    /// The plan of the definition in the text, in JSON or YAML.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, with lines.
    pub fn read(text: &str) -> Result<Self, Problems> {
        let definition = Definition::read(text)?;
        Self::of(&definition).map_err(|problems| crate::definition::in_text(problems, text))
    }
}

/// A plan in the making.
struct Builder {
    report: Report,
    /// The variables and their types.
    vars: BTreeMap<String, Type>,
    /// Whether there are runs without a submission.
    scheduled: bool,
}

/// What is around a step.
#[derive(Clone)]
struct Around {
    /// The names that are known.
    scope: Scope,
    /// The innermost `parallel` or `for_each` around it.
    apart: Option<Apart>,
    /// The names of the items of all `for_each` around it.
    items: Vec<String>,
}

/// A step whose blocks are done apart from the rest.
#[derive(Clone)]
struct Apart {
    kind: &'static str,
    id: String,
}

/// Steps whose results are known after a block, and what the results are.
type Seen = Vec<(String, Type)>;

impl Builder {
    fn wrong(&mut self, place: &str, message: impl Into<String>, help: impl Into<String>) {
        self.report.push(Problem::new(place, message).help(help));
    }
}
