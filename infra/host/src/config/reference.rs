//! Tables of settings as Markdown, for the documentation that is generated from them.

use std::{borrow::Cow, fmt::Write as _};

use super::Setting;

/// The default as it is shown.
#[must_use]
pub fn default<D>(setting: &Setting<D>) -> String {
    match setting.default {
        None | Some("") => "none".to_owned(),
        Some(default) => format!("`{default}`"),
    }
}

/// What a setting does, in one line.
#[must_use]
pub fn what<D>(setting: &Setting<D>) -> String {
    setting.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Adds a row of a table to a page.
pub fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<Cow<'_, str>> = cells.iter().map(|cell| cell.replace('|', "\\|").into()).collect();
    // Writing to a String can't fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}
