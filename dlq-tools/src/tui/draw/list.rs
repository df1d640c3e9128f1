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

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, list: &Rows) {
    let [area, note] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(area);
    frame.render_widget(Line::from(list.note.as_str()), note);
    // The cursor stays in the middle, as far as there is something around it.
    let height = usize::from(area.height.saturating_sub(1)).max(1);
    let top = list.at.saturating_sub(height / 2).min(list.rows.len().saturating_sub(height));
    let shown = list.rows.get(top..).unwrap_or_default();
    let shown = &shown[..height.min(shown.len())];
    let last = list.heading.len().saturating_sub(1);
    let width = |column: usize| {
        let cells = shown.iter().filter_map(|row| row.cells.get(column)).map(|cell| Line::from(cell.as_str()).width());
        let width = cells.chain(list.heading.get(column).map(|name| name.len())).max().unwrap_or_default();
        u16::try_from(width.min(WIDEST)).unwrap_or_default()
    };
    let widths = (0..list.heading.len())
        .map(|column| if column == last { Constraint::Fill(1) } else { Constraint::Length(width(column)) });
    let widths = std::iter::once(Constraint::Length(1)).chain(widths);
    let rows = shown.iter().map(|row| {
        let mark = if row.is_marked { "*" } else { "" };
        Row::new(std::iter::once(mark).chain(row.cells.iter().map(String::as_str)).map(Cell::from))
    });
    let heading = Row::new(std::iter::once("").chain(list.heading.iter().copied())).style(STRONG);
    let table = Table::new(rows, widths).header(heading).column_spacing(2).row_highlight_style(CURSOR);
    let mut state = TableState::new().with_selected(list.at.checked_sub(top));
    frame.render_stateful_widget(table, area, &mut state);
}
