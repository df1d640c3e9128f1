//! A list with a cursor.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::{Cell, Row, Table, TableState},
};

use super::{CURSOR, STRONG};
use crate::tui::Rows;

/// The widest that a column becomes but for the last one.
const WIDEST: usize = 36;
/// What the last column has at least, as long as others can be left out for it.
const LEAST: usize = 30;
/// What stands between two columns.
const GAP: u16 = 2;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, list: &Rows) {
    let [area, note] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(area);
    // The cursor stays in the middle, as far as there is something around it.
    let height = usize::from(area.height.saturating_sub(1)).max(1);
    let top = list.at.saturating_sub(height / 2).min(list.rows.len().saturating_sub(height));
    let shown = list.rows.get(top..).unwrap_or_default();
    let shown = &shown[..height.min(shown.len())];
    let width = |column: usize| {
        let cells = shown.iter().filter_map(|row| row.cells.get(column)).map(|cell| Line::from(cell.as_str()).width());
        cells.chain(list.heading.get(column).map(|name| name.len())).max().unwrap_or_default().min(WIDEST)
    };
    let widths: Vec<usize> = (0..list.heading.len()).map(width).collect();
    let (columns, left_out) = columns(&widths, list.spare, usize::from(area.width));
    frame.render_widget(Line::from(noted(list, left_out)), note);
    let constraints = columns.iter().map(|column| match column + 1 == widths.len() {
        true => Constraint::Fill(1),
        false => Constraint::Length(u16::try_from(widths[*column]).unwrap_or_default()),
    });
    let constraints = std::iter::once(Constraint::Length(1)).chain(constraints);
    let rows = shown.iter().map(|row| {
        let mark = if row.is_marked { "*" } else { "" };
        let cells = columns.iter().map(|column| row.cells.get(*column).map_or("", String::as_str));
        Row::new(std::iter::once(mark).chain(cells).map(Cell::from))
    });
    let heading = columns.iter().filter_map(|column| list.heading.get(*column).copied());
    let heading = Row::new(std::iter::once("").chain(heading)).style(STRONG);
    let table = Table::new(rows, constraints).header(heading).column_spacing(GAP).row_highlight_style(CURSOR);
    let mut state = TableState::new().with_selected(list.at.checked_sub(top));
    frame.render_stateful_widget(table, area, &mut state);
}

/// The columns that are shown, and those that are left out so that the last one has room.
fn columns<'a>(widths: &[usize], spare: &'a [usize], room: usize) -> (Vec<usize>, &'a [usize]) {
    let gap = usize::from(GAP);
    let Some((last, others)) = widths.split_last() else { return (Vec::new(), &[]) };
    let mut taken = 1 + others.iter().map(|width| gap + width).sum::<usize>() + gap + last.min(&LEAST);
    let mut count = 0;
    for column in spare {
        if taken <= room {
            break;
        }
        taken -= gap + widths[*column];
        count += 1;
    }
    let left_out = &spare[..count];
    ((0..widths.len()).filter(|column| !left_out.contains(column)).collect(), left_out)
}

/// What there is to say of the list, and of what isn't shown.
fn noted(list: &Rows, left_out: &[usize]) -> String {
    let names: Vec<&str> = left_out.iter().filter_map(|column| list.heading.get(*column).copied()).collect();
    match names.is_empty() {
        true => list.note.clone(),
        false => format!("{}; too narrow for {}", list.note, names.join(", ")),
    }
}
