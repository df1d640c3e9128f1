//! Figures, found again in what a benchmark has printed.

/// What a benchmark has printed.
#[derive(Clone, Copy)]
pub(crate) struct Printed<'a>(pub(crate) &'a str);

impl<'a> Printed<'a> {
    /// The cells of a row behind its name, as they were printed. Of `path` each line begins with the next part, the row with the
    /// last one.
    pub(crate) fn cells(self, path: &[&str]) -> Option<Vec<&'a str>> {
        let mut lines = self.0.lines().map(str::trim_start);
        let mut row = "";
        for part in path {
            row = lines.find(|line| line.starts_with(part))?.strip_prefix(part)?;
        }
        Some(row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
    }

    /// The `nth` number in a row, from 0.
    pub(crate) fn number(self, path: &[&str], nth: usize) -> Option<f64> {
        let cells = self.cells(path)?;
        cells.iter().flat_map(|cell| cell.split([' ', ','])).filter_map(|word| word.parse().ok()).nth(nth)
    }

    /// The largest of such numbers of several rows.
    pub(crate) fn largest(self, rows: &[&str], nth: usize) -> Option<f64> {
        self.fold(rows, nth, f64::max)
    }

    /// The smallest of such numbers of several rows.
    pub(crate) fn smallest(self, rows: &[&str], nth: usize) -> Option<f64> {
        self.fold(rows, nth, f64::min)
    }

    fn fold(self, rows: &[&str], nth: usize, with: fn(f64, f64) -> f64) -> Option<f64> {
        let numbers: Option<Vec<f64>> = rows.iter().map(|row| self.number(&[row], nth)).collect();
        numbers?.into_iter().reduce(with)
    }
}

/// A number as a reader reads it: `12,345`, `1.05`.
pub(crate) fn shown(number: f64) -> String {
    if number < 100.0 {
        let text = format!("{number:.2}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        return text.to_owned();
    }
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Printed<'_> = Printed("at once\n  dlq run   10  1.5\nlater\n  dlq run, with  12,  0.4 M  3 ms\n");

    #[test]
    fn figures_are_found_by_the_lines_above_them() {
        assert_eq!(TEXT.number(&["dlq run"], 1), Some(1.5));
        assert_eq!(TEXT.number(&["later", "dlq run, with"], 2), Some(3.0));
        assert_eq!(TEXT.cells(&["later", "dlq run, with"]), Some(vec!["12,", "0.4 M", "3 ms"]));
        assert_eq!((TEXT.number(&["later", "at once"], 0), TEXT.number(&["dlq run"], 2)), (None, None));
        assert_eq!(
            (TEXT.largest(&["dlq run", "dlq run, with"], 0), TEXT.smallest(&["dlq run", "no"], 0)),
            (Some(12.0), None)
        );
    }

    #[test]
    fn numbers_are_shown_as_people_write_them() {
        assert_eq!(
            [0.652, 2.0, 99.999, 217.4, 43_016.0, 1_234_567.0].map(shown),
            ["0.65", "2", "100", "217", "43,016", "1,234,567"]
        );
    }
}
