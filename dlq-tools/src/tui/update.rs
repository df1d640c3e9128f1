//! What a key does: it changes what is shown, or wishes for something that isn't known here.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Prompt, Screen, State, state::Running};

/// How many digits of a hash nobody types by accident.
const DIGITS: usize = 8;
/// How far a page goes, in rows.
const PAGE: isize = 10;

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// Ends the program.
    Quit,
    /// Shows the letters of the group in this row.
    Letters(usize),
    /// Shows the letter with this message id.
    Letter(String),
    /// Chooses letters by this condition; by none, if it is empty.
    Where(String),
    /// Looks anew at the queue.
    Fresh,
    /// Makes a plan.
    Plan(Chosen),
    /// Carries out the plan that is shown, or goes on with its run.
    Run,
    /// Lets the run wait.
    Pause,
    /// Lets the run go on.
    Go,
    /// Ends the run for good.
    Abort,
    /// Pauses the run, and ends the program.
    Leave,
}

/// Which letters are planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// All that are chosen.
    All,
    /// Those of the group in this row.
    Group(usize),
    /// Those of the group that is open.
    OpenGroup,
    /// Those with these message ids.
    Letters(Vec<String>),
}

impl State {
    /// Takes in a key.
    pub fn update(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Nothing;
        }
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { self.quit() } else { Wish::Nothing };
        }
        if self.is_help {
            self.is_help = false;
            return Wish::Nothing;
        }
        match self.prompt.take() {
            Some(prompt) => self.typed(prompt, key.code),
            None => self.pressed(key.code),
        }
    }

    fn typed(&mut self, prompt: Prompt, key: KeyCode) -> Wish {
        let is_yes = matches!(key, KeyCode::Char('y' | 'Y'));
        let mut text = match &prompt {
            Prompt::Abort => return if is_yes { Wish::Abort } else { Wish::Nothing },
            Prompt::GoOn => return if is_yes { Wish::Run } else { Wish::Nothing },
            Prompt::Condition(text) | Prompt::Hash(text) => text.clone(),
        };
        match key {
            KeyCode::Esc => return Wish::Nothing,
            KeyCode::Enter => {
                return match prompt {
                    Prompt::Hash(_) => self.confirmed(&text),
                    _ => Wish::Where(text.trim().to_owned()),
                };
            }
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(c) if !c.is_control() => text.push(c),
            _ => {}
        }
        self.prompt =
            Some(if matches!(prompt, Prompt::Hash(_)) { Prompt::Hash(text) } else { Prompt::Condition(text) });
        Wish::Nothing
    }

    fn confirmed(&mut self, typed: &str) -> Wish {
        let Some(Screen::Plan(plan)) = self.screen() else { return Wish::Nothing };
        let typed = typed.trim().to_ascii_lowercase();
        if typed.len() >= DIGITS && plan.hash.starts_with(&typed) {
            return Wish::Run;
        }
        self.message =
            Some("that isn't the plan's hash: nothing was done. Type the first 8 digits of it, or more".into());
        Wish::Nothing
    }

    fn pressed(&mut self, key: KeyCode) -> Wish {
        match key {
            KeyCode::Char('q') => return self.quit(),
            KeyCode::Char('?') => self.is_help = true,
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.go(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.go(isize::MAX),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => self.back(),
            _ => return self.pressed_here(key),
        }
        Wish::Nothing
    }

    /// The keys that mean something else on each screen.
    fn pressed_here(&mut self, key: KeyCode) -> Wish {
        let condition = self.condition.clone();
        match (self.screens.last_mut(), key) {
            (Some(Screen::Groups(_) | Screen::Letters(_)), KeyCode::Char('/')) => {
                self.prompt = Some(Prompt::Condition(condition));
            }
            (Some(Screen::Groups(_) | Screen::Letters(_)), KeyCode::Char('r')) => return Wish::Fresh,
            (Some(Screen::Groups(groups)), KeyCode::Enter | KeyCode::Right) if groups.row().is_some() => {
                return Wish::Letters(groups.at);
            }
            (Some(Screen::Groups(groups)), KeyCode::Char('p')) if groups.row().is_some() => {
                return Wish::Plan(Chosen::Group(groups.at));
            }
            (Some(Screen::Groups(_)), KeyCode::Char('P')) => return Wish::Plan(Chosen::All),
            (Some(Screen::Letters(letters)), KeyCode::Enter | KeyCode::Right) => {
                return letters.row().map_or(Wish::Nothing, |row| Wish::Letter(row.id.clone()));
            }
            (Some(Screen::Letters(letters)), KeyCode::Char(' ')) => {
                if let Some(row) = letters.rows.get_mut(letters.at) {
                    row.is_marked = !row.is_marked;
                }
                self.go(1);
            }
            (Some(Screen::Letters(letters)), KeyCode::Char('p')) => {
                let marked = letters.marked();
                return Wish::Plan(if marked.is_empty() { Chosen::OpenGroup } else { Chosen::Letters(marked) });
            }
            (Some(Screen::Letter(page)), KeyCode::Char('p')) => {
                return Wish::Plan(Chosen::Letters(vec![page.id.clone()]));
            }
            (Some(Screen::Plan(plan)), KeyCode::Enter) if !plan.hash.is_empty() => {
                self.prompt = Some(Prompt::Hash(String::new()));
            }
            (Some(Screen::Run(run)), key) => return run.pressed(key, &mut self.prompt),
            _ => {}
        }
        Wish::Nothing
    }

    fn quit(&mut self) -> Wish {
        match self.running() {
            Some(run) if run.report.is_none() => {
                run.asked = Some("it ends with what is under way finished");
                Wish::Leave
            }
            _ => Wish::Quit,
        }
    }

    fn back(&mut self) {
        let goes_on = self.running().is_some_and(|run| run.report.is_none());
        match goes_on {
            true => {
                self.message = Some("the run goes on: space pauses it, x aborts it, q pauses it and leaves".into());
            }
            false if self.screens.len() > 1 => drop(self.screens.pop()),
            false => {}
        }
    }

    /// Moves the cursor, or the text.
    fn go(&mut self, by: isize) {
        let page = match self.screens.last_mut() {
            Some(Screen::Groups(rows) | Screen::Letters(rows)) => {
                rows.at = rows.at.saturating_add_signed(by).min(rows.rows.len().saturating_sub(1));
                return;
            }
            Some(Screen::Letter(page)) => Some(page),
            Some(Screen::Plan(plan)) => Some(&mut plan.page),
            Some(Screen::Run(run)) => run.report.as_mut(),
            None => None,
        };
        // Where its end is, only the screen knows.
        if let Some(page) = page {
            page.top = page.top.saturating_add_signed(by);
        }
    }
}

impl Running {
    fn pressed(&mut self, key: KeyCode, prompt: &mut Option<Prompt>) -> Wish {
        match key {
            KeyCode::Char('c') if self.can_resume => *prompt = Some(Prompt::GoOn),
            KeyCode::Char('r') if self.report.is_some() => return Wish::Fresh,
            _ if self.report.is_some() => {}
            KeyCode::Char(' ') if self.progress.doing == "paused" => {
                self.asked = Some("it goes on within a second");
                return Wish::Go;
            }
            KeyCode::Char(' ') => {
                self.asked = Some("it pauses within a second, with what is under way finished");
                return Wish::Pause;
            }
            KeyCode::Char('x') => *prompt = Some(Prompt::Abort),
            _ => {}
        }
        Wish::Nothing
    }
}
