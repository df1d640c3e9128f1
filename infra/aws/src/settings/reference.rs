//! The reference of all settings as a part of `docs/CONFIG.md`.

use sendoff_host::config::reference::{default, row, what};

use super::table::SETTINGS;

/// Every setting with its rule, default and meaning, as Markdown made from the table that parses them.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(include_str!("reference.md"));
    page.push_str("\n| variable | default | must be | what it is |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        row(&mut page, &[&format!("`{}`", setting.key), &default(setting), &(setting.says)(), &what(setting)]);
    }
    page
}
