//! Values as they were given, and how they fill a table.

use std::collections::BTreeMap;

use super::{
    Broken, Problem, Setting, Source,
    problem::{nearest, shown},
};

/// What the variables begin with that belong to nobody else: one that isn't known is a mistake.
const PREFIX: &str = "SENDOFF_";

/// What the shell of whoever speaks to a deployment has beside: where its parts are, and the token for its API. Programs that don't
/// need one of them pass it over.
pub const BESIDE: [&str; 12] = [
    "SENDOFF_BUCKET",
    "SENDOFF_INBOX_TABLE",
    "SENDOFF_METRICS_NAMESPACE",
    "SENDOFF_QUEUE_URL_BASE",
    "SENDOFF_RUNS_PREFIX",
    "SENDOFF_RUNS_ROLE_ARN",
    "SENDOFF_SCHEDULE_GROUP",
    "SENDOFF_SCHEDULE_ROLE_ARN",
    "SENDOFF_STREAM_ARN",
    "SENDOFF_TABLE",
    "SENDOFF_TOKEN",
    "SENDOFF_TOPIC_ARN",
];

/// What stands for bytes that aren't UTF-8 once an environment variable was made a text. No value has it.
const NOT_UTF8: char = char::REPLACEMENT_CHARACTER;

/// A value as it was given.
#[derive(Debug, Clone)]
pub struct Given {
    /// The setting's key, dotted.
    pub key: String,
    /// Its text.
    pub text: String,
    /// Where it was given.
    pub source: Source,
}

/// A setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its key.
    pub key: &'static str,
    /// Its value as it was given; `(secret)` when it is one, empty when there is none.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl Effective {
    /// What is in force of a setting, of values from the weakest to the strongest.
    #[must_use]
    pub fn of<D>(setting: &Setting<D>, values: &[Given]) -> Self {
        let (text, source) = match values.iter().rev().find(|v| v.key == setting.key) {
            Some(given) => (given.text.as_str(), given.source.clone()),
            None => (setting.default.unwrap_or_default(), Source::Default),
        };
        let value = if setting.secret && !text.is_empty() { "(secret)" } else { text };
        Self { key: setting.key, value: value.to_owned(), source }
    }
}

/// The variables that name a setting of the table; those that only look like it are added to the problems. Bytes that
/// aren't UTF-8 have to be replaced in `environment` (`to_string_lossy`); no setting takes such a value.
#[must_use]
pub fn variables<D>(
    table: &[Setting<D>],
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Vec<Given> {
    let mut found = Vec::new();
    for (name, value) in environment {
        if let Some(setting) = table.iter().find(|s| s.env == Some(name)) {
            let source = Source::Variable(name.clone());
            found.push(Given { key: setting.key.to_owned(), text: value.clone(), source });
        } else if let Some(word) = name.strip_prefix(PREFIX).filter(|_| !BESIDE.contains(&name.as_str())) {
            let known = table.iter().filter_map(|s| s.env?.strip_prefix(PREFIX));
            problems.push(Problem {
                key: name.clone(),
                source: Source::Variable(name.clone()),
                value: None,
                rule: "there is no such variable".into(),
                suggestion: nearest(word, known).map(|near| format!("{PREFIX}{near}")),
            });
        }
    }
    found
}

/// Reads the defaults and every value into the draft, the later over the earlier, and adds those that break their rule, or
/// belong to no setting, to the problems. `prefix` stands before the keys where they are told.
pub fn fill<D>(table: &[Setting<D>], draft: &mut D, values: &[Given], prefix: &str, problems: &mut Vec<Problem>) {
    for setting in table {
        if let Some(default) = setting.default {
            // A test holds that every default keeps its rule; if one did not, its setting would be missing below.
            let _ = (setting.set)(draft, default);
        }
    }
    for Given { key, text, source } in values {
        let problem = |value, rule, suggestion| Problem {
            key: format!("{prefix}{key}"),
            source: source.clone(),
            value,
            rule,
            suggestion,
        };
        let Some(setting) = table.iter().find(|s| s.key == key) else {
            let suggestion = nearest(key, table.iter().map(|s| s.key)).map(|near| format!("{prefix}{near}"));
            // A key that isn't known may hold anything, a password too: the value isn't shown.
            problems.push(problem(None, "there is no such setting".into(), suggestion));
            continue;
        };
        // Nothing but a default may be empty: an empty variable is a mistake, not a choice.
        let read = if text.trim().is_empty() || text.contains(NOT_UTF8) {
            Err(Broken(None))
        } else {
            (setting.set)(draft, text)
        };
        if let Err(Broken(why)) = read {
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            let rule = format!("must be {}{why}", (setting.says)());
            problems.push(problem(Some(shown(text, setting.secret)), rule, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_unknown_is_a_mistake_but_not_one_of_the_deployment_or_a_token() {
        let mut environment: BTreeMap<_, _> = BESIDE.map(|name| (name.to_owned(), "x".to_owned())).into();
        environment.insert("OTHER_TABLE".into(), "x".into());
        let mut problems = Vec::new();
        assert!(variables::<()>(&[], &environment, &mut problems).is_empty() && problems.is_empty(), "{problems:?}");
        environment.insert("SENDOFF_TABEL".into(), "x".into());
        assert!(variables::<()>(&[], &environment, &mut problems).is_empty());
        let [Problem { key, .. }] = &*problems else { panic!("{problems:?}") };
        assert_eq!(key, "SENDOFF_TABEL");
    }
}
