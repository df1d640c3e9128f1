//! A TOML file as a flat list of values, each with its line.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{Given, Problem, Source};

/// What stands in a file.
#[derive(Debug, Default)]
pub struct TomlFile {
    /// Single values, and lists with commas between their entries. A key names its tables, too: `api.listen`.
    pub values: Vec<Given>,
    /// The tables that the file may have several of, each with its line and its values.
    pub tables: Vec<(Source, Vec<Given>)>,
}

impl TomlFile {
    /// Reads as much of a file's text as can be understood, and adds what can't to the problems. `tables` names what there may be
    /// several tables of: `auth.key` for `[[auth.key]]`. A list is a value only where `lists` says so.
    #[must_use]
    pub fn read(path: &Path, text: &str, tables: &str, lists: bool, problems: &mut Vec<Problem>) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { path, text, tables, lists, problems, file: Self::default() };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, "(syntax)", error.message().to_owned());
        }
        reader.table("", table.get_ref());
        reader.file
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    tables: &'a str,
    lists: bool,
    problems: &'a mut Vec<Problem>,
    file: TomlFile,
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
                DeValue::Array(items) if key == self.tables => {
                    for item in items {
                        self.one_of(item.span().start, &key, item.get_ref());
                    }
                }
                leaf => {
                    if let Some(text) = self.text_of(at, &key, leaf) {
                        self.file.values.push(Given { key, text, source: self.source(at) });
                    }
                }
            }
        }
    }

    /// A table that there may be several of.
    fn one_of(&mut self, at: usize, key: &str, item: &DeValue<'_>) {
        let DeValue::Table(table) = item else {
            self.problem(at, key, format!("must be a table: `[[{key}]]`"));
            return;
        };
        let mut values = Vec::new();
        for (name, value) in in_order(table) {
            let (at, name) = (name.span().start, name.get_ref().to_string());
            if let Some(text) = self.text_of(at, &format!("{key}.{name}"), value.get_ref()) {
                values.push(Given { key: name, text, source: self.source(at) });
            }
        }
        let source = values.first().map_or_else(|| self.source(at), |first| first.source.clone());
        self.file.tables.push((source, values));
    }

    /// A value's text, or a problem.
    fn text_of(&mut self, at: usize, key: &str, value: &DeValue<'_>) -> Option<String> {
        let (text, must) = match value {
            DeValue::Array(items) if self.lists => {
                let texts: Option<Vec<_>> = items.iter().map(|item| scalar(item.get_ref())).collect();
                (texts.map(|texts| texts.join(",")), "a value or a list of values")
            }
            other => (scalar(other), if self.lists { "a value or a list of values" } else { "a single value" }),
        };
        if text.is_none() {
            self.problem(at, key, format!("must be {must}, not {}", value.type_str()));
        }
        text
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a file, and what is wrong with it, with the lines.
    fn read(text: &str, lists: bool) -> (Vec<String>, Vec<Vec<String>>, Vec<String>) {
        let mut problems = Vec::new();
        let file = TomlFile::read(Path::new("f"), text, "auth.key", lists, &mut problems);
        let line = |source: &Source| match source {
            Source::File { line, .. } => *line,
            other => panic!("{other:?}"),
        };
        let given = |given: &Given| format!("{}: {}={}", line(&given.source), given.key, given.text);
        let problem = |problem: &Problem| format!("{}: {} {}", line(&problem.source), problem.key, problem.rule);
        (
            file.values.iter().map(given).collect(),
            file.tables.iter().map(|(_, values)| values.iter().map(given).collect()).collect(),
            problems.iter().map(problem).collect(),
        )
    }

    #[test]
    fn values_stand_in_their_order_with_the_tables_that_they_are_in() {
        let text =
            "z = 1\na = \"x\"\n[mail.smtp]\nport = 25\nat = 2026-01-05\n\n[[auth.key]]\nname = \"ci\"\n[[auth.key]]\n";
        let (values, tables, problems) = read(text, false);
        assert_eq!(values, ["1: z=1", "2: a=x", "4: mail.smtp.port=25", "5: mail.smtp.at=2026-01-05"]);
        assert_eq!(tables, [vec!["8: name=ci".to_owned()], vec![]]);
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn a_list_is_a_value_where_it_may_be_one_and_lists_of_lists_never_are() {
        let text = "a = [1, true]\nb = [[1]]\n";
        let list = "must be a value or a list of values, not array";
        assert_eq!(read(text, true), (vec!["1: a=1,true".into()], vec![], vec![format!("2: b {list}")]));
        let (values, _, problems) = read(text, false);
        let single = "must be a single value, not array";
        assert_eq!((values, problems), (vec![], vec![format!("1: a {single}"), format!("2: b {single}")]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_rest_is_read() {
        let text = "a = \n[auth]\nkey = [1, { x = [2], y = 3 }]\nb = 4\n";
        let (values, tables, problems) = read(text, false);
        assert_eq!((values, tables), (vec!["1: a=".into(), "4: auth.b=4".into()], vec![vec!["3: y=3".to_owned()]]));
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("1: (syntax) "), "{problems:?}");
        assert_eq!(
            problems[1..],
            ["3: auth.key must be a table: `[[auth.key]]`", "3: auth.key.x must be a single value, not array"]
        );
    }
}
