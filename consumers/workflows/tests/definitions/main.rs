//! Definitions as authors meet them: the examples, the documentation, and whatever else somebody sends.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod docs;
mod examples;
mod hostile;
