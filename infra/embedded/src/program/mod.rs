//! What the command-line programs share: how they end, and how they print.

mod exit;
pub mod print;

pub use sendoff_host::{Exit, Stopped, end};
