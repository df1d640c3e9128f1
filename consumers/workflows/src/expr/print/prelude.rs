//! The functions that printed expressions call.

use std::{collections::BTreeSet, sync::LazyLock};

/// What each is called, and its line, in the order of the file.
static LINES: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let lines = include_str!("prelude.jsonata").lines();
    lines.filter_map(|line| Some((line.strip_prefix("$x_")?.split(' ').next()?, line))).collect()
});

/// The lines of all functions that are called there, and of those that they call.
pub(super) fn needed(jsonata: &str) -> String {
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = called(jsonata).collect();
    while let Some(index) = open.pop() {
        if found.insert(index) {
            open.extend(called(LINES[index].1));
        }
    }
    found.into_iter().map(|index| format!("{} ", LINES[index].1)).collect()
}

/// Which functions are named there. In a literal of a text that looks like a name there may be too many.
fn called(jsonata: &str) -> impl Iterator<Item = usize> {
    let names = jsonata.match_indices("$x_").map(|(at, prefix)| {
        let rest = &jsonata[at + prefix.len()..];
        &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len())]
    });
    let names: BTreeSet<&str> = names.collect();
    names.into_iter().filter_map(|name| LINES.iter().position(|(known, _)| *known == name))
}
