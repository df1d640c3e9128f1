//! A run while it goes on, and what it has done.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::{Gauge, Paragraph, Wrap},
};

use super::{STRONG, text};
use crate::{run::Progress, tui::Running, verbs::source::span};

/// How many of the last notes are shown.
const NOTES: usize = 8;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, run: &mut Running) {
    let areas =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Length(3), Constraint::Min(0)]);
    let [name, gauge, counts, rest] = areas.areas(area);
    frame.render_widget(Line::from(format!("run {}", run.name)).style(STRONG), name);
    let Progress { planned, sent, returned, skipped, ambiguous, waiting, rate, eta_s, doing, watching } = &run.progress;
    let ratio = if *planned == 0 { 0.0 } else { (sent + skipped) as f64 / *planned as f64 };
    let gauge_is = Gauge::default().ratio(ratio.clamp(0.0, 1.0)).label(format!("{sent} of {planned} sent"));
    frame.render_widget(gauge_is, gauge);
    let watching = watching.map(|watching| watching.to_string());
    let doing = if doing.is_empty() { "starting" } else { watching.as_deref().unwrap_or(doing) };
    let doing = if run.report.is_some() { "ended" } else { doing };
    let eta = eta_s
        .filter(|_| run.report.is_none())
        .map(|eta| format!(", about {} to go", span(Duration::from_secs(eta))))
        .unwrap_or_default();
    let asked = run.asked.map(|asked| format!(": {asked}")).unwrap_or_default();
    let lines = vec![
        Line::from(format!("{doing}{asked}")),
        Line::from(format!("{rate:.0} a second{eta}")),
        Line::from(format!("{returned} returned, {skipped} skipped, {ambiguous} ambiguous, {waiting} waiting")),
    ];
    frame.render_widget(Paragraph::new(lines), counts);
    match &mut run.report {
        Some(report) => text(frame, rest, report),
        None => {
            let from = run.notes.len().saturating_sub(NOTES);
            let notes: Vec<Line<'_>> = run.notes.iter().skip(from).map(|note| Line::from(note.as_str())).collect();
            frame.render_widget(Paragraph::new(notes).wrap(Wrap { trim: false }), rest);
        }
    }
}
