//! Carrying out a plan: exactly it, once, and so that nothing is lost whatever happens.
//!
//! Each letter is taken, compared with the plan, sent, and then deleted, and the [journal] is told before each step that
//! can't be taken back. After a crash the journal says of each letter whether it was sent, and of a few that nobody knows: those are
//! sent once more under the same replay count, and their consumer's inbox absorbs it.
//!
//! The engine names no runtime: it takes the time from its clock and stands on ports only.

mod batch;
pub mod control;
mod elsewhere;
mod engine;
pub mod folder;
pub mod journal;
mod ladder;
pub mod leases;
mod missing;
mod original;
mod pace;
mod predecessor;
mod progress;
mod ready;
mod report;
mod round;
mod screen;
mod send;
mod speed;
mod state;
mod strangers;
mod tick;
mod watch;

pub use elsewhere::{Elsewhere, elsewhere};
pub use engine::{Ended, Run, RunError, Settings};
pub use original::{OfQueue, Originals};
pub use progress::{Progress, Watcher, Watching};
pub use report::Report;
pub use screen::Screen;
pub use state::{Stage, State};
