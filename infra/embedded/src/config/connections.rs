//! The systems that workflows may call: `[connections.NAME]` in the file.

use std::path::Path;

use sendoff_host::{
    config::{Given, Problem, Source},
    connections::{Opened, read},
};

use crate::connections::open_connection;

/// What the keys begin with.
const PREFIX: &str = "connections.";

/// What is given of a connection: its name, where it begins, and its values.
pub(super) struct Table {
    name: String,
    source: Source,
    values: Vec<Given>,
}

/// The values that belong to connections, by connection, and the others. Nothing but the file holds any of the first kind.
pub(super) fn split(values: Vec<Given>) -> (Vec<Table>, Vec<Given>) {
    let mut tables: Vec<Table> = Vec::new();
    let mut others = Vec::new();
    for given in values {
        let Some((name, key)) = given.key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')) else {
            others.push(given);
            continue;
        };
        let value = Given { key: key.to_owned(), ..given.clone() };
        match tables.iter_mut().find(|table| table.name == name) {
            Some(table) => table.values.push(value),
            None => tables.push(Table { name: name.to_owned(), source: given.source.clone(), values: vec![value] }),
        }
    }
    (tables, others)
}

/// Opens the connections, and adds what is wrong with them to the problems.
pub(super) fn open(tables: &[Table], data: Option<&Path>, problems: &mut Vec<Problem>) -> Opened {
    let mut opened = Opened::default();
    for Table { name, source, values } in tables {
        let Some(settings) = read(name, source, values, problems) else { continue };
        match open_connection(opened.clone(), &settings, data.unwrap_or(Path::new(""))) {
            Ok(more) => opened = more,
            Err(error) => {
                let given = values.iter().find(|given| given.key.eq_ignore_ascii_case(&error.key));
                problems.push(Problem {
                    key: format!("{PREFIX}{name}.{}", error.key),
                    source: given.map_or_else(|| source.clone(), |given| given.source.clone()),
                    value: None,
                    rule: error.rule,
                    suggestion: None,
                });
            }
        }
    }
    opened
}
