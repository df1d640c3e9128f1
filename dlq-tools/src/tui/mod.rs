//! Everything on one screen: groups, their letters, a plan, and the run of it while it goes on.
//!
//! It does nothing that the other verbs don't: plans are made and runs are carried out by the same code, with the same guards and the
//! same audit. What the screen shows is plain data ([`State`]); a key changes it, or wishes for something ([`Wish`]), which the
//! driver performs. So everything but the terminal itself can be tested without one.

mod desk;
mod draw;
mod live;
mod load;
mod state;
mod terminal;
mod update;

use std::io;

pub(crate) use desk::Desk;
pub use draw::draw;
use ratatui::crossterm::event::Event;
use sendoff_events::BoxFuture;
pub use state::{Page, Planned, Prompt, Row, Rows, Running, Screen, State};
pub(crate) use terminal::Terminal;
pub use update::{Chosen, Wish};

/// Where the screen is shown, and where keys come from.
pub trait Console {
    /// Shows this.
    ///
    /// # Errors
    ///
    /// When it can't be shown, since the terminal is gone.
    fn show(&mut self, state: &mut State) -> io::Result<()>;

    /// The next thing that happens at it; `None` when nothing more comes and the program is to end. Dropping the future loses nothing.
    fn event(&mut self) -> BoxFuture<'_, Option<Event>>;
}
