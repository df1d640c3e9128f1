//! How much a run may hold. What goes beyond fails it, so that it neither fills a store nor keeps a host busy.

use std::{cell::Cell, io};

use serde::Serialize;
use serde_json::Value;

use super::Failure;

/// The most bytes of one value as JSON: a result, a variable, a call. As many as a variable of Step Functions may have.
pub const MAX_VALUE: usize = 256 * 1024;
/// How deep lists and objects may stand in each other in one value. With the blocks around it that is still less than what a
/// reader of JSON goes into.
pub const MAX_DEPTH: usize = 20;
/// The most bytes of a run's state as JSON.
pub const MAX_STATE: usize = 1024 * 1024;
/// The most items of a `for_each`.
pub const MAX_ITEMS: usize = 10_000;
/// The most steps that a run may come to in its life, each item's counted.
pub const MAX_STEPS: u32 = 100_000;

/// The most bytes of all values that are made on the way to what a step needs. A turn that has made as many is ended, and the run
/// goes on in another one.
pub const MAX_WORK: usize = 32 * 1024 * 1024;

/// How many bytes coming to a step counts as, beside its values: what is noted of it.
const STEP: usize = 4096;

/// The error of what is too large.
const TOO_LARGE: &str = "Workflow.ValueTooLarge";

/// How much was done in a turn: values that were made, in bytes.
#[derive(Debug, Default)]
pub(super) struct Work {
    before: Cell<usize>,
    step: Cell<usize>,
}

impl Work {
    /// Another step is looked at.
    pub(super) fn next(&self) {
        self.before.set(self.before.get().saturating_add(self.step.replace(STEP)));
    }

    /// So much more for the step. Whether that isn't too much.
    pub(super) fn add(&self, bytes: usize) -> bool {
        self.step.set(self.step.get().saturating_add(bytes));
        self.step.get() <= MAX_WORK
    }

    /// Whether it is time for others.
    pub(super) fn is_enough(&self) -> bool {
        self.before.get().saturating_add(self.step.get()) >= MAX_WORK
    }

    /// That what the step needed could be made.
    pub(super) fn check(&self, step: &str) -> Result<(), Failure> {
        if self.add(0) {
            return Ok(());
        }
        let cause = format!("the values on the way to what `{step}` needs have more than {MAX_WORK} bytes together");
        Err(Failure::new(TOO_LARGE, cause))
    }
}

/// What was too large, as a failure that no `on_error` catches: Step Functions doesn't let anybody catch it either.
pub(super) fn check_value(what: &str, value: &Value) -> Result<(), Failure> {
    check_size(what, value)?;
    if depth(value) <= MAX_DEPTH {
        return Ok(());
    }
    let cause = format!("{what} has lists and objects that stand more than {MAX_DEPTH} deep in each other");
    Err(Failure::new(TOO_LARGE, cause))
}

/// The same of what has several values in it, which Step Functions hands over in one piece.
pub(super) fn check_size(what: &str, values: &impl Serialize) -> Result<(), Failure> {
    if fits(values, MAX_VALUE) {
        return Ok(());
    }
    Err(Failure::new(TOO_LARGE, format!("{what} has more than {MAX_VALUE} bytes as JSON")))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(names) => 1 + names.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Whether something has at most so many bytes as JSON. It isn't written any further than that.
pub(super) fn fits(value: &impl Serialize, most: usize) -> bool {
    serde_json::to_writer(Room(most), value).is_ok()
}

/// Takes so many bytes, and keeps none.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_fits_up_to_its_last_byte() {
        assert!(fits(&"ab", 4));
        assert!(!fits(&"abc", 4));
    }
}
