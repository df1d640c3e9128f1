//! A subject is one line.

/// The longest subject, in characters. Mailboxes show fewer than a hundred.
const MAX: usize = 200;

/// The text on one line: runs of white space and control characters become one space. `None` when nothing is left.
pub(super) fn one_line(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX {
        return (!line.is_empty()).then_some(line);
    }
    Some(line.chars().take(MAX - 1).chain(['…']).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_and_control_characters_become_spaces() {
        let hostile = "  Hello\r\nBcc: eve@example.org\u{2028}\u{0}\t x \n";
        assert_eq!(one_line(hostile).unwrap(), "Hello Bcc: eve@example.org x");
        assert_eq!(one_line(" \r\n\t"), None);
    }

    #[test]
    fn a_long_subject_is_cut() {
        let cut = one_line(&"ü".repeat(500)).unwrap();
        assert_eq!((cut.chars().count(), cut.ends_with("ü…")), (MAX, true));
    }
}
