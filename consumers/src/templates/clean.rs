//! What may stand in a text that people read.

use std::borrow::Cow;

/// The longest subject or title, in characters. Mailboxes show fewer than a hundred.
const LINE: usize = 200;

/// The text without what could break out of its place or show it otherwise than it is: control characters but line breaks and
/// tabs, and the characters that override the direction of text (UAX #9: embeddings, overrides and isolates). All kinds of
/// line breaks become `\n`.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| unwanted(c) || line_break(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    let kept = text.chars().filter(|c| !unwanted(*c) || line_break(*c));
    Cow::Owned(kept.map(|c| if line_break(c) { '\n' } else { c }).collect())
}

/// The text on one line: runs of white space and control characters become one space. `None` when nothing is left.
pub(super) fn one_line(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !overrides_direction(*c)).collect();
    let words = kept.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

/// One line that is cut where it is longer than subjects and titles are.
pub(super) fn title(text: &str) -> Option<String> {
    let line = one_line(text)?;
    if line.chars().count() <= LINE {
        return Some(line);
    }
    Some(line.chars().take(LINE - 1).chain(['…']).collect())
}

/// The lines that say something, each on one line. `None` when there is none.
pub(super) fn lines(source: &str) -> Option<String> {
    let cleaned = text(source);
    let lines: Vec<_> = cleaned.lines().filter_map(one_line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

const fn line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn unwanted(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t') || overrides_direction(c)
}

const fn overrides_direction(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_and_control_characters_become_spaces_in_a_line() {
        let hostile = "  Hello\r\nBcc: eve@example.org\u{2028}\u{0}\t x \n";
        assert_eq!(one_line(hostile).unwrap(), "Hello Bcc: eve@example.org x");
        assert_eq!(one_line(" \r\n\t\u{202E}"), None);
    }

    #[test]
    fn a_long_title_is_cut() {
        let cut = title(&"ü".repeat(500)).unwrap();
        assert_eq!((cut.chars().count(), cut.ends_with("ü…")), (LINE, true));
    }

    #[test]
    fn what_overrides_the_direction_of_text_or_controls_a_terminal_is_left_out() {
        let hostile = "pay \u{202E}olleh\u{202C} \u{1b}[2J\u{7}\u{9b}now\tx\r\ny\rz\u{2029}ü 👩‍👩‍👧 שלום\u{200f}";
        assert_eq!(text(hostile), "pay olleh [2Jnow\tx\ny\nz\nü 👩‍👩‍👧 שלום\u{200f}");
        assert!(matches!(text("nothing to do\n\there"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_that_say_nothing_are_left_out() {
        assert_eq!(lines(" a \u{202E} b \n\n\r\n\tc\n").unwrap(), "a b\nc");
        assert_eq!(lines("\n \n"), None);
    }
}
