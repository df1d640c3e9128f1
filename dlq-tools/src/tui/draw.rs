//! How it looks. Colours aren't used, so nothing depends on them.

mod list;
mod run;
mod wrap;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::Line,
    widgets::{Block, Borders, Clear, Paragraph},
};

use super::{Page, Prompt, Screen, State};

/// What stands out.
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// Where the cursor is.
const CURSOR: Style = Style::new().add_modifier(Modifier::REVERSED);

/// How wide the names of keys are in the help.
const KEYS: u16 = 13;

const HELP: [(&str, &str); 11] = [
    ("up down j k", "moves; page up, page down, g and G move further"),
    ("enter", "opens a group, a letter; carries out a plan, after its hash was typed"),
    ("esc", "goes back"),
    ("/", "chooses letters by a condition in CEL, as --where"),
    ("space", "marks a letter; pauses a run and lets it go on"),
    ("p", "plans: the group, the marked letters, or the letter"),
    ("P", "plans all letters that are chosen"),
    ("r", "looks anew at the queue"),
    ("c", "goes on with a run that stopped, after it has asked"),
    ("x", "aborts a run, after it has asked"),
    ("q", "ends; a run is paused first, and `dlq resume` goes on with it"),
];

/// Draws the screen. A text that was scrolled beyond its end is shown, and then stands, at its end.
pub fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let said = said(state);
    let said = message(&said, state.prompt.is_some(), frame.area());
    let height = u16::try_from(said.len()).unwrap_or(u16::MAX);
    let one = Constraint::Length(1);
    let areas = Layout::vertical([one, Constraint::Min(1), Constraint::Length(height), one]);
    let [title, body, message, keys] = areas.areas(frame.area());
    frame.render_widget(Line::from(state.title.as_str()).style(CURSOR), title);
    match state.screens.last_mut() {
        Some(Screen::Groups(rows) | Screen::Letters(rows)) => list::draw(frame, body, rows),
        Some(Screen::Letter(page)) => text(frame, body, page),
        Some(Screen::Plan(plan)) => text(frame, body, &mut plan.page),
        Some(Screen::Run(run)) => run::draw(frame, body, run),
        None => {}
    }
    frame.render_widget(Paragraph::new(said).style(STRONG), message);
    frame.render_widget(Line::from(hint(state)), keys);
    if state.is_help {
        help(frame, body);
    }
}

/// The lines of what is said, at most a third of the screen. Of what is typed the end matters, of all else the beginning.
fn message(said: &str, is_typed: bool, area: Rect) -> Vec<Line<'_>> {
    let rows = wrap::rows(said, area.width);
    let most = usize::from(area.height / 3).max(1);
    let left_out = if is_typed { rows.len().saturating_sub(most) } else { 0 };
    rows.into_iter().skip(left_out).take(most).map(Line::from).collect()
}

/// What is typed, what is being done, or what went wrong.
fn said(state: &State) -> String {
    match (&state.prompt, state.busy, &state.message) {
        (Some(Prompt::Condition(text)), ..) => format!("where: {text}_"),
        (Some(Prompt::Hash(text)), ..) => format!("the first 8 digits of the hash carry it out: {text}_"),
        (Some(Prompt::Abort), ..) => "abort the run for good? y or n".into(),
        (Some(Prompt::GoOn), ..) => "go on with the run, and send what is left? y or n".into(),
        (None, Some(busy), _) => format!("{busy} … esc gives up"),
        (None, None, Some(message)) => message.clone(),
        (None, None, None) if !state.condition.is_empty() => format!("where: {}", state.condition),
        (None, None, None) => String::new(),
    }
}

/// The keys that matter most here.
fn hint(state: &State) -> &'static str {
    match state.prompt {
        Some(Prompt::Abort) => return "y aborts it, any other key doesn't",
        Some(Prompt::GoOn) => return "y goes on with it, any other key doesn't",
        Some(_) => return "enter does it, esc doesn't",
        None => {}
    }
    match state.screen() {
        Some(Screen::Groups(_)) => "enter letters  p plan  P plan all  / condition  r look anew  ? help  q quit",
        Some(Screen::Letters(_)) => "enter letter  space mark  p plan  / condition  esc back  ? help  q quit",
        Some(Screen::Letter(_)) => "up down scroll  p plan  esc back  ? help  q quit",
        Some(Screen::Plan(_)) => "enter run  esc back  ? help  q quit",
        Some(Screen::Run(run)) if run.report.is_none() => "space pause or go on  x abort  q pause and leave  ? help",
        Some(Screen::Run(run)) if run.can_resume => "c go on with it  r look anew  esc back  ? help  q quit",
        Some(Screen::Run(_)) => "r look anew  esc back  ? help  q quit",
        None => "q quit",
    }
}

/// A text from where it was scrolled to.
fn text(frame: &mut Frame<'_>, area: Rect, page: &mut Page) {
    let height = usize::from(area.height);
    let rows: Vec<&str> = page.lines.iter().flat_map(|line| wrap::rows(line, area.width)).collect();
    page.top = page.top.min(rows.len().saturating_sub(height));
    let shown: Vec<Line<'_>> = rows.into_iter().skip(page.top).take(height).map(Line::from).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.saturating_sub(KEYS + 2);
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .flat_map(|(key, means)| {
            let keys = std::iter::once(*key).chain(std::iter::repeat(""));
            keys.zip(wrap::rows(means, width)).map(|(key, row)| format!("{key:<0$}{row}", usize::from(KEYS)).into())
        })
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let area = Rect { height, ..area };
    frame.render_widget(Clear, area);
    let block = Block::new().borders(Borders::ALL).title("keys");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
