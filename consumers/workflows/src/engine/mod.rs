//! Carries out a [`Plan`]: the state machine of a run.
//!
//! It does nothing itself. [`start`] and [`advance`] say what a run remembers from now on, what its host is to do, and what
//! there is to tell about it. A host makes all of that durable in one step and then does what it was told; whatever may have
//! been lost on the way it finds again with [`pending`]. A signal that doesn't fit changes nothing, so that a host may well
//! tell the same thing twice.
//!
//! Everything follows from the plan, the state and the signal: neither a clock nor a random number is asked but those given.

mod call;
mod command;
mod cursor;
mod drive;
mod history;
mod instance;
mod limits;
mod moment;
mod parts;
mod scope;
mod signal;
mod state;
mod together;
mod tried;
mod turn;
mod virtual_run;
mod walk;

#[cfg(test)]
mod tests;

pub use command::{ActCommand, AskCommand, Command};
pub use history::{Entry, What};
pub use instance::{Instance, NoInstance};
pub use limits::{MAX_DEPTH, MAX_ITEMS, MAX_STATE, MAX_STEPS, MAX_VALUE, MAX_WORK};
pub use moment::moment;
pub use signal::{Decision, Signal};
pub use state::{Failure, RunState, Status};
pub use turn::{Turn, advance, outstanding, pending, start};
pub use virtual_run::{Answer, Outcome, Played, Reply, World, carry_on, virtual_run};

#[cfg(doc)]
use crate::Plan;
