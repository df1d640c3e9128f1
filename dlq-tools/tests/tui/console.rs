//! A console whose keys are pressed when the screen shows what they wait for.

use std::{collections::VecDeque, io};

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers},
};
use sendoff_dlq_tools::tui::{Console, State, draw};
use sendoff_events::BoxFuture;

const WIDTH: u16 = 120;
const HEIGHT: u16 = 24;

/// What the screen looks like.
pub(crate) fn shown(mut state: State) -> String {
    shown_in(&mut state, WIDTH)
}

/// What it looks like on a screen of this width.
pub(crate) fn shown_in(state: &mut State, width: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, HEIGHT)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    text(&terminal)
}

fn text(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>())
        .map(|row| format!("{}\n", row.trim_end()))
        .collect()
}

pub(crate) fn key(name: &str) -> KeyEvent {
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "down" => KeyCode::Down,
        "up" => KeyCode::Up,
        "page down" => KeyCode::PageDown,
        "backspace" => KeyCode::Backspace,
        "ctrl-c" => return KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL),
        one => KeyCode::Char(one.chars().next().unwrap()),
    };
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// What is waited for on the screen, and what is done then.
type Step = (&'static str, Box<dyn FnMut(&str) -> Vec<KeyEvent> + Send>);

/// The console.
pub(crate) struct Script {
    terminal: Terminal<TestBackend>,
    steps: VecDeque<Step>,
    pressed: VecDeque<KeyEvent>,
    /// Each screen that was shown.
    pub(crate) screens: Vec<String>,
    /// After so many screens the terminal is gone.
    pub(crate) breaks_after: usize,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            terminal: Terminal::new(TestBackend::new(WIDTH, HEIGHT)).unwrap(),
            steps: VecDeque::new(),
            pressed: VecDeque::new(),
            screens: Vec::new(),
            breaks_after: usize::MAX,
        }
    }

    /// On a terminal as wide as they once were.
    pub(crate) fn narrow(mut self) -> Self {
        self.terminal = Terminal::new(TestBackend::new(80, HEIGHT)).unwrap();
        self
    }

    /// When the screen shows this, presses these keys: words for keys without a character, each character of others.
    pub(crate) fn when(self, seen: &'static str, keys: &'static [&'static str]) -> Self {
        self.then(seen, move |_| keys.iter().map(|name| key(name)).collect())
    }

    /// When the screen shows this, types this.
    pub(crate) fn types(self, seen: &'static str, text: &'static str) -> Self {
        self.then(seen, move |_| text.chars().map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)).collect())
    }

    /// When the screen shows this, presses what comes of it.
    pub(crate) fn then(mut self, seen: &'static str, does: impl FnMut(&str) -> Vec<KeyEvent> + Send + 'static) -> Self {
        self.steps.push_back((seen, Box::new(does)));
        self
    }

    /// The last screen that shows this.
    pub(crate) fn with(&self, seen: &str) -> &str {
        let found = self.screens.iter().rev().find(|screen| screen.contains(seen));
        found.unwrap_or_else(|| panic!("no screen shows `{seen}`; the last one is\n{}", self.screens.last().unwrap()))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.steps.is_empty() && self.pressed.is_empty()
    }
}

impl Console for Script {
    fn show(&mut self, state: &mut State) -> io::Result<()> {
        if self.screens.len() >= self.breaks_after {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.terminal.draw(|frame| draw(frame, state)).unwrap();
        let screen = text(&self.terminal);
        assert!(!screen.chars().any(|c| c.is_control() && c != '\n'), "{screen:?}");
        self.screens.push(screen);
        Ok(())
    }

    fn event(&mut self) -> BoxFuture<'_, Option<Event>> {
        if self.pressed.is_empty()
            && let Some(screen) = self.screens.last()
            && !screen.contains("esc gives up")
            && let Some((seen, _)) = self.steps.front()
            && screen.contains(seen)
            && let Some((_, mut does)) = self.steps.pop_front()
        {
            self.pressed = does(screen).into();
        }
        match self.pressed.pop_front() {
            Some(key) => Box::pin(std::future::ready(Some(Event::Key(key)))),
            // Whoever waits for nothing that could still come would wait for ever: the console of a script that has ended is gone.
            None if self.steps.is_empty() => Box::pin(std::future::ready(None)),
            None => Box::pin(std::future::pending()),
        }
    }
}
