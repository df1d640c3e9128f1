//! `docs/EXPRESSIONS.md`.

use std::fmt::Write as _;

use super::FUNCTIONS;

/// The page for authors: the language, its values, and a table of all functions.
#[must_use]
pub fn document() -> String {
    let mut page = include_str!("document.md").to_owned();
    let mut about = "";
    for function in FUNCTIONS {
        if function.about != about {
            about = function.about;
            // Writing to a text can't fail.
            let _ = write!(page, "\n### {about}\n\n| function | gives |\n|---|---|\n");
        }
        let _ = writeln!(page, "| `{}` | {} |", function.usage, function.does.replace('|', "\\|"));
    }
    page
}
