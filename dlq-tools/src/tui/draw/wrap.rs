//! Lines that are wider than the screen.

use ratatui::text::Span;

/// The rows that a line takes: broken at blanks, and within words that are wider than a row.
pub(super) fn rows(line: &str, width: u16) -> Vec<&str> {
    let width = usize::from(width).max(1);
    let (mut rows, mut rest) = (Vec::new(), line);
    loop {
        let fits = fitting(rest, width);
        if fits == rest.len() {
            rows.push(rest);
            return rows;
        }
        let (row, after) = rest.split_at(broken(rest, fits));
        rows.push(row);
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
}

/// How many bytes of a line fit in a row; at least its first character.
fn fitting(line: &str, width: usize) -> usize {
    let mut taken = 0;
    for (at, c) in line.char_indices() {
        taken += Span::raw(&*c.encode_utf8(&mut [0; 4])).width();
        if taken > width && at > 0 {
            return at;
        }
    }
    line.len()
}

/// Where a line is broken of which so many bytes fit.
fn broken(line: &str, fits: usize) -> usize {
    let (row, after) = line.split_at(fits);
    match row.rsplit_once(' ') {
        // A row of nothing but blanks says nothing.
        Some((words, _)) if !after.starts_with(' ') && !words.trim_start().is_empty() => words.len(),
        _ => fits,
    }
}
