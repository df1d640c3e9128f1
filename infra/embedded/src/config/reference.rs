//! The reference of all settings as one page of Markdown: `docs/CONFIG.md`.

use std::{borrow::Cow, fmt::Write as _};

use super::{auth::AUTH_KEY, settings::SETTINGS, table::Setting};

/// Every setting with its rule, default and meaning, as Markdown made from the table that parses them.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(include_str!("reference/opening.md"));
    page.push_str("\n| key | variable | default | must be | what it does |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = match setting.default {
            None | Some("") => "none".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let variable = setting.env.map_or_else(String::new, |name| format!("`{name}`"));
        row(&mut page, &[&format!("`{}`", setting.key), &variable, &default, &(setting.says)(), &what(setting)]);
    }
    page.push('\n');
    page.push_str(include_str!("reference/keys.md"));
    page.push_str("\n| key | must be | what it is |\n|---|---|---|\n");
    for setting in AUTH_KEY {
        row(&mut page, &[&format!("`{}`", setting.key), &(setting.says)(), &what(setting)]);
    }
    page
}

fn what<D>(setting: &Setting<D>) -> String {
    setting.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<Cow<'_, str>> = cells.iter().map(|cell| cell.replace('|', "\\|").into()).collect();
    // Writing to a String can't fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}
