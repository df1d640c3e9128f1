//! Data to stdout, prose to stderr.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Writes data to stdout, and out of the process at once.
///
/// # Errors
///
/// When stdout takes no more; a reader that has gone is a broken pipe.
pub fn data(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")?;
    out.flush()
}

/// Writes a value as laid-out JSON.
///
/// # Errors
///
/// When stdout takes no more; a reader that has gone is a broken pipe.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    data(format_args!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Writes a value as one line of JSON.
///
/// # Errors
///
/// When stdout takes no more; a reader that has gone is a broken pipe.
pub fn json_line(value: &impl Serialize) -> io::Result<()> {
    data(format_args!("{}\n", serde_json::to_string(value)?))
}

/// The word that a value without fields has in JSON.
#[must_use]
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Tells a person something on stderr. If nobody listens there, that is fine.
pub fn prose(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A text on one line. What was received may hold anything, and must not move a terminal's cursor about.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_steering(c) { ' ' } else { c }).collect()
}

/// Whether a character moves a terminal's cursor, or turns the direction of what stands beside it.
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text on its lines, without other characters that steer the terminal.
#[must_use]
pub fn lines(text: &str) -> String {
    let text: String = text.chars().filter(|c| !is_steering(*c) || matches!(c, '\n' | '\t')).collect();
    text.trim_end().to_owned()
}

/// Rows under a heading, in plain columns: easy to read, to copy and to grep.
#[must_use]
pub fn table<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{lines, one_line, table};

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let rows = [["1".to_owned(), "long value".to_owned()], ["23".to_owned(), String::new()]];
        assert_eq!(table(["n", "what"], rows), "n   what\n1   long value\n23\n");
    }

    #[test]
    fn what_was_received_neither_moves_the_cursor_nor_turns_the_line() {
        for steering in "\u{1b}\u{9b}\u{7f}\r\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}".chars() {
            let text = format!("a{steering}b");
            assert_eq!((&*one_line(&text), &*lines(&text)), ("a b", "ab"), "{steering:?}");
        }
        assert_eq!((&*one_line("שלום\n"), &*lines("שלום\n\tx\n")), ("שלום ", "שלום\n\tx"));
    }
}
