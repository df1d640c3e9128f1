//! The reference of all settings as one page of Markdown: `docs/CONFIG.md`.

use sendoff_host::config::reference::{default, row, what};

use super::{auth::AUTH_KEY, settings::SETTINGS};

/// Every setting with its rule, default and meaning, as Markdown made from the table that parses them.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(include_str!("reference/opening.md"));
    page.push_str("\n| key | variable | default | must be | what it does |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let variable = setting.env.map_or_else(String::new, |name| format!("`{name}`"));
        row(
            &mut page,
            &[&format!("`{}`", setting.key), &variable, &default(setting), &(setting.says)(), &what(setting)],
        );
    }
    page.push('\n');
    page.push_str(include_str!("reference/keys.md"));
    page.push_str("\n| key | must be | what it is |\n|---|---|---|\n");
    for setting in AUTH_KEY {
        row(&mut page, &[&format!("`{}`", setting.key), &(setting.says)(), &what(setting)]);
    }
    page.push('\n');
    page.push_str(include_str!("reference/connections.md"));
    page.push_str("\n| key | default | must be | what it is |\n|---|---|---|---|\n");
    sendoff_host::connections::reference(&mut page);
    page
}
