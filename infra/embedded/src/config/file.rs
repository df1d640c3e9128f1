//! `sendoff.toml` as a flat list of values, each with its line.

use std::path::Path;

use sendoff_host::config::{Given, Problem, Source};
use toml::de::{DeTable, DeValue};

/// What stands in a file.
#[derive(Default)]
pub(super) struct File {
    /// Single values.
    pub(super) values: Vec<Given>,
    /// The tables of `[[auth.key]]`, each with its line and its values.
    pub(super) auth_keys: Vec<(Source, Vec<Given>)>,
}

/// Reads a file's text, as much of it as can be understood, and adds what can't to the problems.
pub(super) fn read(path: &Path, text: &str, problems: &mut Vec<Problem>) -> File {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { path, text, problems, file: File::default() };
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.problem(at, "(syntax)", error.message().to_owned());
    }
    reader.table("", table.get_ref());
    reader.file
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    file: File,
}

impl Reader<'_> {
    fn source(&self, at: usize) -> Source {
        let line = 1 + self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|b| **b == b'\n').count();
        Source::File { path: self.path.to_owned(), line }
    }

    fn problem(&mut self, at: usize, key: &str, rule: String) {
        let source = self.source(at);
        self.problems.push(Problem { key: key.to_owned(), source, value: None, rule, suggestion: None });
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in in_order(table) {
            let key = format!("{prefix}{}", name.get_ref());
            let at = name.span().start;
            match value.get_ref() {
                DeValue::Table(inner) => self.table(&format!("{key}."), inner),
                DeValue::Array(items) if key == "auth.key" => {
                    for item in items {
                        self.auth_key(item.span().start, item.get_ref());
                    }
                }
                leaf => match scalar(leaf) {
                    Some(text) => self.file.values.push(Given { key, text, source: self.source(at) }),
                    None => self.problem(at, &key, format!("must be a single value, not {}", leaf.type_str())),
                },
            }
        }
    }

    fn auth_key(&mut self, at: usize, item: &DeValue<'_>) {
        let DeValue::Table(table) = item else {
            self.problem(at, "auth.key", "must be a table: `[[auth.key]]`".into());
            return;
        };
        let mut values = Vec::new();
        for (name, value) in in_order(table) {
            let (at, key) = (name.span().start, name.get_ref().to_string());
            match scalar(value.get_ref()) {
                Some(text) => values.push(Given { key, text, source: self.source(at) }),
                None => self.problem(at, &format!("auth.key.{key}"), "must be a single value".into()),
            }
        }
        let source = values.first().map_or_else(|| self.source(at), |first| first.source.clone());
        self.file.auth_keys.push((source, values));
    }
}

type Entry<'t, 'i> = (&'t toml::Spanned<toml::de::DeString<'i>>, &'t toml::Spanned<DeValue<'i>>);

/// The entries as they stand in the file.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<Entry<'t, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
