//! The reference of scenarios, for docs/LOAD.md.

use sendoff_host::config::{
    Setting,
    reference::{default, row, what},
};

use super::settings::{EVENT, SETTINGS};

/// Everything that a scenario can say, as Markdown tables.
#[must_use]
pub fn reference() -> String {
    let mut page = String::new();
    table(&mut page, "", "", SETTINGS);
    page.push_str("\nEach `[[event]]`, one for each kind of the mix:\n\n");
    table(&mut page, "event.", "required", EVENT);
    page
}

fn table<D>(page: &mut String, prefix: &str, without: &str, settings: &[Setting<D>]) {
    row(page, &["Key", "Default", "What it does", "Must be"]);
    row(page, &["---", "---", "---", "---"]);
    for setting in settings {
        let key = format!("`{prefix}{}`", setting.key);
        let default = if setting.default.is_none() { without.to_owned() } else { default(setting) };
        row(page, &[&key, &default, &what(setting), &(setting.says)()]);
    }
}
