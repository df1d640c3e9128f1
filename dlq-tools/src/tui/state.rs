//! What the screen shows.

use crate::run::Progress;

/// All of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// What is looked at: the queue, and its snapshot.
    pub title: String,
    /// From the first screen to the one that is shown.
    pub screens: Vec<Screen>,
    /// What is being typed.
    pub prompt: Option<Prompt>,
    /// Whether the keys are explained.
    pub is_help: bool,
    /// What went wrong, or what else there is to say; until the next key.
    pub message: Option<String>,
    /// The condition that the letters were chosen by.
    pub condition: String,
    /// What is being done, when that may take long.
    pub busy: Option<&'static str>,
}

/// One screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Screen {
    /// What failed, in groups.
    Groups(Rows),
    /// The letters of a group.
    Letters(Rows),
    /// A letter in full.
    Letter(Page),
    /// A plan.
    Plan(Planned),
    /// A run.
    Run(Box<Running>),
}

/// A list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// What stands over the columns.
    pub heading: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Row>,
    /// The one that the cursor is on, from 0.
    pub at: usize,
    /// What there is to say of the list as a whole.
    pub note: String,
    /// The columns that are left out where the screen is too narrow, the first one first.
    pub spare: &'static [usize],
}

/// A row of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Of a letter, its message id.
    pub id: String,
    /// What is shown, by column.
    pub cells: Vec<String>,
    /// Whether it was marked.
    pub is_marked: bool,
}

/// A text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Of a letter, its message id.
    pub id: String,
    /// The text.
    pub lines: Vec<String>,
    /// The first row that is shown, from 0: a line that is wider than the screen has more than one.
    pub top: usize,
}

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// What it would do.
    pub page: Page,
    /// Its hash.
    pub hash: String,
}

/// A run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// How far it has come.
    pub progress: Progress,
    /// What else happened, the newest last.
    pub notes: Vec<String>,
    /// What was asked of it, and hasn't shown yet.
    pub asked: Option<&'static str>,
    /// What it has done; `None` while it goes on.
    pub report: Option<Page>,
    /// Whether it ended, and can be gone on with.
    pub can_resume: bool,
}

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A condition.
    Condition(String),
    /// The beginning of the plan's hash.
    Hash(String),
    /// Whether the run is to end for good.
    Abort,
    /// Whether the run that stopped is to be gone on with.
    GoOn,
}

impl State {
    /// The screen that is shown.
    #[must_use]
    pub fn screen(&self) -> Option<&Screen> {
        self.screens.last()
    }

    /// The run that is shown.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match self.screens.last_mut() {
            Some(Screen::Run(running)) => Some(running),
            _ => None,
        }
    }
}

impl Rows {
    /// The row that the cursor is on.
    #[must_use]
    pub fn row(&self) -> Option<&Row> {
        self.rows.get(self.at)
    }

    /// The ids of those that are marked.
    #[must_use]
    pub fn marked(&self) -> Vec<String> {
        self.rows.iter().filter(|row| row.is_marked).map(|row| row.id.clone()).collect()
    }
}

impl Page {
    /// A text from its beginning.
    #[must_use]
    pub fn new(id: &str, text: &str) -> Self {
        Self { id: id.to_owned(), lines: text.lines().map(str::to_owned).collect(), top: 0 }
    }
}
