//! What an author wrote: JSON or YAML, in the types of this module.
//!
//! Here stands what a definition may look like. What it must mean (that names are known, that types fit) is for
//! [`Plan::of`](crate::Plan::of) to find out. Both report all that is wrong, each with its place.
//!
//! Texts may hold expressions: a [`Formula`] is one, a [`Words`] is a text with `{{ expression }}` in it, and [`Json`] is any JSON
//! whose texts are such.

mod act;
mod duration;
mod flow;
mod json;
mod lines;
mod schema;
pub(crate) mod shape;
mod step;
#[cfg(test)]
mod tests;
mod texts;
mod trigger;
mod types;
#[cfg(feature = "yaml")]
mod yaml;

use std::collections::BTreeMap;

pub use act::{
    ApprovedTemplate, Create, Database, Email, Http, MailTemplate, Mapping, Push, Record, Sms, To, Update, Whatsapp,
};
pub use duration::Duration;
pub use flow::{Approval, Case, Elif, OnError, Retry, Wait};
#[cfg(test)]
pub(crate) use schema::KINDS;
pub use schema::json_schema;
use serde_json::Value;
use shape::{Shape as _, object};
pub use step::Step;
pub use texts::{Formula, Json, Words};
pub use trigger::{Day, Schedule, Trigger, When};
pub use types::{Initial, Var};

use crate::{Problem, Problems, Type, problem::Report};

/// The most bytes of a definition's text: 1 MiB.
pub const MAX_BYTES: usize = 1024 * 1024;
/// The most that lists and objects stand in each other, whatever they mean.
pub(crate) const MAX_DEPTH: usize = 120;

object! {
    /// A workflow: what an app does after a submission, at a time of the day, or when somebody says so.
    Definition {
        /// Its name: 1 to 40 of `a-z`, `0-9` and `-`.
        #[schemars(regex(pattern = "^[a-z0-9-]{1,40}$"))]
        workflow: String,
        /// The app whose submissions it is about.
        app: String,
        /// What it is for, to people.
        description: Option<String>,
        /// The fields of the app's form that expressions name, and their types.
        #[schemars(default)]
        fields: BTreeMap<String, Type>,
        /// What starts it; at least one.
        #[schemars(length(min = 1))]
        on: Vec<Trigger>,
        /// What it remembers: variables and their types. They can be set outside of `parallel` and `for_each`.
        #[schemars(default)]
        vars: BTreeMap<String, Var>,
        /// What it does, one after the other.
        #[schemars(length(min = 1))]
        steps: Vec<Step>,
    }
}

impl Definition {
    /// Reads a definition: JSON where the text begins with `{`, YAML otherwise.
    ///
    /// # Errors
    ///
    /// All that isn't as a definition looks like, each with its place and its line. Nothing of the text is kept that
    /// is larger than [`MAX_BYTES`], deeper than any definition, or said twice.
    pub fn read(text: &str) -> Result<Self, Problems> {
        Self::of(document(text)?).map_err(|problems| in_text(problems, text))
    }

    /// The definition that is this JSON.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn of(value: Value) -> Result<Self, Problems> {
        let mut report = Report::default();
        if json::depth_of(&value) > MAX_DEPTH {
            report.push(too_deep());
            return report.and(None);
        }
        json::check(&value, "", &mut report);
        let read = Self::shape(value, "", &mut report);
        report.and(read)
    }

    /// The one JSON text of this definition: names in order, no spaces, whatever it was written in. Two definitions have the same
    /// when they say the same.
    #[must_use]
    pub fn canonical(&self) -> String {
        json::canonical(&self.to_value())
    }

    /// The definition as JSON.
    pub(crate) fn to_value(&self) -> Value {
        // Names are texts and numbers are JSON's: there is nothing that could fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// The same problems with the lines of the text that was written.
#[must_use]
pub fn in_text(problems: Problems, text: &str) -> Problems {
    let text = without_mark(text);
    if is_json(text) {
        return json::in_text(problems, text);
    }
    #[cfg(feature = "yaml")]
    return yaml::in_text(problems, text);
    #[cfg(not(feature = "yaml"))]
    problems
}

fn document(text: &str) -> Result<Value, Problems> {
    if text.len() > MAX_BYTES {
        let message = format!("the definition has {} bytes, and must have at most {MAX_BYTES}", text.len());
        return Err(Problems(vec![Problem::new("", message)]));
    }
    let text = without_mark(text);
    if is_json(text) {
        return json::read(text).map_err(|problem| Problems(vec![problem]));
    }
    #[cfg(feature = "yaml")]
    return yaml::read(text).map_err(|problem| Problems(vec![problem]));
    #[cfg(not(feature = "yaml"))]
    Err(Problems(vec![Problem::new("", "the definition must be a JSON object").help("it begins with `{`")]))
}

/// Some editors put a byte order mark first, which is no JSON.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn too_deep() -> Problem {
    Problem::new("", format!("lists and objects stand more than {MAX_DEPTH} deep in each other"))
        .help("no definition needs that: steps nest 20 deep")
}
