//! The screen, without a terminal: what it looks like, what keys do, and a whole night from the groups to the end of a run.
//! `UPDATE_TRANSCRIPTS=1 cargo test -p sendoff-dlq-tools tui` writes down what it looks like now.

mod console;
mod keys;
mod night;
mod screens;

pub(crate) use console::{Script, shown, shown_in};
