//! A scenario's file as a flat list of values, each with its line.

use std::path::Path;

use sendoff_host::config::{Given, Problem, Source};
use toml::de::{DeTable, DeValue};

/// What stands in a file.
#[derive(Default)]
pub(super) struct File {
    /// Single values, and lists with commas between their entries.
    pub(super) values: Vec<Given>,
    /// The tables of `[[event]]`, each with its line and its values.
    pub(super) events: Vec<(Source, Vec<Given>)>,
}

/// Reads as much as can be understood, and adds what can't to the problems.
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
                DeValue::Array(items) if key == "event" => {
                    for item in items {
                        self.event(item.span().start, item.get_ref());
                    }
                }
                leaf => {
                    let given = self.leaf(at, &key, leaf);
                    self.file.values.extend(given);
                }
            }
        }
    }

    fn leaf(&mut self, at: usize, key: &str, value: &DeValue<'_>) -> Option<Given> {
        let Some(text) = text_of(value) else {
            self.problem(at, key, format!("must be a value or a list of values, not {}", value.type_str()));
            return None;
        };
        Some(Given { key: key.to_owned(), text, source: self.source(at) })
    }

    fn event(&mut self, at: usize, item: &DeValue<'_>) {
        let DeValue::Table(table) = item else {
            self.problem(at, "event", "must be a table: `[[event]]`".into());
            return;
        };
        let entries = in_order(table);
        let values =
            entries.iter().filter_map(|(name, value)| self.leaf(name.span().start, name.get_ref(), value.get_ref()));
        let values = values.collect();
        self.file.events.push((self.source(at), values));
    }
}

type Entry<'t, 'i> = (&'t toml::Spanned<toml::de::DeString<'i>>, &'t toml::Spanned<DeValue<'i>>);

/// The entries as they stand in the file.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<Entry<'t, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(|item| scalar(item.get_ref())).collect();
            Some(texts?.join(","))
        }
        other => scalar(other),
    }
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
