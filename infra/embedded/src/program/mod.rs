//! What the command-line programs share: how they end, and how they print.

mod exit;
pub mod print;

pub use exit::{Exit, Stopped, end};
